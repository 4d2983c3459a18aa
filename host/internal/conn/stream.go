package conn

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"wasiftp/wasi"
	"wasiftp/wasi/errno"
)

// Stream is a connection as the guest sees it: reads and writes never wait, and an event
// says when it is worth trying again.
//
// One goroutine, the receiver, reads from the socket. It waits until the guest has taken
// the bytes before it reads more, so that a client cannot make the host keep many. Write
// goes straight to the socket while that has room; the rest is kept, and a goroutine
// flushes it.
//
// Where a poll can watch the socket, there are no goroutines but for a handshake: Read reads
// from the socket, and the poll says when there are bytes or room.
type Stream struct {
	direct    direct  // the socket while the poll watches it, else nil
	*ordinary         // nil while direct is not
	secure    *secure // TLS on direct; nil in the clear
	owner     Owner

	mu       sync.Mutex
	readErr  error
	notify   func() // of Await; nil after Ordinary
	unsent   []byte
	sending  int // bytes that the flushing goroutine holds
	writeErr error
	upgrade  *Upgrade    // for the receiver to carry out; nil for none
	changed  *sync.Cond  // signals that flushing, over or closing has changed; nil before the first wait
	patience *time.Timer // limits a wait for the client; nil before the first
	shutting sync.Once

	cipher   [2]uint16 // of Cipher
	receives bool      // after Receive
	drained  bool      // a direct socket has nothing to read until the poll says so
	careful  bool      // a short read from a direct socket need not have drained it
	deaf     bool      // the receiver has ended
	flushing bool
	starved  bool // a write was cut short: EventWritable is owed
	closing  bool
	over     bool // the guest has been told that the client ended the connection
	secured  bool // TLS is on
	waits    bool // goroutines wait for what the poll says: see waiting
}

const (
	// MaxUnsent is how many unsent bytes a stream keeps at most.
	MaxUnsent = 64 << 10

	// LingerTime is how long a client may take to end the connection after we have.
	LingerTime = 2 * time.Second
)

// Owner is told what becomes of a stream.
type Owner interface {
	// Post tells the guest of an event of the stream (wasi.EventReadable, …).
	Post(kind uint16)

	// Parts is called when the guest has closed a connection that is still open.
	// Lingers is called when such a connection only waits for the client to end it.
	// Closed is called once, when the descriptor is free.
	Parts(s *Stream)
	Lingers(s *Stream)
	Closed(s *Stream)
}

// New makes a stream of a connection. It reads nothing before Receive. If poll can watch
// the connection's socket, the connection is the stream's alone from then on; a nil poll
// watches none.
func New(conn net.Conn, poll *Poll, owner Owner) *Stream {
	s := &Stream{owner: owner}
	if s.direct = directOf(conn, poll); s.direct == nil {
		s.ordinary = newOrdinary(conn)
	}
	return s
}

// Receive begins to receive, until the stream is closed.
func (s *Stream) Receive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.receives = true
	switch {
	case s.direct == nil:
		s.hire()
	case s.direct.watch(s, true) != nil:
		s.becomeOrdinary()
	case s.upgrade != nil:
		go s.shake(s.upgrade)
	}
}

// control calls do with the descriptor of the connection's socket, if there is one.
// Callers hold s.mu.
func (s *Stream) control(do func(fd uintptr)) {
	if s.direct != nil {
		s.direct.control(do)
	} else {
		control(Bottom(s.conn), do)
	}
}

// tellOver notes that the guest has been told of the end of the connection. Callers hold
// s.mu.
func (s *Stream) tellOver() {
	s.over = true
	s.signal()
}

// signal wakes those who wait for a change. Callers hold s.mu.
func (s *Stream) signal() {
	if s.changed != nil {
		s.changed.Broadcast()
	}
}

// await waits for a change. Callers hold s.mu.
func (s *Stream) await() {
	if s.changed == nil {
		s.changed = sync.NewCond(&s.mu)
	}
	s.changed.Wait()
}

// AwaitOver waits until the guest has been told that the client hung up, so that the guest
// hears of that before the event that the caller posts next. It does not wait longer than
// within for a client that has not hung up.
func (s *Stream) AwaitOver(within time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	late := within == 0
	if !late {
		timer := time.AfterFunc(within, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			late = true
			s.signal()
		})
		defer timer.Stop()
	}
	for !s.over && !s.closing && (!late || hungUp(s.control)) {
		s.await()
	}
}

// Read gives the guest received bytes: EAGAIN if there are none, 0 bytes at the end. If it
// gives all of them, EventReadable follows as after EAGAIN (wasi.Config.ShortReads).
func (s *Stream) Read(p []byte) (int, wasi.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.direct != nil {
		return s.take(p)
	}
	if len(s.arrived) == 0 {
		return 0, s.readErrno()
	}
	n := copy(p, s.arrived)
	s.arrived = s.arrived[n:]
	switch {
	case len(s.arrived) > 0:
	case s.readErr == nil:
		s.proceed()
	default: // the end came together with these bytes, and the guest may not ask again before an event
		s.owner.Post(wasi.EventReadable)
	}
	return n, wasi.OK
}

// readErrno is the errno of a Read that has no bytes.
func (s *Stream) readErrno() wasi.Errno {
	switch s.readErr {
	case nil:
		return wasi.EAGAIN
	case io.EOF:
		return wasi.OK
	}
	return errno.Of(s.readErr)
}

// Write takes as much of p as there is room for. If that is not all of it, EventWritable
// follows.
func (s *Stream) Write(p []byte) (int, wasi.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writeErr != nil {
		return 0, errno.Of(s.writeErr)
	}
	if s.secure != nil {
		return s.seal(p)
	}
	n := 0
	busy := s.flushing || s.upgrade != nil
	if !busy {
		if n = s.attempt(p); s.writeErr != nil {
			return 0, errno.Of(s.writeErr)
		}
	}
	if n < len(p) {
		room := min(MaxUnsent-s.sending-len(s.unsent), len(p)-n)
		s.unsent = append(s.unsent, p[n:n+room]...)
		n += room
		s.starved = n < len(p)
		if !busy {
			s.keepOn()
		}
	}
	if n == 0 && len(p) > 0 {
		return 0, wasi.EAGAIN
	}
	return n, wasi.OK
}

// attempt writes what there is room for at once.
func (s *Stream) attempt(p []byte) int {
	if s.direct == nil {
		return s.try.write(p)
	}
	n, err := s.direct.write(p)
	if err != nil && err != syscall.EAGAIN {
		s.writeErr = err
	}
	return n
}

// keepOn has the unsent bytes sent as room comes.
func (s *Stream) keepOn() {
	s.flushing = true
	if s.direct == nil {
		go s.flush()
	} else if err := s.direct.watch(s, false); err != nil {
		s.writeErr = err
		s.flushed()
	}
}

// Try writes as many bytes of p to a direct socket as it takes at once, and keeps none.
func (s *Stream) Try(p []byte) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.direct == nil || s.flushing || s.closing {
		return 0
	}
	n, _ := s.direct.write(p) // the next write meets the error again
	return n
}

// Busy says whether bytes that the stream has taken are unsent.
func (s *Stream) Busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flushing
}

// Protected says whether TLS is on.
func (s *Stream) Protected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.secured
}

// flushed takes up that the unsent bytes are sent, or will never be. Callers hold s.mu.
func (s *Stream) flushed() {
	s.flushing = false
	s.signal()
	starved := s.starved
	s.starved = false
	if !s.closing {
		if starved {
			s.owner.Post(wasi.EventWritable)
		}
		return
	}
	if s.patience != nil {
		s.patience.Stop()
	}
	if s.writeErr != nil { // else the client would take what it got for the whole
		s.reset()
	}
	s.finish()
}

func (s *Stream) reset() {
	if s.direct != nil {
		s.direct.reset()
	} else {
		Reset(s.conn)
	}
}

// Close sends the unsent bytes and then ends the connection. A client that takes none of
// them for stall loses the rest, and so does one that has not taken all after most.
func (s *Stream) Close(stall, most time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return
	}
	s.closing = true
	s.signal()
	if s.patience != nil {
		s.patience.Stop()
	}
	s.owner.Parts(s)
	switch {
	case s.upgrade != nil && s.direct != nil:
		s.shut(nil)
	case s.upgrade != nil:
		go s.shut(s.conn) // the close_notify of TLS may have to wait for room
		s.proceed()
	case s.flushing:
		s.limit(stall, time.Now().Add(most))
	default:
		s.finish()
	}
}

// limit checks after each stall whether the client has taken any of the unsent bytes. If
// it has not, or if last is past, the flush ends. Callers hold s.mu.
func (s *Stream) limit(stall time.Duration, last time.Time) {
	before := s.taken()
	s.patience = time.AfterFunc(stall, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case !s.flushing:
		case s.taken() > before && time.Now().Before(last):
			s.limit(stall, last)
		case s.direct != nil:
			s.writeErr = os.ErrDeadlineExceeded
			s.flushed()
		default:
			s.conn.SetWriteDeadline(time.Unix(1, 0))
		}
	})
}

// taken grows as the client takes bytes: with each that the client's system acknowledges,
// or, where our system doesn't tell that, with each that ours takes. Callers hold s.mu.
func (s *Stream) taken() int64 { return acknowledged(s.control) - int64(s.sending+len(s.unsent)) }

// finish ends our side of the connection. The receiver closes it once the client has ended
// the other; finish does if the client already has. Under TLS or compression the last bytes
// may have to wait for room, so a goroutine writes them. Callers hold s.mu.
func (s *Stream) finish() {
	heard := s.receives && !s.deaf && s.readErr == nil
	if s.direct != nil {
		s.leave(heard)
	} else if _, quick := s.conn.(*net.TCPConn); !quick {
		go s.part(s.conn, heard)
	} else {
		s.part(s.conn, heard)
	}
}

// shut closes the descriptor, that of a direct socket if conn is nil, and tells the owner.
// Further calls do nothing.
func (s *Stream) shut(conn net.Conn) {
	s.shutting.Do(func() {
		if conn != nil {
			conn.Close()
		} else {
			s.direct.close()
		}
		s.owner.Closed(s)
	})
}

// Cut ends the connection at once. Before, it sends a last reply, unless the guest has
// closed the stream, bytes are unsent, or there is no room.
func (s *Stream) Cut(reply string) {
	s.mu.Lock()
	if s.direct != nil {
		s.sever(reply)
		s.mu.Unlock()
		return
	}
	conn := s.conn
	if !s.closing && !s.flushing && s.upgrade == nil {
		s.try.write([]byte(reply))
	}
	s.mu.Unlock()
	end := func() {
		sever(conn)
		s.shut(conn)
	}
	if _, theirs := Bottom(conn).(socket); theirs {
		go end() // which may hang
	} else {
		end()
	}
}

// sever ends a connection without the close_notify of TLS, which might have to wait.
func sever(conn net.Conn) {
	for {
		over, ok := conn.(interface{ NetConn() net.Conn })
		if _, theirs := conn.(*Foreign); !ok || theirs {
			conn.Close()
			return
		}
		conn = over.NetConn()
	}
}

// SilentEnd says whether the connection has ended, or failed, and left nothing to read.
func (s *Stream) SilentEnd() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.direct != nil {
		return (s.secure == nil || len(s.secure.early) == 0) && (s.readErr != nil || s.ended())
	}
	return len(s.arrived) == 0 && s.readErr != nil
}

// Reset breaks a TCP connection off (RST): a plain end would look like the end of the data.
// One of the embedder's own type is broken off if it has net.TCPConn's SetLinger, else closed.
func Reset(conn net.Conn) {
	switch c := Bottom(conn).(type) {
	case *waiting:
		c.reset()
	case *net.TCPConn:
		c.SetLinger(0)
		c.Close()
	case socket:
		c.foreign.reset()
	}
}
