package conn

import (
	"net"
	"time"

	"wasiftp/wasi"
)

// ordinary is a connection whose calls wait, so that goroutines make them.
type ordinary struct {
	conn    net.Conn
	resume  chan struct{} // wakes the receiver to go on; nil before Receive
	buf     *[512]byte    // nil before Receive
	arrived []byte        // received and not yet taken by the guest: a part of buf
	try     tryWriter
}

func newOrdinary(conn net.Conn) *ordinary {
	o := &ordinary{conn: conn}
	o.try.init(conn)
	return o
}

// hire starts the receiver. Callers hold s.mu.
func (s *Stream) hire() {
	s.resume, s.buf = make(chan struct{}, 1), new([512]byte)
	go s.receiver()
}

// receiver hands the guest what it reads. Once the stream is closing it discards that
// instead: closing a socket with unread bytes would reset the connection, and the client
// might lose the last reply.
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
			continue // bytes from before the upgrade are dropped
		}
		s.arrived, s.readErr = s.buf[:n], err
		closing := s.closing
		if closing && err != nil {
			if s.deaf = true; !s.flushing { // a client that sends no more may still read
				s.shut(s.conn)
			}
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		if !closing {
			s.owner.Post(wasi.EventReadable)
			if err != nil {
				s.mu.Lock()
				s.tellOver()
				s.mu.Unlock()
			}
			s.hold(patience)
		}
	}
}

// hangUpTime is how often hold looks whether the client has hung up.
const hangUpTime = 3 * time.Second

// hold waits until the guest has taken what was received. Until then the receiver can't
// read the end of the connection, which stands behind those bytes: so hold looks for it,
// and tells the guest.
func (s *Stream) hold(patience *time.Timer) {
	for {
		patience.Reset(hangUpTime)
		select {
		case <-s.resume:
			return
		case <-patience.C:
		}
		s.mu.Lock()
		gone := s.readErr != nil || hungUp(s.control)
		if gone {
			s.owner.Post(wasi.EventHangup)
			s.tellOver()
		}
		s.mu.Unlock()
		if gone {
			<-s.resume
			return
		}
	}
}

// proceed wakes the receiver, or has its next wait end at once.
func (s *Stream) proceed() {
	select {
	case s.resume <- struct{}{}:
	default:
	}
}

// flush sends the unsent bytes, and finishes behind the last one if the stream is closing.
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
	s.flushed()
	s.mu.Unlock()
}

// due takes the bytes to be sent next. Before an upgrade these are the ones written before
// UpgradeTo; the others wait.
func (s *Stream) due() (batch []byte) {
	batch, s.unsent = s.unsent, nil
	if s.upgrade != nil {
		batch, s.unsent = batch[:s.upgrade.after], batch[s.upgrade.after:]
		s.upgrade.after = 0
	}
	return batch
}

// undo gives back what due has taken and nobody has sent.
func (s *Stream) undo(batch []byte) {
	s.unsent = append(batch, s.unsent...)
	if s.upgrade != nil {
		s.upgrade.after = len(batch)
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

// Ordinary is the connection as one of Go's; the stream and the caller share it from then
// on.
func (s *Stream) Ordinary() net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notify = nil
	if s.direct != nil {
		s.becomeOrdinary()
	}
	return s.conn
}

// becomeOrdinary takes the socket from the poll. Callers hold s.mu.
func (s *Stream) becomeOrdinary() {
	s.ordinary, s.direct = newOrdinary(ordinaryOf(s.direct)), nil
	if s.receives {
		s.hire()
	}
	if s.flushing {
		go s.flush()
	}
}

// ordinaryOf makes a connection of Go's of a socket that is direct no more.
func ordinaryOf(d direct) net.Conn {
	conn, err := d.ordinary()
	if err != nil {
		return lost{err}
	}
	return conn
}

// lost is a connection that the system had no descriptor for: everything fails.
type lost struct{ err error }

func (l lost) Read([]byte) (int, error)         { return 0, l.err }
func (l lost) Write([]byte) (int, error)        { return 0, l.err }
func (l lost) Close() error                     { return nil }
func (l lost) LocalAddr() net.Addr              { return nil }
func (l lost) RemoteAddr() net.Addr             { return nil }
func (l lost) SetDeadline(time.Time) error      { return nil }
func (l lost) SetReadDeadline(time.Time) error  { return nil }
func (l lost) SetWriteDeadline(time.Time) error { return nil }
