package conn

import (
	"io"
	"net"
	"syscall"
	"time"

	"wasiftp/wasi"
)

// direct is a socket that a stream uses without goroutines, since a poll watches it. Its
// calls don't wait; where they would, the error is EAGAIN. Callers hold Stream.mu.
type direct interface {
	// join has the poll watch the socket from watch on. It returns false if it cannot.
	join(poll *Poll) bool

	// watch has the poll tell s when the socket has room or, if receives is set, bytes.
	watch(s *Stream, receives bool) error

	read(p []byte) (int, error) // io.EOF at the end
	write(p []byte) (int, error)
	discard() (more bool) // drops the bytes that have come; false: no more will come
	peek() error          // what read would say, without the bytes
	shutdown() error      // ends the sending direction
	reset()               // breaks the connection off (RST)
	close()
	control(do func(fd uintptr))
	local() net.Addr // of our end
	remote() net.Addr

	// ordinary makes a connection of Go's of the socket, which then is no longer direct.
	ordinary() (net.Conn, error)
}

// events of a direct socket, by what they mean to a stream.
type events struct {
	bytes  bool // to be read
	urgent bool // TCP urgent data: a read ends before them, though more may have come
	end    bool // the client will send no more, or the connection failed
	room   bool // to write
}

// seen takes up what the poll says of a direct socket.
func (s *Stream) seen(e events) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.direct == nil {
		return
	}
	if s.waits {
		s.signal()
		return
	}
	come := e.bytes || e.urgent || e.end
	if s.notify != nil {
		if come {
			s.notify()
		}
		return
	}
	if come {
		s.drained = false
		s.careful = s.careful || e.urgent || e.end
		switch {
		case s.closing:
			s.drop()
		case s.readErr == nil:
			s.owner.Post(wasi.EventReadable)
			if e.end {
				s.heed()
			}
		}
	}
	if e.room && s.flushing {
		s.send()
	}
}

// heed notes that the client has hung up. If bytes are unread before the end, the guest is
// told once it has read nothing for hangUpTime.
func (s *Stream) heed() {
	if s.ended() {
		s.tellOver()
		return
	}
	s.patience = time.AfterFunc(hangUpTime, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.closing && !s.over {
			s.owner.Post(wasi.EventHangup)
			s.tellOver()
		}
	})
}

// ended says whether no bytes are unread on a direct socket, and no more will come. It keeps
// an error for Read: the system tells of it once.
func (s *Stream) ended() bool {
	err := s.direct.peek()
	if err == nil || err == syscall.EAGAIN {
		return false
	}
	if err != io.EOF {
		s.readErr = err
	}
	return true
}

// take is Read on a direct socket. After a short read there is nothing more before the
// next event: so the guest's second read makes no system call.
func (s *Stream) take(p []byte) (int, wasi.Errno) {
	if s.readErr != nil || s.drained || s.upgrade != nil || len(p) == 0 {
		return 0, s.readErrno()
	}
	n, err := s.receive(p)
	more := s.careful
	switch {
	case n > 0: // the next read meets an error again
		more = more || err != nil && err != syscall.EAGAIN
	case err == errUnread:
		s.owner.Post(wasi.EventReadable)
		return 0, wasi.EAGAIN
	case err == syscall.EAGAIN:
		s.drained = true
		return 0, wasi.EAGAIN
	default:
		s.readErr = err
		s.tellOver()
		return 0, s.readErrno()
	}
	if n < len(p) {
		if s.drained = !more; more { // there may be more, though the guest takes a short read for the last
			s.owner.Post(wasi.EventReadable)
		}
	}
	if s.patience != nil && !s.over {
		s.patience.Reset(hangUpTime)
	}
	return n, wasi.OK
}

// receive reads from a direct socket, under TLS or in the clear. Bytes under TLS may come with
// an error.
func (s *Stream) receive(p []byte) (int, error) {
	if s.secure == nil {
		return s.direct.read(p)
	}
	n, err := s.secure.read(p)
	s.push() // TLS may have something to say
	return n, err
}

// send writes the unsent bytes to a direct socket, as far as there is room.
func (s *Stream) send() {
	batch := s.due()
	for len(batch) > 0 && s.writeErr == nil {
		n, err := s.direct.write(batch)
		if err == syscall.EAGAIN {
			s.undo(batch)
			return
		}
		batch, s.writeErr = batch[n:], err
	}
	s.flushed()
}

// leave is finish of a direct socket.
func (s *Stream) leave(heard bool) {
	if s.secure != nil {
		s.secure.CloseWrite() // the client ends the connection, or LingerTime
		s.attempt(s.unsent)
		s.unsent = nil
	}
	if !heard || s.secure == nil && s.direct.shutdown() != nil || !s.drained && !s.direct.discard() {
		s.shut(nil)
		return
	}
	s.owner.Lingers(s)
	s.patience = time.AfterFunc(LingerTime, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.shut(nil)
	})
}

// drop discards what a client sends after Close, until it ends the connection.
func (s *Stream) drop() {
	if s.direct.discard() {
		return
	}
	if s.readErr = io.EOF; !s.flushing { // a client that sends no more may still read
		s.shut(nil)
	}
}

// sever is Cut of a direct socket.
func (s *Stream) sever(reply string) {
	switch {
	case s.closing || s.flushing || s.upgrade != nil:
	case s.secure != nil:
		s.seal([]byte(reply))
	default:
		s.direct.write([]byte(reply))
	}
	s.shut(nil)
	if !s.closing && s.readErr == nil {
		s.readErr = net.ErrClosed
		s.owner.Post(wasi.EventReadable)
		s.tellOver()
	}
}

// Await has notify called when bytes, or their end, have come to a direct socket, without
// Receive. It returns false if the socket is no direct one. notify must not use the stream.
func (s *Stream) Await(notify func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.direct == nil || s.direct.watch(s, true) != nil {
		return false
	}
	s.notify = notify
	return true
}

// Take reads bytes that have come to a direct socket. Its error is EAGAIN if there are none,
// io.EOF at their end.
func (s *Stream) Take(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.direct == nil {
		return 0, net.ErrClosed
	}
	return s.direct.read(p)
}

// HungUp says whether the client has ended the connection, whatever is unread before that.
func (s *Stream) HungUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over || s.closing || hungUp(s.control)
}
