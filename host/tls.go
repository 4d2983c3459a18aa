package host

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"wasiftp/host/internal/conn"
	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
)

// TLS is how control and data connections are protected (RFC 4217).
type TLS struct {
	// Config has the certificate; nil offers no TLS. GetCertificate may choose one by the
	// name in the handshake. With ClientAuth the client's certificate reaches the
	// [Authenticator] in Login.TLS. WrapSession and UnwrapSession are not used. If
	// NextProtos is empty, a client that offers protocols (ALPN) must offer ftp, or
	// ftp-data on a data connection: clients of HTTP or mail get no TLS.
	Config *tls.Config

	// Require is what a client must protect; zero requires nothing.
	Require TLSRequirement

	// DataResumption says whether a data connection must resume the TLS session of its
	// own control connection, which proves that both have the same ends; zero prefers
	// it.
	DataResumption DataResumption

	// Close says whether the client of an upload must end TLS (close_notify) before it
	// ends the connection; zero prefers it.
	Close TLSClose
}

// TLSRequirement is what a client must protect by TLS.
type TLSRequirement uint8

// The requirements, each of which includes those before it.
const (
	TLSOptional    TLSRequirement = iota // nothing
	TLSForLogin                          // user name and password
	TLSForControl                        // the control connection, also after the login
	TLSForTransfer                       // the data connections
)

// DataResumption is a policy on the TLS sessions of data connections.
type DataResumption uint8

// The policies. Under each, a data connection resumes no TLS session but that of its own
// control connection.
const (
	PreferResumption  DataResumption = iota // log each control connection whose data connections do not resume
	RequireResumption                       // refuse a data connection that does not resume
	IgnoreResumption                        // accept every data connection, and log nothing
)

// TLSClose is a policy on the end of TLS: on the data connection of an upload, and on a
// control connection that goes on in the clear (CCC).
type TLSClose uint8

// The policies. Under each, an upload fails whose connection is reset or ends within a
// TLS record.
const (
	// PreferClose takes the end of the connection (FIN) for the end of the upload, since
	// many clients don't end TLS. Whoever can cut the connection can then shorten the
	// file. Event.TLSClosed says how each upload ended.
	PreferClose TLSClose = iota

	// RequireClose takes only close_notify for the end of the upload.
	RequireClose
)

// TLSVersionName is the name that logs and metrics have for a version of TLS, as in "1.3"; ""
// for 0, which is no TLS.
func TLSVersionName(version uint16) string {
	if version == 0 {
		return ""
	}
	return strings.TrimPrefix(tls.VersionName(version), "TLS ")
}

var errNotResumed = errors.New("the data connection does not resume the TLS session of the control connection")

// The protocols that a client may offer (RFC 7301). ftp is in IANA's registry; FileZilla
// offers ftp-data on data connections. Most clients offer none.
var (
	controlProtocols = []string{"ftp"}
	dataProtocols    = []string{"ftp-data", "ftp"}
)

// protection is the change of the control connection to TLS, after a reply
// in the clear. Its tickets carry the session's mark. It accepts no ticket, so that whoever
// holds one has gone through this very handshake.
func (s *session) protection(reply []byte) *conn.Upgrade {
	config := s.bound(s.config.TLS.Config, controlProtocols, tickets{
		mark: func(tls.ConnectionState) bool { return true },
		take: func(*tls.SessionState) bool { return false },
	})
	return &conn.Upgrade{Config: config, Reply: reply, Tight: s.config.Allow.CCC, Guard: s.guardTLS,
		Shaken: func(state tls.ConnectionState) { s.server.counter.shook(false, state) }}
}

// dataTLS is the configuration for a data connection of the session. Only a connection that
// resumed gets a ticket with the mark: a thief who is refused could come back with it.
//
// With TLS 1.3 a ticket lies unread in the client's socket when the client of an upload,
// which has nothing to read, closes it. The system then sends a reset, and the upload
// fails. So an upload gets a ticket only where its client needs one for the next
// connection.
func (s *session) dataTLS(upload bool) *tls.Config {
	return s.bound(s.config.TLS.Config, dataProtocols, tickets{
		mark: func(state tls.ConnectionState) bool { return state.DidResume },
		take: func(session *tls.SessionState) bool { return s.server.issued(session, s.id) },
		none: upload && s.config.TLS.DataResumption != RequireResumption,
	})
}

// tickets is how a configuration treats the tickets of TLS sessions.
type tickets struct {
	mark func(tls.ConnectionState) bool // a ticket for this connection gets the session's mark
	take func(*tls.SessionState) bool   // this ticket is accepted
	none bool                           // no ticket is issued with TLS 1.3
}

// bound is config with these protocols, and with tickets bound to the session. So is every
// configuration that its GetConfigForClient returns.
func (s *session) bound(config *tls.Config, protocols []string, t tickets) *tls.Config {
	c, keys := config.Clone(), s.config.TLS.Config
	if len(c.NextProtos) == 0 {
		c.NextProtos = protocols
	}
	c.WrapSession = func(state tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
		if t.mark(state) {
			session.Extra = append(session.Extra, s.server.ticketMark(s.id))
		}
		return keys.EncryptTicket(state, session)
	}
	c.UnwrapSession = func(ticket []byte, state tls.ConnectionState) (*tls.SessionState, error) {
		if t.none && state.Version == tls.VersionTLS13 {
			c.SessionTicketsDisabled = true // for new tickets: this one is being accepted already
		}
		session, err := keys.DecryptTicket(ticket, state)
		if err != nil || session == nil || !t.take(session) {
			return nil, nil
		}
		return session, nil
	}
	pick := config.GetConfigForClient
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if pick != nil {
			picked, err := pick(hello)
			switch {
			case err != nil:
				return nil, err
			case picked != nil:
				return s.bound(picked, protocols, t), nil
			}
		}
		if t.none && startsAnew(hello, c) {
			c.SessionTicketsDisabled = true
		}
		return nil, nil
	}
	return c
}

// startsAnew reports whether the client will speak TLS 1.3 and resume nothing.
func startsAnew(hello *tls.ClientHelloInfo, c *tls.Config) bool {
	const preSharedKey = 41 // RFC 8446 §4.2.11
	return slices.Contains(hello.SupportedVersions, tls.VersionTLS13) && (c.MaxVersion == 0 || c.MaxVersion >= tls.VersionTLS13) &&
		!slices.Contains(hello.Extensions, preSharedKey)
}

// ticketMark marks the tickets that are issued to session id. It has the server's secret,
// as other servers may share the ticket keys.
func (s *Server) ticketMark(id uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte("wasiftp session "+s.secret), id)
}

func (s *Server) issued(session *tls.SessionState, id uint64) bool {
	return slices.ContainsFunc(session.Extra, func(extra []byte) bool { return bytes.Equal(extra, s.ticketMark(id)) })
}

// netTLS begins TLS on a connection, or ends it.
func (sh *shard) netTLS(a *wasm.Args) wasi.Errno {
	part, reply := a.Uint32(1), a.Bytes(2)
	s, _ := sh.session(a)
	c, errno := get[*dataConn](&sh.handles, a.Handle(0))
	control := s != nil
	switch {
	case !control && errno != wasi.OK, control && part == wasi.TLSClient, !control && part == wasi.TLSEnd:
		return wasi.EBADF
	case control && s.config.TLS.Config == nil, !control && c.session.config.TLS.Config == nil:
		return wasi.ENOSYS
	case part > wasi.TLSEnd, control && len(reply) > maxLine, !control && len(reply) > 0:
		return wasi.EINVAL
	case part == wasi.TLSEnd:
		return s.stopTLS(reply)
	case part == wasi.TLSClient:
		return c.joinTLS(a.Handle(0))
	case control:
		return s.startTLS(reply)
	}
	return c.secure(a.Handle(0), tls.Server, c.session.dataTLS(c.session.uploading()))
}

// startTLS puts the control connection under TLS (RFC 4217 §4). Bytes received before the
// handshake are discarded, so that nobody on the way can insert a command (CVE-2011-1575).
func (s *session) startTLS(reply []byte) wasi.Errno {
	s.nameHost("") // HOST came in the clear
	s.speak()
	return s.upgraded(reply, s.stream.UpgradeTo(s.protection(slices.Clone(reply))))
}

// stopTLS ends TLS on the control connection (RFC 4217 §6, CCC).
func (s *session) stopTLS(reply []byte) wasi.Errno {
	config := s.config
	if !config.Allow.CCC || config.TLS.Require >= TLSForControl {
		return wasi.EACCES
	}
	s.nameHost(s.at()) // the name in the handshake is lost with TLS
	s.speak()
	return s.upgraded(reply, s.stream.UpgradeTo(&conn.Upgrade{Reply: slices.Clone(reply),
		Lenient: config.TLS.Close != RequireClose, Guard: s.server.guardTLS}))
}

// upgraded notes the reply to AUTH or CCC, behind which commands in the old state are void.
func (s *session) upgraded(reply []byte, errno wasi.Errno) wasi.Errno {
	if errno == wasi.OK {
		s.replied(reply)
		s.commands.forget()
	}
	return errno
}

// guardTLS calls code of TLS.Config outside of any session.
func (s *Server) guardTLS(call func() error) error { return s.guard(tlsCode, nil, call) }

// joinTLS puts a data connection to another server under TLS, as its TLS client (SSCN, CPSV).
// Only our client knows which server that is, so no name can be checked.
func (c *dataConn) joinTLS(handle uint32) wasi.Errno {
	allow, of := c.session.config.Allow, c.session.config.TLS.Config
	if !allow.SSCN && !allow.CPSV {
		return wasi.EACCES
	}
	return c.secure(handle, tls.Client, &tls.Config{
		InsecureSkipVerify: true, MinVersion: of.MinVersion, MaxVersion: of.MaxVersion, CipherSuites: of.CipherSuites,
	})
}

// secure begins the handshake of a data connection; part is tls.Server or tls.Client.
func (c *dataConn) secure(handle uint32, part func(net.Conn, *tls.Config) *tls.Conn, config *tls.Config) wasi.Errno {
	switch {
	case c.stream == nil || c.tls != nil || c.deflated != nil:
		return wasi.EINVAL
	case c.stream.Busy():
		return wasi.EBUSY
	}
	s := c.session
	policy := &s.config.TLS
	c.shaking = true
	c.tls = &conn.Closing{Conn: c.stream.Waiting(), Required: policy.Close == RequireClose}
	secure := part(c.tls, config)
	s.server.work.Go(func() {
		var early bool
		err := s.guard(tlsCode, func() error {
			err := s.shakeHands(secure)
			early = c.tls.EndedEarly(err)
			return err
		})
		errno := tlsErrno(err)
		s.shard.do(func() {
			if early && policy.DataResumption != RequireResumption && s.uploading() {
				err, errno = nil, wasi.OK // the client of an empty file may close before the handshake ends
			}
			if err != nil {
				if err != errNotResumed {
					s.server.counter.shook(true, tls.ConnectionState{})
				}
				s.spoken.told.Store(true)
				s.observe(Event{Kind: DataRefused, Data: conn.Addr(c.tls.RemoteAddr()), TLS: true, Err: err})
			}
			c.settled(secure, handle, errno)
		})
	})
	return wasi.OK
}

// shakeHands does the handshake of a data connection, and applies the policy on resumption.
func (s *session) shakeHands(c *tls.Conn) error {
	c.SetDeadline(time.Now().Add(conn.HandshakeTime))
	err := c.Handshake()
	c.SetDeadline(time.Time{})
	if err != nil {
		return err
	}
	state := c.ConnectionState()
	s.server.counter.shook(true, state)
	if state.DidResume {
		return nil
	}
	switch s.config.TLS.DataResumption {
	case RequireResumption:
		return errNotResumed
	case PreferResumption:
		if !s.strange.Swap(true) {
			s.server.logger.Info(errNotResumed.Error(), "session", s.id, "client", s.client)
		}
	}
	return nil
}

// uploading reports whether the session has an upload whose transfer has not begun: then
// its data connection is for that upload.
func (s *session) uploading() bool {
	return slices.ContainsFunc(s.objects, func(handle uint32) bool {
		f, errno := get[*openFile](&s.shard.handles, handle)
		return errno == wasi.OK && f.upload != nil && f.transfer == nil
	})
}

// tlsErrno is the errno of a failed handshake: EPROTO, unless the error has one of its own.
func tlsErrno(err error) wasi.Errno {
	if errno := errnoOf(err); errno != wasi.EIO {
		return errno
	}
	return wasi.EPROTO
}
