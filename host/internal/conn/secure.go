package conn

import (
	"crypto/tls"
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
	early []byte // read before the guest asked
}

// wire is what TLS has beneath it. Its reads don't wait once it has a stream: that there is
// nothing to read is told as a passed deadline, after which TLS can be read again. What TLS
// writes then goes to the unsent bytes of the stream. Callers hold Stream.mu.
type wire struct {
	net.Conn         // nil with stream
	stream   *Stream // nil until the handshake is done
}

// NetConn is the connection beneath.
func (w *wire) NetConn() net.Conn { return w.Conn }

// Read implements [net.Conn].
func (w *wire) Read(p []byte) (int, error) {
	if w.stream == nil {
		return w.Conn.Read(p)
	}
	n, err := w.stream.direct.read(p)
	if err == syscall.EAGAIN {
		err = os.ErrDeadlineExceeded
	}
	return n, err
}

// Write implements [net.Conn].
func (w *wire) Write(p []byte) (int, error) {
	if w.stream == nil {
		return w.Conn.Write(p)
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
	waits := s.unsent
	s.direct, s.ordinary, s.secure, s.unsent = direct, nil, &secure{Conn: conn}, nil
	w.Conn, w.stream, s.drained = nil, s, false
	s.seal(waits)
	early := make([]byte, 512) // TLS may have read more than the handshake
	n, err := s.secure.read(early)
	s.secure.early = early[:n]
	if err == syscall.EAGAIN {
		err = direct.watch(s, true)
	}
	if s.readErr = err; n > 0 || err != nil {
		s.owner.Post(wasi.EventReadable)
	}
	return true
}

// read reads until p is full or nothing more has come, since TLS may have read more from the
// socket than it gave.
func (c *secure) read(p []byte) (n int, err error) {
	n = copy(p, c.early)
	c.early = c.early[n:]
	for n < len(p) && err == nil {
		var more int
		more, err = c.Read(p[n:])
		n += more
	}
	if err == os.ErrDeadlineExceeded {
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
