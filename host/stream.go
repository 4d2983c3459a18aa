package host

import (
	"io"
	"net"
	"sync"
	"time"

	"wasiftp/wasi"
)

// stream is a connection as the guest sees it: reads and writes that never
// wait, and events when they would be worth another try.
//
// One goroutine receives, and gives what it got to the guest before it receives
// more, so that a client cannot make the host keep its bytes. Writing goes
// straight to the socket while that has room; only then are bytes kept, and a
// goroutine flushes them.
type stream struct {
	conn    net.Conn
	shard   *shard
	session uint32
	handle  uint32
	resume  chan struct{} // the guest took what was received; nil when nobody receives

	mu       sync.Mutex
	arrived  []byte // received and not yet taken by the guest: a part of buf
	readErr  error
	unsent   []byte
	flushing bool
	starved  bool // the guest wants to hear when there is room again
	writeErr error
	closing  bool

	try tryWriter
	buf [512]byte
}

const (
	maxUnsent  = 64 << 10
	lingerTime = 2 * time.Second
)

func newStream(sh *shard, conn net.Conn) *stream {
	s := &stream{shard: sh, conn: conn}
	s.try.init(conn)
	return s
}

// owner says in whose name events are posted.
func (s *stream) owner(session, handle uint32) { s.session, s.handle = session, handle }

func (s *stream) post(kind uint16) {
	s.shard.post(wasi.Event{Kind: kind, Session: s.session, Handle: s.handle})
}

// receive starts the goroutine that reads until the stream is closed.
func (s *stream) receive() {
	s.resume = make(chan struct{}, 1)
	go s.receiver()
}

// receiver hands over what it reads. Once the stream is closing it discards
// what comes: closing a socket with unread bytes would reset the connection,
// and the client might lose the last reply.
func (s *stream) receiver() {
	for {
		n, err := s.conn.Read(s.buf[:])
		s.mu.Lock()
		s.arrived, s.readErr = s.buf[:n], err
		closing := s.closing
		s.mu.Unlock()
		if closing && err != nil {
			s.conn.Close()
			return
		}
		if !closing {
			s.post(wasi.EventReadable)
			<-s.resume
		}
	}
}

// read gives the guest what was received.
func (s *stream) read(p []byte) (int, wasi.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.arrived) == 0 {
		switch s.readErr {
		case nil:
			return 0, wasi.EAGAIN
		case io.EOF:
			return 0, wasi.OK
		}
		return 0, errnoOf(s.readErr)
	}
	n := copy(p, s.arrived)
	s.arrived = s.arrived[n:]
	if len(s.arrived) == 0 && s.readErr == nil {
		s.proceed()
	}
	return n, wasi.OK
}

func (s *stream) proceed() {
	select {
	case s.resume <- struct{}{}:
	default:
	}
}

// write takes as much of p as there is room for.
func (s *stream) write(p []byte) (int, wasi.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writeErr != nil {
		return 0, errnoOf(s.writeErr)
	}
	n := 0
	if !s.flushing {
		n = s.try.write(p)
	}
	if n < len(p) {
		room := min(maxUnsent-len(s.unsent), len(p)-n)
		s.unsent = append(s.unsent, p[n:n+room]...)
		n += room
		s.starved = n < len(p)
		if !s.flushing {
			s.flushing = true
			go s.flush()
		}
	}
	if n == 0 && len(p) > 0 {
		return 0, wasi.EAGAIN
	}
	return n, wasi.OK
}

// flush sends what could not be sent at once, and closes after the last byte
// if that was asked for meanwhile.
func (s *stream) flush() {
	s.mu.Lock()
	for len(s.unsent) > 0 && s.writeErr == nil {
		batch := s.unsent
		s.unsent = nil
		s.mu.Unlock()
		_, err := s.conn.Write(batch)
		s.mu.Lock()
		s.writeErr = err
	}
	s.flushing = false
	starved, closing := s.starved, s.closing
	s.starved = false
	s.mu.Unlock()
	if closing {
		s.finish()
	} else if starved {
		s.post(wasi.EventWritable)
	}
}

// close sends what is unsent and then ends the connection. A client that takes
// nothing of it keeps it for stall at most.
func (s *stream) close(stall time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return
	}
	s.closing = true
	if !s.flushing {
		s.finish()
		return
	}
	s.conn.SetWriteDeadline(time.Now().Add(stall))
}

// finish ends our side of the connection; the receiver ends the rest.
func (s *stream) finish() {
	half, ok := s.conn.(interface{ CloseWrite() error })
	if s.resume == nil || !ok || half.CloseWrite() != nil {
		s.conn.Close()
	} else {
		s.conn.SetReadDeadline(time.Now().Add(lingerTime))
	}
	if s.resume != nil {
		s.proceed()
	}
}
