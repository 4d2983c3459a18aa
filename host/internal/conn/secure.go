package conn

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"wasiftp/wasi"
	"wasiftp/wasi/errno"
)

// secure is TLS on a direct socket: a control connection under TLS needs no goroutine either.
// The handshake is done on an ordinary connection before.
type secure struct {
	*tls.Conn
	wire  *wire
	early []byte // read before the guest asked
}

// wire is what TLS has beneath it. Its reads don't wait once it has a stream: that there is
// nothing to read is told as a passed deadline, after which TLS can be read again. What TLS
// writes then goes to the unsent bytes of the stream. Callers hold Stream.mu.
type wire struct {
	net.Conn         // nil with stream
	stream   *Stream // nil until the handshake is done
	left     int     // bytes that may yet be read for the guest's present call
}

// mostRead is how many bytes are read from the socket for a call of the guest: what TLS has
// for itself among them, such as new keys, takes time but gives the guest nothing.
const mostRead = 8 << 10

// errUnread says that there may be more to read, but not within this call.
var errUnread = errors.New("more to read")

// NetConn is the connection beneath.
func (w *wire) NetConn() net.Conn { return w.Conn }

// Read implements [net.Conn].
func (w *wire) Read(p []byte) (int, error) {
	if w.stream == nil {
		return w.Conn.Read(p)
	}
	if w.left <= 0 {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := w.stream.direct.read(p)
	if w.left -= n; err == syscall.EAGAIN {
		err = os.ErrDeadlineExceeded
	}
	return n, err
}

// Write implements [net.Conn].
func (w *wire) Write(p []byte) (int, error) {
	if w.stream == nil {
		return w.Conn.Write(p)
	}
	if len(w.stream.unsent)+len(p) > 2*MaxUnsent { // answers to a client that reads none
		return 0, syscall.ENOBUFS
	}
	w.stream.unsent = append(w.stream.unsent, p...)
	return len(p), nil
}

// SetWriteDeadline implements [net.Conn]: TLS sets one for its last alert.
func (w *wire) SetWriteDeadline(t time.Time) error {
	if w.stream == nil {
		return w.Conn.SetWriteDeadline(t)
	}
	return nil
}

// secureOn has the poll watch the socket of a connection whose handshake is done. It returns
// false if the socket can't be watched. Callers hold s.mu.
func (s *Stream) secureOn(conn *tls.Conn) bool {
	w, ok := conn.NetConn().(*wire)
	if !ok || s.former == nil {
		return false
	}
	direct := s.former.again(w.Conn)
	if direct == nil {
		return false
	}
	waits, starved := s.unsent, s.starved
	s.direct, s.ordinary, s.secure, s.unsent = direct, nil, &secure{Conn: conn, wire: w}, nil
	w.Conn, w.stream, s.drained = nil, s, false
	if n, _ := s.seal(waits); n < len(waits) && s.writeErr == nil {
		s.writeErr = syscall.ENOBUFS
	}
	if s.starved = starved; starved && !s.flushing {
		s.flushed()
	}
	s.look()
	return true
}

// look reads what TLS has read behind the handshake, and has the poll watch the socket.
func (s *Stream) look() {
	early := make([]byte, 512)
	n, err := s.secure.read(early)
	s.secure.early = early[:n]
	if fault := s.direct.watch(s, true); fault != nil {
		s.readErr = fault
	}
	if n > 0 || err != syscall.EAGAIN || s.readErr != nil {
		s.owner.Post(wasi.EventReadable)
	}
}

// read reads until p is full or nothing more has come, since TLS may have read more from the
// socket than it gave.
func (c *secure) read(p []byte) (n int, err error) {
	n = copy(p, c.early)
	c.early, c.wire.left = c.early[n:], mostRead
	for n < len(p) && err == nil {
		var more int
		more, err = c.Read(p[n:])
		n += more
	}
	switch {
	case err != os.ErrDeadlineExceeded:
	case c.wire.left <= 0:
		err = errUnread
	default:
		err = syscall.EAGAIN
	}
	return n, err
}

// mostSealed is how many bytes are put into TLS records at a time, and sealing how many bytes
// the records of so many may have besides.
const (
	mostSealed = 16 << 10
	sealing    = 1 << 10
)

// seal is Write under TLS.
func (s *Stream) seal(p []byte) (n int, _ wasi.Errno) {
	for n < len(p) {
		size := min(len(p)-n, mostSealed, MaxUnsent-sealing-len(s.unsent))
		if size <= 0 {
			break
		}
		_, s.writeErr = s.secure.Write(p[n : n+size])
		s.push()
		if s.writeErr != nil {
			return 0, errno.Of(s.writeErr)
		}
		n += size
	}
	if s.starved = n < len(p); n == 0 && s.starved {
		return 0, wasi.EAGAIN
	}
	return n, wasi.OK
}

// push sends what TLS has written, as far as there is room.
func (s *Stream) push() {
	if s.flushing || len(s.unsent) == 0 {
		return
	}
	n := s.attempt(s.unsent)
	if s.unsent = s.unsent[n:]; len(s.unsent) == 0 || s.writeErr != nil {
		s.unsent = nil
	} else {
		s.keepOn()
	}
}
