package host

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"slices"

	"wasiftp/host/internal/conn"
	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
)

// TLS is how control and data connections are protected (RFC 4217).
type TLS struct {
	// Config has the certificate; nil offers no TLS at all. Certificates may
	// be picked by GetCertificate, and client certificates asked for by
	// ClientAuth: what the client showed reaches the [Authenticator]. Its
	// callbacks about session tickets are not used. Where it names no
	// NextProtos, a client that offers protocols (ALPN) must offer ftp or, on a
	// data connection, ftp-data: one who meant HTTP or mail is not served.
	Config *tls.Config

	// Require is what a client must protect; zero requires nothing.
	Require TLSRequirement

	// DataResumption says whether a data connection must resume the TLS
	// session of its own control connection, which proves that both ends are
	// the same as there; zero prefers it.
	DataResumption DataResumption

	// Close says whether the client of an upload must end TLS (close_notify)
	// before it ends the connection; zero prefers it.
	Close TLSClose
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

// TLSClose is a policy on how TLS has to end: on the data connection of an upload
// and, before it goes on in the clear, on a control connection (CCC).
type TLSClose uint8

// The policies. Under each, a connection that is reset, or that ends within a TLS
// record, has broken off.
const (
	// PreferClose takes the end of the connection (FIN) for the end of the
	// upload, since many clients don't end TLS. Event.TLSClosed tells. Whoever
	// can cut the connection can then shorten the file.
	PreferClose TLSClose = iota

	// RequireClose takes nothing but close_notify for the end of the upload.
	RequireClose
)

var errNotResumed = errors.New("the data connection does not resume the TLS session of the control connection")

// What a client may name as its protocol (RFC 7301). ftp is in IANA's registry;
// FileZilla calls its data connections ftp-data. Most clients name none.
var (
	controlProtocols = []string{"ftp"}
	dataProtocols    = []string{"ftp-data", "ftp"}
)

// controlTLS is the configuration for the control connection of session id: its
// tickets are marked with the id, and it takes none, so that whoever holds one
// has gone through this very handshake.
func (s *Server) controlTLS(id uint64) *tls.Config {
	return s.bound(s.config.TLS.Config, id, controlProtocols, tickets{
		mark: func(tls.ConnectionState) bool { return true },
		take: func(*tls.SessionState) bool { return false },
	})
}

// protection puts TLS on the control connection of session id, after a reply in
// the clear.
func (s *Server) protection(id uint64, reply []byte) *conn.Upgrade {
	return &conn.Upgrade{Config: s.controlTLS(id), Reply: reply, Tight: s.config.Allow.CCC, Guard: s.guardTLS}
}

// dataTLS is the configuration for a data connection of session id. Only one that
// has resumed gets a ticket with the mark: a thief who is refused would come back
// with it.
//
// With TLS 1.3 a ticket lies unread in the client's socket when the client of an
// upload, which has nothing to read, closes it. The system then sends a reset, and
// the upload has broken off. So an upload gets a ticket only where its client
// needs one for the next connection.
func (s *Server) dataTLS(id uint64, upload bool) *tls.Config {
	return s.bound(s.config.TLS.Config, id, dataProtocols, tickets{
		mark: func(state tls.ConnectionState) bool { return state.DidResume },
		take: func(session *tls.SessionState) bool { return s.issued(session, id) },
		none: upload && s.config.TLS.DataResumption != RequireResumption,
	})
}

// tickets say how a configuration deals with those of TLS sessions.
type tickets struct {
	mark func(tls.ConnectionState) bool
	take func(*tls.SessionState) bool
	none bool // with TLS 1.3, none is given out
}

// bound is a configuration that speaks the protocols, marks tickets with a
// session's id, and takes them, where it may. What it picks for a client does so too.
func (s *Server) bound(config *tls.Config, id uint64, protocols []string, t tickets) *tls.Config {
	c, keys := config.Clone(), s.config.TLS.Config
	if len(c.NextProtos) == 0 {
		c.NextProtos = protocols
	}
	c.WrapSession = func(state tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
		if t.mark(state) {
			session.Extra = append(session.Extra, s.ticketMark(id))
		}
		return keys.EncryptTicket(state, session)
	}
	c.UnwrapSession = func(ticket []byte, state tls.ConnectionState) (*tls.SessionState, error) {
		if t.none && state.Version == tls.VersionTLS13 {
			c.SessionTicketsDisabled = true // for what comes now: this one is being taken already
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
				return s.bound(picked, id, protocols, t), nil
			}
		}
		if t.none && startsAnew(hello, c) {
			c.SessionTicketsDisabled = true
		}
		return nil, nil
	}
	return c
}

// startsAnew says whether a client will speak TLS 1.3 and resumes nothing.
func startsAnew(hello *tls.ClientHelloInfo, c *tls.Config) bool {
	const preSharedKey = 41 // RFC 8446 §4.2.11
	return slices.Contains(hello.SupportedVersions, tls.VersionTLS13) && (c.MaxVersion == 0 || c.MaxVersion >= tls.VersionTLS13) &&
		!slices.Contains(hello.Extensions, preSharedKey)
}

// ticketMark says which session a ticket was issued to, among those of all
// servers that share the keys of tickets.
func (s *Server) ticketMark(id uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte("wasiftp session "+s.secret), id)
}

func (s *Server) issued(session *tls.SessionState, id uint64) bool {
	return slices.ContainsFunc(session.Extra, func(extra []byte) bool { return bytes.Equal(extra, s.ticketMark(id)) })
}

// netTLS puts a connection under TLS, or ends that.
func (sh *shard) netTLS(a *wasm.Args) wasi.Errno {
	part, reply := a.Uint32(1), a.Bytes(2)
	s, _ := sh.session(a)
	c, errno := get[*dataConn](&sh.handles, a.Handle(0))
	control := s != nil
	switch {
	case !control && errno != wasi.OK, control && part == wasi.TLSClient, !control && part == wasi.TLSEnd:
		return wasi.EBADF
	case sh.server.config.TLS.Config == nil:
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
	return c.secure(a.Handle(0), tls.Server, sh.server.dataTLS(c.session.id, c.session.uploading()))
}

// startTLS puts the control connection under TLS (RFC 4217 §4). All that came before
// is forgotten, so that nobody on the way can slip a command in ahead of the handshake
// (CVE-2011-1575).
func (s *session) startTLS(reply []byte) wasi.Errno {
	s.host = "" // was said in the clear
	return s.stream.UpgradeTo(s.server.protection(s.id, slices.Clone(reply)))
}

// stopTLS ends TLS on the control connection (RFC 4217 §6, CCC).
func (s *session) stopTLS(reply []byte) wasi.Errno {
	config := &s.server.config
	if !config.Allow.CCC || config.TLS.Require >= TLSForControl {
		return wasi.EACCES
	}
	s.host = s.at() // which only the handshake may have told
	return s.stream.UpgradeTo(&conn.Upgrade{Reply: slices.Clone(reply), Lenient: config.TLS.Close != RequireClose,
		Guard: s.server.guardTLS})
}

// guardTLS calls code of TLS.Config in nobody's name.
func (s *Server) guardTLS(call func() error) error { return s.guard(tlsCode, nil, call) }

// joinTLS puts a data connection under TLS whose other end is the server there.
func (c *dataConn) joinTLS(handle uint32) wasi.Errno {
	config := &c.session.server.config
	if !config.Allow.SSCN && !config.Allow.CPSV {
		return wasi.EACCES
	}
	return c.secure(handle, tls.Client, joiningTLS(config.TLS.Config))
}

// joiningTLS is for data connections to another server. Which one that is only
// the client knows, so that no name can be checked.
func joiningTLS(c *tls.Config) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, MinVersion: c.MinVersion, MaxVersion: c.MaxVersion, CipherSuites: c.CipherSuites}
}

// secure begins the handshake of a data connection, in either part.
func (c *dataConn) secure(handle uint32, part func(net.Conn, *tls.Config) *tls.Conn, config *tls.Config) wasi.Errno {
	switch {
	case c.conn == nil || c.tls != nil || c.compressed():
		return wasi.EINVAL
	case c.stream.Busy():
		return wasi.EBUSY
	}
	s := c.session
	policy := &s.server.config.TLS
	c.shaking = true
	c.tls = &conn.Closing{Conn: c.conn, Required: policy.Close == RequireClose}
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
				err, errno = nil, wasi.OK // an empty file: its client had no more to say
			}
			if err != nil {
				s.observe(Event{Kind: DataRefused, Data: addrPort(c.tls.RemoteAddr()), Err: err})
			}
			c.settled(secure, handle, errno)
		})
	})
	return wasi.OK
}

// shakeHands is the handshake of a data connection.
func (s *session) shakeHands(c *tls.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), conn.HandshakeTime)
	defer cancel()
	err := c.HandshakeContext(ctx)
	if err != nil || c.ConnectionState().DidResume {
		return err
	}
	switch s.server.config.TLS.DataResumption {
	case RequireResumption:
		return errNotResumed
	case PreferResumption:
		if !s.strange.Swap(true) {
			s.server.config.Logger.Info(errNotResumed.Error(), "session", s.id, "client", s.client)
		}
	}
	return nil
}

// uploading says whether the session has an upload that no transfer has begun
// with: what its data connection is for.
func (s *session) uploading() bool {
	return slices.ContainsFunc(s.objects, func(handle uint32) bool {
		f, errno := get[*openFile](&s.shard.handles, handle)
		return errno == wasi.OK && f.upload != nil && f.transfer == nil
	})
}

// tlsErrno is the errno of a failed handshake.
func tlsErrno(err error) wasi.Errno {
	if errno := errnoOf(err); errno != wasi.EIO {
		return errno
	}
	return wasi.EPROTO
}
