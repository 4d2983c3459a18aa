package conn

import (
	"net"
	"os"
	"syscall"
	"time"
)

// waiting is a direct socket as a connection whose calls wait: for a handshake, and for a small
// transfer under TLS. To make a connection of Go's takes more system calls than either makes
// for itself. Stream.mu guards its fields.
type waiting struct {
	stream *Stream
	most   int // bytes until it becomes a connection of Go's; 0 is never
	moved  int
	conn   net.Conn // of Go's; nil before, and never changed after
	reads  deadline
	writes deadline
	closed bool
}

// mostWaiting is how many bytes a transfer moves before it is left to Go's poller: else the
// goroutine of the shard would wake it for each piece.
const mostWaiting = 128 << 10

// deadline is that of reads or writes.
type deadline struct {
	until time.Time
	timer *time.Timer // nil without one
	past  bool
}

// Waiting is the connection as one whose calls wait; the stream is not to be used from then on.
// A direct socket stays with the poll until it has moved many bytes.
func (s *Stream) Waiting() net.Conn {
	s.mu.Lock()
	s.waits = s.direct != nil && s.direct.watch(s, true) == nil
	waits := s.waits
	s.mu.Unlock()
	if !waits {
		return s.Ordinary()
	}
	return &waiting{stream: s, most: mostWaiting}
}

// Read implements [net.Conn].
func (w *waiting) Read(p []byte) (int, error) {
	w.stream.mu.Lock()
	for w.conn == nil {
		n, err := w.try(&w.reads, w.stream.direct.read, p)
		if err != syscall.EAGAIN {
			w.stream.mu.Unlock()
			return n, err
		}
		w.stream.await()
	}
	w.stream.mu.Unlock()
	return w.conn.Read(p)
}

// Write implements [net.Conn].
func (w *waiting) Write(p []byte) (n int, err error) {
	w.stream.mu.Lock()
	for w.conn == nil && n < len(p) {
		var more int
		more, err = w.try(&w.writes, w.stream.direct.write, p[n:])
		n += more
		if err == syscall.EAGAIN {
			w.stream.await()
		} else if err != nil {
			w.stream.mu.Unlock()
			return n, err
		}
	}
	w.stream.mu.Unlock()
	if n == len(p) {
		return n, nil
	}
	more, err := w.conn.Write(p[n:])
	return n + more, err
}

// try makes a call, unless its time is past, and counts the bytes.
func (w *waiting) try(d *deadline, call func([]byte) (int, error), p []byte) (int, error) {
	switch {
	case w.closed || w.stream.closing:
		return 0, net.ErrClosed
	case d.past:
		return 0, os.ErrDeadlineExceeded
	}
	n, err := call(p)
	if w.moved += n; w.most > 0 && w.moved >= w.most {
		w.stream.becomeOrdinary()
		w.conn = w.stream.conn
		w.reads.stop()
		w.writes.stop()
		w.conn.SetReadDeadline(w.reads.until)
		w.conn.SetWriteDeadline(w.writes.until)
	}
	return n, err
}

// SetDeadline implements [net.Conn].
func (w *waiting) SetDeadline(t time.Time) error {
	w.SetReadDeadline(t)
	return w.SetWriteDeadline(t)
}

// SetReadDeadline implements [net.Conn].
func (w *waiting) SetReadDeadline(t time.Time) error {
	return w.set(&w.reads, t, net.Conn.SetReadDeadline)
}

// SetWriteDeadline implements [net.Conn].
func (w *waiting) SetWriteDeadline(t time.Time) error {
	return w.set(&w.writes, t, net.Conn.SetWriteDeadline)
}

func (w *waiting) set(d *deadline, t time.Time, ordinary func(net.Conn, time.Time) error) error {
	s := w.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.conn != nil {
		return ordinary(w.conn, t)
	}
	d.stop()
	d.until = t
	if t.IsZero() {
		return nil
	}
	left := time.Until(t)
	if left <= 0 {
		d.past = true
		s.signal()
		return nil
	}
	d.timer = time.AfterFunc(left, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		d.past = d.until == t
		s.signal()
	})
	return nil
}

func (d *deadline) stop() {
	if d.past = false; d.timer != nil {
		d.timer.Stop()
	}
}

// Close implements [net.Conn].
func (w *waiting) Close() error {
	if w.end(direct.close) {
		return nil
	}
	return w.conn.Close()
}

// reset breaks the connection off (RST).
func (w *waiting) reset() {
	if !w.end(direct.reset) {
		Reset(w.conn)
	}
}

// end ends a direct socket by how. It returns false for a connection of Go's.
func (w *waiting) end(how func(direct)) bool {
	s := w.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.conn != nil {
		return false
	}
	w.reads.stop()
	w.writes.stop()
	if !w.closed {
		how(s.direct)
		w.closed = true
		s.signal()
	}
	return true
}

// LocalAddr implements [net.Conn].
func (w *waiting) LocalAddr() net.Addr { return w.addr(direct.local, net.Conn.LocalAddr) }

// RemoteAddr implements [net.Conn].
func (w *waiting) RemoteAddr() net.Addr { return w.addr(direct.remote, net.Conn.RemoteAddr) }

func (w *waiting) addr(of func(direct) net.Addr, ordinary func(net.Conn) net.Addr) net.Addr {
	w.stream.mu.Lock()
	defer w.stream.mu.Unlock()
	if w.conn != nil {
		return ordinary(w.conn)
	}
	return of(w.stream.direct)
}
