package conn

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"wasiftp/wasi"
)

// HandshakeTime bounds a handshake.
const HandshakeTime = 30 * time.Second

// Upgrade is what a control connection becomes next: protected, or clear again.
type Upgrade struct {
	Config  *tls.Config              // nil ends TLS
	Reply   []byte                   // what is said before
	Tight   bool                     // TLS may end before the connection does
	Lenient bool                     // it may end without the client's close_notify
	Guard   func(func() error) error // calls what Config has of the embedder's

	after  int // bytes that were unsent when it was asked for, and still are
	waking sync.WaitGroup
}

// UpgradeTo makes the receiver, after it has sent the reply, put TLS on or take
// it off. What is written meanwhile waits for the end of that.
func (s *Stream) UpgradeTo(u *Upgrade) wasi.Errno {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || s.upgrade != nil || s.secured == (u.Config != nil) {
		return wasi.EINVAL
	}
	s.arrived = nil
	s.upgrade, u.after = u, len(s.unsent)
	if s.resume != nil {
		conn := s.conn
		u.waking.Go(func() { conn.SetReadDeadline(time.Unix(1, 0)) }) // wakes the receiver
		s.proceed()
	}
	return wasi.OK
}

// apply makes the connection what it is to become. rest is what came behind TLS.
func (u *Upgrade) apply(conn net.Conn) (_ net.Conn, rest []byte, err error) {
	conn.SetDeadline(time.Now().Add(HandshakeTime))
	if _, err := conn.Write(u.Reply); err != nil {
		return nil, nil, err
	}
	if u.Config == nil {
		return u.stopTLS(conn.(*tls.Conn))
	}
	if u.Tight {
		conn = &records{Conn: conn}
	}
	secure := tls.Server(conn, u.Config)
	return secure, nil, secure.Handshake()
}

// become carries an upgrade out. It runs on the receiver, and says how many
// bytes it has received behind the end of TLS.
func (s *Stream) become(u *Upgrade) (n int, err error) {
	s.mu.Lock()
	for s.flushing {
		s.changed.Wait()
	}
	s.mu.Unlock()
	u.waking.Wait() // else it might come after the deadline of what follows
	var conn net.Conn
	var rest []byte
	err = u.Guard(func() (err error) {
		conn, rest, err = u.apply(s.conn)
		return known(err)
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.upgrade, s.arrived, s.try = nil, nil, tryWriter{}
	select {
	case <-s.resume: // UpgradeTo's: left there, it would let the receiver overwrite what the guest has not taken
	default:
	}
	if err != nil {
		s.writeErr = err
		return 0, err
	}
	s.conn, s.secured = conn, u.Config != nil
	if !s.secured {
		s.try.init(conn)
	}
	conn.SetDeadline(time.Time{})
	if len(s.unsent) > 0 {
		s.flushing = true
		go s.flush()
	}
	return copy(s.buf[:], rest), nil
}

// State is what the handshake came to, nil in the clear.
func (s *Stream) State() *tls.ConnectionState {
	s.mu.Lock()
	defer s.mu.Unlock()
	under := s.conn
	if f, ok := under.(*Foreign); ok {
		under = f.conn
	}
	conn, ok := under.(*tls.Conn)
	if !ok {
		return nil
	}
	state := conn.ConnectionState()
	return &state
}

// politeTime is how long the client may take to end TLS before we do: lftp reads
// our end together with the reply and takes it for that of the connection, and
// curl waits for ours.
const politeTime = 500 * time.Millisecond

// stopTLS ends TLS on both sides. What the client sends under it before its
// close_notify is forgotten. The result is what it has said in the clear already,
// where that is tolerated.
func (u *Upgrade) stopTLS(conn *tls.Conn) (net.Conn, []byte, error) {
	under := conn.NetConn().(*records)
	under.ending = u.Lenient
	conn.SetReadDeadline(time.Now().Add(politeTime))
	_, err := io.Copy(io.Discard, conn)
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		if err := conn.CloseWrite(); err != nil {
			return nil, nil, err
		}
		conn.SetReadDeadline(time.Now().Add(HandshakeTime))
		_, err = io.Copy(io.Discard, conn)
	}
	if err != nil && err != errInTheClear {
		return nil, nil, err
	}
	return under.Conn, under.clear, nil
}
