package host

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"wasiftp/wasi"
)

// TLS is how control and data connections are protected (RFC 4217).
type TLS struct {
	// Config has the certificate; nil offers no TLS at all. Certificates may
	// be picked by GetCertificate, and client certificates asked for by
	// ClientAuth: what the client showed reaches the [Authenticator]. Its
	// callbacks about session tickets are not used.
	Config *tls.Config

	// Require is what a client must protect; zero requires nothing.
	Require TLSRequirement

	// DataResumption says whether a data connection must resume the TLS
	// session of its own control connection, which proves that both ends are
	// the same as there; zero prefers it.
	DataResumption DataResumption

	// LenientClose takes an upload whose client hangs up without a TLS
	// close_notify for complete. Whoever can cut the connection can then
	// shorten the file unnoticed.
	LenientClose bool
}

// TLSRequirement says what a client must protect by TLS.
type TLSRequirement uint8

// What can be required.
const (
	TLSOptional    TLSRequirement = iota // nothing
	TLSForLogin                          // user name and password
	TLSForControl                        // the control connection, always
	TLSForTransfer                       // the data connections as well
)

// DataResumption is a policy on the TLS sessions of data connections.
type DataResumption uint8

// The policies. Whatever the policy, a session that was not issued on the same
// control connection is never resumed.
const (
	PreferResumption  DataResumption = iota // log a session whose client does not
	RequireResumption                       // refuse a data connection that does not
	IgnoreResumption
)

var errNotResumed = errors.New("the data connection does not resume the TLS session of the control connection")

// handshakeTime bounds a handshake.
const handshakeTime = 30 * time.Second

// controlTLS is the configuration for the control connection of session id: its
// tickets are marked with the id, and it takes none, so that whoever holds one
// has gone through this very handshake.
func (s *Server) controlTLS(id uint64) *tls.Config {
	return s.bound(s.config.TLS.Config, id,
		func(tls.ConnectionState) bool { return true },
		func(*tls.SessionState) bool { return false })
}

// dataTLS is the configuration for the data connections of session id. Only one
// that has resumed gets a ticket with the mark: a thief who is refused would
// come back with it.
func (s *Server) dataTLS(id uint64) *tls.Config {
	return s.bound(s.config.TLS.Config, id,
		func(state tls.ConnectionState) bool { return state.DidResume },
		func(session *tls.SessionState) bool { return s.issued(session, id) })
}

// bound is a configuration that marks tickets with a session's id, and takes
// them, where it may. What it picks for a client does so too.
func (s *Server) bound(config *tls.Config, id uint64, mark func(tls.ConnectionState) bool, take func(*tls.SessionState) bool) *tls.Config {
	c, tickets := config.Clone(), s.config.TLS.Config
	c.WrapSession = func(state tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
		if mark(state) {
			session.Extra = append(session.Extra, s.ticketMark(id))
		}
		return tickets.EncryptTicket(state, session)
	}
	c.UnwrapSession = func(ticket []byte, state tls.ConnectionState) (*tls.SessionState, error) {
		session, err := tickets.DecryptTicket(ticket, state)
		if err != nil || session == nil || !take(session) {
			return nil, nil
		}
		return session, nil
	}
	if pick := config.GetConfigForClient; pick != nil {
		c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			picked, err := pick(hello)
			if picked == nil || err != nil {
				return nil, err
			}
			return s.bound(picked, id, mark, take), nil
		}
	}
	return c
}

// ticketMark says which session a ticket was issued to, among those of all
// servers that share the keys of tickets.
func (s *Server) ticketMark(id uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte("wasiftp session "+s.secret), id)
}

func (s *Server) issued(session *tls.SessionState, id uint64) bool {
	return slices.ContainsFunc(session.Extra, func(extra []byte) bool { return bytes.Equal(extra, s.ticketMark(id)) })
}

// netStartTLS protects a connection. On a control connection all that came
// before is forgotten, so that nobody on the way can slip a command in ahead of
// the handshake (CVE-2011-1575).
func (sh *shard) netStartTLS(a *args) wasi.Errno {
	if sh.server.config.TLS.Config == nil {
		return wasi.ENOSYS
	}
	if len(a.bytes(1)) > maxLine {
		return wasi.EINVAL
	}
	if s, errno := sh.session(a); errno == wasi.OK {
		return s.stream.startTLS(sh.server.controlTLS(s.id), a.bytes(1))
	}
	c, errno := get[*dataConn](&sh.handles, a.handle(0))
	switch {
	case errno != wasi.OK:
		return errno
	case c.conn == nil || c.securing || c.compressed() || len(a.bytes(1)) > 0:
		return wasi.EINVAL
	case c.stream.busy():
		return wasi.EBUSY
	}
	c.securing = true
	handle := a.handle(0)
	under := c.conn
	sh.server.work.Go(func() { c.secure(under, handle) })
	return wasi.OK
}

// secure is the handshake of a data connection.
func (c *dataConn) secure(under net.Conn, handle uint32) {
	s := c.session
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTime)
	defer cancel()
	client := addrPort(under.RemoteAddr())
	if !s.server.config.TLS.LenientClose {
		under = strict{under}
	}
	conn := tls.Server(under, s.server.dataTLS(s.id))
	err := conn.HandshakeContext(ctx)
	if err == nil && !conn.ConnectionState().DidResume {
		switch s.server.config.TLS.DataResumption {
		case RequireResumption:
			err = errNotResumed
		case PreferResumption:
			if !s.strange.Swap(true) {
				s.server.config.Logger.Info(errNotResumed.Error(), "session", s.id, "client", s.client)
			}
		}
	}
	if err != nil {
		s.observe(Event{Kind: DataRefused, Data: client, Err: err})
	}
	s.shard.do(func() { c.settled(conn, handle, tlsErrno(err)) })
}

// tlsErrno is the errno of a failed handshake.
func tlsErrno(err error) wasi.Errno {
	if errno := errnoOf(err); errno != wasi.EIO {
		return errno
	}
	return wasi.EPROTO
}

// strict is a connection whose end does not end TLS: between two records
// crypto/tls takes it for close_notify, and an upload that somebody cut there
// for complete.
type strict struct{ net.Conn }

var errNoCloseNotify = fmt.Errorf("no close_notify: %w", io.ErrUnexpectedEOF)

// NetConn is the connection underneath.
func (s strict) NetConn() net.Conn { return s.Conn }

func (s strict) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if err == io.EOF {
		err = errNoCloseNotify
	}
	return n, err
}

// startTLS makes the receiver, after it has sent reply in the clear, go through
// the handshake. What is written meanwhile waits for its end.
func (s *stream) startTLS(config *tls.Config, reply []byte) wasi.Errno {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || s.upgrade != nil || s.secured {
		return wasi.EINVAL
	}
	s.arrived = nil
	s.upgrade = &upgrade{config, slices.Clone(reply)}
	if s.resume != nil {
		s.conn.SetReadDeadline(time.Unix(1, 0)) // wakes the receiver
		s.proceed()
	}
	return wasi.OK
}

// upgrade is a handshake to come.
type upgrade struct {
	config *tls.Config
	reply  []byte // what is said before, in the clear
}

// secure is the handshake of a control connection. It runs on the receiver.
func (s *stream) secure(u *upgrade) error {
	s.mu.Lock()
	for s.flushing {
		s.flushed.Wait()
	}
	s.mu.Unlock()
	s.conn.SetDeadline(time.Now().Add(handshakeTime))
	_, err := s.conn.Write(u.reply)
	conn := tls.Server(s.conn, u.config)
	if err == nil {
		err = conn.Handshake()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.upgrade, s.arrived, s.try = nil, nil, tryWriter{}
	select {
	case <-s.resume: // startTLS's: left there, it would let the receiver overwrite what the guest has not taken
	default:
	}
	if err != nil {
		s.writeErr = err
		return err
	}
	s.conn, s.secured = conn, true
	conn.SetDeadline(time.Time{})
	if len(s.unsent) > 0 {
		s.flushing = true
		go s.flush()
	}
	return nil
}

// state is what the handshake came to, nil in the clear.
func (s *stream) state() *tls.ConnectionState {
	s.mu.Lock()
	defer s.mu.Unlock()
	conn, ok := s.conn.(*tls.Conn)
	if !ok {
		return nil
	}
	state := conn.ConnectionState()
	return &state
}
