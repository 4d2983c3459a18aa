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
	Reply   []byte                   // sent before TLS begins or ends
	Tight   bool                     // TLS may end before the connection does (CCC)
	Lenient bool                     // TLS may end without the client's close_notify
	Guard   func(func() error) error // wraps the upgrade: Config may call code of the embedder's

	Shaken func(tls.ConnectionState) // called when TLS has begun; nil if nobody wants to know

	after  int            // of the bytes written before UpgradeTo, how many are unsent
	waking sync.WaitGroup // until the receiver's read is interrupted
}

// UpgradeTo makes the receiver send the reply and then begin or end TLS. Bytes that are
// written meanwhile are sent afterwards; bytes that were received are dropped.
func (s *Stream) UpgradeTo(u *Upgrade) wasi.Errno {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || s.upgrade != nil || s.secured == (u.Config != nil) || s.secure != nil {
		return wasi.EINVAL
	}
	if s.direct != nil {
		if s.receives { // else the client may speak first
			s.direct.discard()
		}
		if u.Tight {
			s.becomeOrdinary()
		}
	}
	s.upgrade, u.after = u, len(s.unsent)
	if s.direct != nil {
		if s.receives {
			go s.shake(u)
		}
		return wasi.OK
	}
	s.arrived = nil
	if s.resume != nil {
		conn := s.conn
		u.waking.Go(func() { conn.SetReadDeadline(time.Unix(1, 0)) })
		s.proceed()
	}
	return wasi.OK
}

// apply sends the reply and begins or ends TLS. rest are bytes in the clear that came
// behind the end of TLS.
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
	if err = secure.Handshake(); err == nil && u.Shaken != nil {
		u.Shaken(secure.ConnectionState())
	}
	return secure, nil, err
}

// become carries an upgrade out, on the receiver's goroutine. n bytes, received behind the
// end of TLS, are in s.buf then.
func (s *Stream) become(u *Upgrade) (n int, err error) {
	s.mu.Lock()
	for s.flushing {
		s.await()
	}
	s.mu.Unlock()
	u.waking.Wait() // else its deadline might replace the handshake's
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
	case <-s.resume: // UpgradeTo's: the receiver would overwrite bytes that the guest has not taken
	default:
	}
	if err != nil {
		s.writeErr = err
		return 0, err
	}
	s.conn, s.secured, s.cipher = conn, u.Config != nil, cipherOf(conn)
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

// Cipher is the version and the cipher suite of TLS that an upgrade has begun, 0 in the clear.
// It never waits.
func (s *Stream) Cipher() (version, suite uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cipher[0], s.cipher[1]
}

// cipherOf is the Cipher of a connection after its handshake.
func cipherOf(c net.Conn) (cipher [2]uint16) {
	if secure, ok := c.(*tls.Conn); ok {
		state := secure.ConnectionState()
		cipher = [2]uint16{state.Version, state.CipherSuite}
	}
	return cipher
}

// State describes the TLS connection; it is nil in the clear.
func (s *Stream) State() *tls.ConnectionState {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.secure != nil {
		state := s.secure.ConnectionState()
		return &state
	}
	if s.direct != nil {
		return nil
	}
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

// politeTime is how long we wait for the client's close_notify before we send ours. lftp
// would read ours together with the reply, and take it for the end of the connection;
// curl sends none before it has got ours.
const politeTime = 500 * time.Millisecond

// stopTLS ends TLS on both sides, and drops what the client sends before its
// close_notify. The bytes are what a client has sent in the clear without a
// close_notify, which Lenient tolerates.
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
