package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"time"
)

// stage is how far a transfer came.
type stage int

const (
	stageListen  stage = iota // EPSV or PASV
	stageDial                 // the connection to the announced port
	stageCommand              // the preliminary reply to the command
	stageTLS                  // the handshake on the data connection
	stageMove                 // the bytes
	stageEnd                  // the reply after the bytes
	stageDone
)

// transfer is what became of a command with a data connection.
type transfer struct {
	stage   stage          // that it ended in
	reply   reply          // the last one
	err     error          // nil if the reply says why it ended
	at      netip.AddrPort // what the server has announced
	resumed bool           // the TLS session of the control connection
	moved   int64
}

func (t *transfer) String() string {
	if t.err != nil {
		return inWords(t.err)
	}
	return t.reply.String()
}

// failed is the outcome of a transfer for which a check has no kind of its own.
func (t *transfer) failed(doing string) []Outcome {
	if t.err != nil {
		return failed(doing, t.err)
	}
	return One("odd", doing+": "+t.reply.String())
}

// way is how a transfer is to be made.
type way struct {
	method string                        // EPSV or PASV
	dial   func(netip.AddrPort) string   // the address to connect to; nil is the announced one
	move   func(net.Conn) (int64, error) // nil reads all, and counts it
	fresh  bool                          // don't resume the TLS session
}

// transfer has the server open a port, connects to it, sends a command, and moves bytes.
func (x *exam) transfer(ctx context.Context, w way, line string) (t transfer) {
	if f := x.ready(ctx); f != nil {
		t.err = lostError{f}
		return t
	}
	c := x.control
	defer func() {
		inStep := t.stage == stageDial || errors.As(t.err, new(unreadableError))
		if t.err != nil && !inStep { // else the dialogue is where it was
			x.drop()
		}
	}()
	if t.reply, t.err = c.command(w.method); t.err != nil || !t.reply.is(2) {
		return t
	}
	if t.at, t.err = announcedIn(t.reply, x.peer); t.err != nil {
		return t
	}
	t.stage = stageDial
	address := t.at.String()
	if w.dial != nil {
		address = w.dial(t.at)
	}
	conn, err := x.dial(ctx, address)
	if t.err = err; err != nil {
		return t
	}
	defer conn.Close()
	t.stage = stageCommand
	if t.reply, t.err = c.command(line); t.err != nil || !t.reply.is(1) {
		return t
	}
	x.move(ctx, conn, w, &t)
	return t
}

// move moves the bytes of a transfer over a data connection, and reads the last reply.
func (x *exam) move(ctx context.Context, conn net.Conn, w way, t *transfer) {
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if x.protected {
		t.stage = stageTLS
		config := x.tlsConfig()
		if w.fresh {
			config.ClientSessionCache = nil
		}
		secure := tls.Client(conn, config)
		if t.err = handshake(ctx, secure, x.Step); t.err != nil {
			x.explain(t)
			return
		}
		t.resumed = secure.ConnectionState().DidResume
		conn = secure
	}
	t.stage = stageMove
	if t.err = conn.SetDeadline(time.Now().Add(3 * x.Step)); t.err != nil {
		return
	}
	read := w.move
	if read == nil {
		read = func(conn net.Conn) (int64, error) { return io.Copy(io.Discard, io.LimitReader(conn, longestListing)) }
	}
	t.moved, t.err = read(conn)
	if t.err != nil {
		x.explain(t)
		return
	}
	conn.Close()
	t.stage = stageEnd
	if t.reply, t.err = x.control.reply(); t.err == nil && t.reply.is(2) {
		t.stage = stageDone
	}
}

// explain reads the reply that tells why a data connection failed, if there is one in time.
func (x *exam) explain(t *transfer) {
	if kindOf(t.err) == "silent" {
		return // the server waits as long as the doctor did
	}
	if r, err := x.control.reply(); err == nil && r.is(4, 5) {
		t.reply, t.err = r, nil
	}
}

// longestListing bounds what is read of a listing that has no end.
const longestListing = 1 << 20

var (
	pasvReply = regexp.MustCompile(`(\d+),(\d+),(\d+),(\d+),(\d+),(\d+)`)
	epsvReply = regexp.MustCompile(`\([!-~]{3}(\d+)[!-~]\)`)
)

// announcedIn reads a reply to PASV or EPSV (RFC 2428 section 3). peer is the address that
// EPSV leaves out.
func announcedIn(r reply, peer netip.Addr) (netip.AddrPort, error) {
	if found := epsvReply.FindStringSubmatch(r.text); found != nil && r.code == 229 {
		port, err := strconv.ParseUint(found[1], 10, 16)
		if err == nil && port > 0 {
			return netip.AddrPortFrom(peer, uint16(port)), nil
		}
	}
	if found := pasvReply.FindStringSubmatch(r.text); found != nil && r.code == 227 {
		var b [6]byte
		for i, digits := range found[1:] {
			n, err := strconv.ParseUint(digits, 10, 8)
			if err != nil {
				return netip.AddrPort{}, unreadableError{r}
			}
			b[i] = byte(n)
		}
		if port := uint16(b[4])<<8 | uint16(b[5]); port > 0 {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[:4])), port), nil
		}
	}
	return netip.AddrPort{}, unreadableError{r}
}

// unreadableError is a reply that names no port.
type unreadableError struct{ reply reply }

func (e unreadableError) Error() string { return fmt.Sprintf("no port can be read in %q", e.reply) }
