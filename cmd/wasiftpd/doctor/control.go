package doctor

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// longestReply bounds the memory that a server's reply can take.
const longestReply = 64 << 10

var errEndless = errors.New("the reply is longer than 64 KiB")

// reply is a reply of the server. Its text may have several lines.
type reply struct {
	code int
	text string
}

func (r reply) String() string { return fmt.Sprintf("%d %s", r.code, r.text) }

// is says whether the reply has one of some codes. 2 stands for all from 200 to 299.
func (r reply) is(codes ...int) bool {
	return slices.ContainsFunc(codes, func(code int) bool { return r.code == code || r.code/100 == code })
}

// control is a control connection. It ends with the context that it was opened with.
type control struct {
	ctx   context.Context
	conn  net.Conn
	lines *bufio.Reader
	limit *io.LimitedReader
	step  time.Duration // that a reply may take
	stop  func() bool
}

func newControl(ctx context.Context, conn net.Conn, step time.Duration) *control {
	c := &control{ctx: ctx, step: step, stop: context.AfterFunc(ctx, func() { conn.Close() })}
	c.use(conn)
	return c
}

// use has the dialogue go on over conn.
func (c *control) use(conn net.Conn) {
	c.conn = conn
	c.limit = &io.LimitedReader{R: conn}
	c.lines = bufio.NewReader(c.limit)
}

func (c *control) close() {
	c.stop()
	c.conn.Close()
}

// reply reads a reply of any code.
func (c *control) reply() (reply, error) {
	c.limit.N = longestReply
	if err := c.conn.SetDeadline(time.Now().Add(c.step)); err != nil {
		return reply{}, err
	}
	r, err := c.read()
	if err != nil && c.limit.N <= 0 {
		err = errEndless
	}
	return r, err
}

// read reads the lines of a reply (RFC 959 section 4.2). It is not [textproto.Reader]'s: that
// takes "SSH-2.0" for the first of several lines, and waits for the last.
func (c *control) read() (reply, error) {
	line, err := c.line()
	if err != nil {
		return reply{}, err
	}
	if len(line) < 3 || line[0] < '1' || line[0] > '5' || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
		return reply{}, garbageError(line)
	}
	code, err := strconv.Atoi(line[:3])
	if err != nil {
		return reply{}, garbageError(line)
	}
	first, last := line[:3]+"-", line[:3]+" "
	text := []string{strings.TrimPrefix(line[3:], " ")}
	if len(line) > 3 && line[3] == '-' {
		text[0] = line[4:]
		for !strings.HasPrefix(line, last) {
			if line, err = c.line(); err != nil {
				return reply{}, err
			}
			text = append(text, strings.TrimPrefix(strings.TrimPrefix(line, last), first))
		}
	}
	return reply{code, strings.Join(text, "\n")}, nil
}

func (c *control) line() (string, error) {
	line, err := c.lines.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}

// garbageError is a line that is no reply.
type garbageError string

func (e garbageError) Error() string { return fmt.Sprintf("%q is no reply", string(e)) }

// command sends a command and reads its reply.
func (c *control) command(line string) (reply, error) {
	if err := c.conn.SetDeadline(time.Now().Add(c.step)); err != nil {
		return reply{}, err
	}
	if _, err := io.WriteString(c.conn, line+"\r\n"); err != nil {
		return reply{}, err
	}
	return c.reply()
}

// secure makes the TLS handshake.
func (c *control) secure(config *tls.Config) (tls.ConnectionState, error) {
	if c.lines.Buffered() > 0 {
		return tls.ConnectionState{}, errors.New("the server sent more than its reply before TLS began")
	}
	conn := tls.Client(c.conn, config)
	if err := handshake(c.ctx, conn, c.step); err != nil {
		return tls.ConnectionState{}, err
	}
	c.use(conn)
	return conn.ConnectionState(), nil
}

func handshake(ctx context.Context, conn *tls.Conn, step time.Duration) error {
	limited, cancel := context.WithTimeout(ctx, step)
	defer cancel()
	return conn.HandshakeContext(limited)
}

// The numbers are those of Windows, which has others in package syscall.
var (
	refusals = []error{syscall.ECONNREFUSED, syscall.Errno(10061)}
	resets   = []error{syscall.ECONNRESET, syscall.EPIPE, syscall.Errno(10054), io.EOF, io.ErrUnexpectedEOF, net.ErrClosed}
	nowhere  = []error{
		syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EACCES, syscall.EPERM, syscall.Errno(10065), syscall.Errno(10051),
	}
)

// kindOf is the kind of outcome that an error is.
func kindOf(err error) string {
	among := func(all []error) bool {
		return slices.ContainsFunc(all, func(one error) bool { return errors.Is(err, one) })
	}
	var timeout interface{ Timeout() bool }
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return "unknown"
	case errors.Is(err, errEndless):
		return "endless"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "silent"
	case among(refusals):
		return "refused"
	case among(nowhere):
		return "unreachable"
	case among(resets):
		return "closed"
	case errors.As(err, new(garbageError)):
		return "garbage"
	}
	return "odd"
}

// inWords is an error without the addresses that package net puts before it.
func inWords(err error) string {
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	if err == io.EOF {
		return "the connection was closed"
	}
	return err.Error()
}
