package conn

import (
	"io"
	"net"
	"sync"
	"time"

	"wasiftp/wasi"
	"wasiftp/wasi/errno"
)

// Stream is a connection as the guest sees it: reads and writes that never
// wait, and events when they would be worth another try.
//
// One goroutine receives, and gives what it got to the guest before it receives
// more, so that a client cannot make the host keep its bytes. Writing goes
// straight to the socket while that has room; only then are bytes kept, and a
// goroutine flushes them.
type Stream struct {
	conn   net.Conn
	owner  Owner
	resume chan struct{} // the guest took what was received; nil when nobody receives

	mu       sync.Mutex
	arrived  []byte // received and not yet taken by the guest: a part of buf
	readErr  error
	deaf     bool // nobody receives any more
	unsent   []byte
	sending  int // bytes that the flushing goroutine holds
	flushing bool
	starved  bool // the guest wants to hear when there is room again
	writeErr error
	closing  bool
	over     bool        // the guest has been told of the end of what comes, or of a hang-up
	upgrade  *Upgrade    // to TLS or from it, as soon as the receiver gets to it
	secured  bool        // TLS is on
	changed  sync.Cond   // flushing or over
	patience *time.Timer // with a client that takes the last bytes; nil before that
	shutting sync.Once

	try tryWriter
	buf [512]byte
}

const (
	// MaxUnsent is how many bytes are kept for a client that takes them slowly.
	MaxUnsent = 64 << 10

	// LingerTime is how long a client may take to end what we have ended.
	LingerTime = 2 * time.Second
)

// Owner has a stream, and hears of it.
type Owner interface {
	// Post tells the guest of an event of the stream (wasi.EventReadable, …).
	Post(kind uint16)

	// Parts is called when the guest has given up a connection that is still open.
	// Lingers is called when such a connection waits for nothing but its client's end.
	// Closed is called once, when the descriptor is free.
	Parts(s *Stream)
	Lingers(s *Stream)
	Closed(s *Stream)
}

// New is a stream over a connection, which is not read before Receive.
func New(conn net.Conn, owner Owner) *Stream {
	s := &Stream{owner: owner, conn: conn}
	s.changed.L = &s.mu
	s.try.init(conn)
	return s
}

// Receive starts the goroutine that reads until the stream is closed.
func (s *Stream) Receive() {
	s.resume = make(chan struct{}, 1)
	go s.receiver()
}

// receiver hands over what it reads. Once the stream is closing it discards
// what comes: closing a socket with unread bytes would Reset the connection,
// and the client might lose the last reply.
func (s *Stream) receiver() {
	patience := time.NewTimer(hangUpTime)
	defer patience.Stop()
	for {
		s.mu.Lock()
		upgrade := s.upgrade
		s.mu.Unlock()
		var n int
		var err error
		if upgrade != nil {
			n, err = s.become(upgrade)
		} else {
			n, err = s.conn.Read(s.buf[:])
		}
		s.mu.Lock()
		if upgrade != nil && err == nil && n == 0 || upgrade == nil && s.upgrade != nil {
			s.mu.Unlock()
			continue // what was read came before the upgrade, and is forgotten
		}
		s.arrived, s.readErr = s.buf[:n], err
		closing := s.closing
		if closing && err != nil {
			if s.deaf = true; !s.flushing { // a client that has said all may still listen
				s.shut(s.conn)
			}
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		if !closing {
			s.owner.Post(wasi.EventReadable)
			if err != nil {
				s.tellOver()
			}
			s.hold(patience)
		}
	}
}

// hangUpTime is how long a guest may leave what was received before it is told
// that the client is gone.
const hangUpTime = 3 * time.Second

// hold waits until the guest has taken what was received. While it does not, the
// end of the connection would go unnoticed behind the bytes before: then the
// guest is told of that.
func (s *Stream) hold(patience *time.Timer) {
	for {
		patience.Reset(hangUpTime)
		select {
		case <-s.resume:
			return
		case <-patience.C:
		}
		s.mu.Lock()
		gone := s.readErr != nil || hungUp(Bottom(s.conn))
		s.mu.Unlock()
		if gone {
			s.owner.Post(wasi.EventHangup)
			s.tellOver()
			<-s.resume
			return
		}
	}
}

// tellOver notes that the guest has been told of the end of the connection.
func (s *Stream) tellOver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	s.changed.Broadcast()
}

// AwaitOver waits, if the client has hung up or does so within a time, until the
// guest has been told: what it is told later must not look as if it had happened
// first.
func (s *Stream) AwaitOver(within time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	late := within == 0
	if !late {
		timer := time.AfterFunc(within, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			late = true
			s.changed.Broadcast()
		})
		defer timer.Stop()
	}
	for !s.over && !s.closing && (!late || hungUp(Bottom(s.conn))) {
		s.changed.Wait()
	}
}

// Bottom is the connection beneath TLS and whatever else lies over it.
func Bottom(conn net.Conn) net.Conn {
	for {
		over, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return conn
		}
		conn = over.NetConn()
	}
}

// Read gives the guest what was received.
func (s *Stream) Read(p []byte) (int, wasi.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.arrived) == 0 {
		switch s.readErr {
		case nil:
			return 0, wasi.EAGAIN
		case io.EOF:
			return 0, wasi.OK
		}
		return 0, errno.Of(s.readErr)
	}
	n := copy(p, s.arrived)
	s.arrived = s.arrived[n:]
	if len(s.arrived) == 0 && s.readErr == nil {
		s.proceed()
	}
	return n, wasi.OK
}

func (s *Stream) proceed() {
	select {
	case s.resume <- struct{}{}:
	default:
	}
}

// Write takes as much of p as there is room for.
func (s *Stream) Write(p []byte) (int, wasi.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writeErr != nil {
		return 0, errno.Of(s.writeErr)
	}
	n := 0
	busy := s.flushing || s.upgrade != nil
	if !busy {
		n = s.try.write(p)
	}
	if n < len(p) {
		room := min(MaxUnsent-s.sending-len(s.unsent), len(p)-n)
		s.unsent = append(s.unsent, p[n:n+room]...)
		n += room
		s.starved = n < len(p)
		if !busy {
			s.flushing = true
			go s.flush()
		}
	}
	if n == 0 && len(p) > 0 {
		return 0, wasi.EAGAIN
	}
	return n, wasi.OK
}

// Busy says whether something written is still on its way.
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

// flush sends what could not be sent at once, and closes after the last byte
// if that was asked for meanwhile.
func (s *Stream) flush() {
	s.mu.Lock()
	for s.writeErr == nil {
		batch, conn := s.due(), s.conn
		if len(batch) == 0 {
			break
		}
		s.sending = len(batch)
		s.mu.Unlock()
		_, err := conn.Write(batch)
		s.mu.Lock()
		s.writeErr, s.sending = err, 0
	}
	s.flushing = false
	s.changed.Broadcast()
	starved, closing := s.starved, s.closing
	s.starved = false
	if closing {
		if s.patience != nil {
			s.patience.Stop()
		}
		if s.writeErr != nil {
			Reset(s.conn) // what is cut off must not look whole
		}
		s.finish()
	}
	s.mu.Unlock()
	if starved && !closing {
		s.owner.Post(wasi.EventWritable)
	}
}

// due takes what is to be sent next. Before an upgrade that is what was unsent
// when it was asked for: what came after it waits.
func (s *Stream) due() (batch []byte) {
	batch, s.unsent = s.unsent, nil
	if s.upgrade != nil {
		batch, s.unsent = batch[:s.upgrade.after], batch[s.upgrade.after:]
		s.upgrade.after = 0
	}
	return batch
}

// Close sends what is unsent and then ends the connection. A client that takes nothing of
// it for stall loses the rest, and so does one that has not taken all after most.
func (s *Stream) Close(stall, most time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return
	}
	s.closing = true
	s.changed.Broadcast()
	s.owner.Parts(s)
	switch {
	case s.upgrade != nil:
		go s.shut(s.conn) // which under TLS may have to wait for room
		s.proceed()
	case s.flushing:
		s.await(stall, time.Now().Add(most))
	default:
		s.finish()
	}
}

// await looks after stall whether the client has taken anything of what is unsent,
// and then again, until the last moment. Callers hold s.mu.
func (s *Stream) await(stall time.Duration, last time.Time) {
	before := s.taken()
	s.patience = time.AfterFunc(stall, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case !s.flushing:
		case s.taken() > before && time.Now().Before(last):
			s.await(stall, last)
		default:
			s.conn.SetWriteDeadline(time.Unix(1, 0))
		}
	})
}

// taken is a number that grows as the client takes bytes: as its system acknowledges
// them, where ours tells that, or else as ours takes them. Callers hold s.mu.
func (s *Stream) taken() int64 { return acknowledged(Bottom(s.conn)) - int64(s.sending+len(s.unsent)) }

// finish ends our side of the connection; the receiver ends the rest, unless the
// client has ended it already. Saying goodbye under TLS or compression may have to
// wait for room, and so is left to a goroutine. Callers hold s.mu.
func (s *Stream) finish() {
	heard := s.resume != nil && !s.deaf && s.readErr == nil
	if _, quick := s.conn.(*net.TCPConn); !quick {
		go s.part(s.conn, heard)
	} else {
		s.part(s.conn, heard)
	}
}

func (s *Stream) part(conn net.Conn, heard bool) {
	half, ok := conn.(interface{ CloseWrite() error })
	if !heard || !ok || half.CloseWrite() != nil {
		s.shut(conn)
	} else {
		conn.SetReadDeadline(time.Now().Add(LingerTime))
		s.owner.Lingers(s)
	}
	if s.resume != nil {
		s.proceed()
	}
}

// shut closes the descriptor, and then says that it is free.
func (s *Stream) shut(conn net.Conn) {
	s.shutting.Do(func() {
		conn.Close()
		s.owner.Closed(s)
	})
}

// Cut ends the connection at once: with a last reply if the guest has not given it
// up, and there is room.
func (s *Stream) Cut(reply string) {
	s.mu.Lock()
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

// Cut ends a connection at once, with a last reply if there is room.
func Cut(conn net.Conn, reply string) {
	var try tryWriter
	try.init(conn)
	try.write([]byte(reply))
	sever(conn)
}

// sever ends a connection without the goodbye of TLS, which might have to wait.
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

// SilentEnd says whether a client has ended the connection and left nothing to read.
func (s *Stream) SilentEnd() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.arrived) == 0 && s.readErr != nil
}

// Reset breaks a connection off: its end must not look like that of what was sent.
func Reset(conn net.Conn) {
	if c, ok := Bottom(conn).(*net.TCPConn); ok {
		c.SetLinger(0)
		c.Close()
	}
}
