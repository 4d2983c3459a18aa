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

// secure is TLS on a direct socket: a control connection under TLS needs no goroutine but for
// its handshake.
type secure struct {
	*tls.Conn
	wire  *wire
	early []byte // read before the guest asked
}

// wire is what TLS has beneath it. During the handshake its calls wait. Behind it, reads don't:
// that there is nothing to read is told as a passed deadline, after which TLS can be read
// again. What TLS writes then goes to the unsent bytes of the stream. Callers hold Stream.mu
// then.
type wire struct {
	*waiting
	shaken bool // the handshake is done
	left   int  // bytes that may yet be read for the guest's present call
}

// mostRead is how many bytes are read from the socket for a call of the guest: what TLS has
// for itself among them, such as new keys, takes time but gives the guest nothing.
const mostRead = 8 << 10

// errUnread says that there may be more to read, but not within this call.
var errUnread = errors.New("more to read")

// Read implements [net.Conn].
func (w *wire) Read(p []byte) (int, error) {
	switch {
	case !w.shaken:
		return w.waiting.Read(p)
	case w.left <= 0:
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
	if !w.shaken {
		return w.waiting.Write(p)
	}
	if len(w.stream.unsent)+len(p) > 2*MaxUnsent { // answers to a client that reads none
		return 0, syscall.ENOBUFS
	}
	w.stream.unsent = append(w.stream.unsent, p...)
	return len(p), nil
}

// SetWriteDeadline implements [net.Conn]: TLS sets one for its last alert.
func (w *wire) SetWriteDeadline(t time.Time) error {
	if w.shaken {
		return nil
	}
	return w.waiting.SetWriteDeadline(t)
}

// shake carries out an upgrade of a direct socket to TLS, on a goroutine of its own.
func (s *Stream) shake(u *Upgrade) {
	s.mu.Lock()
	for s.flushing && !s.closing && s.readErr == nil {
		s.await()
	}
	s.waits = true
	s.mu.Unlock()
	w := &wire{waiting: &waiting{stream: s}}
	var secured net.Conn
	err := u.Guard(func() (err error) {
		secured, _, err = u.apply(w)
		return known(err)
	})
	w.SetDeadline(time.Time{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.upgrade, s.waits = nil, false
	switch {
	case s.closing || s.readErr != nil:
	case err != nil:
		s.readErr, s.writeErr = err, err
		s.owner.Post(wasi.EventReadable)
		s.tellOver()
	default:
		s.secured, w.shaken, s.secure = true, true, &secure{Conn: secured.(*tls.Conn), wire: w}
		s.cipher = cipherOf(secured)
		s.sealWaiting()
		if hungUp(s.control) { // which the poll tells but once
			s.careful = true
			s.heed()
		}
		s.look()
	}
}

// sealWaiting sends what was written during the handshake.
func (s *Stream) sealWaiting() {
	waits, starved := s.unsent, s.starved
	s.unsent, s.drained = nil, false
	if n, _ := s.seal(waits); n < len(waits) && s.writeErr == nil {
		s.writeErr = syscall.ENOBUFS
	}
	if s.starved = starved; starved && !s.flushing {
		s.flushed()
	}
}

// look reads what TLS has read behind the handshake.
func (s *Stream) look() {
	early := make([]byte, 512)
	n, err := s.secure.read(early)
	if s.secure.early = early[:n]; n > 0 || err != syscall.EAGAIN {
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
