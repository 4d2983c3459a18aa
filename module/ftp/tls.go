package ftp

import "bytes"

// Requirement says what a client must protect by TLS.
type Requirement uint8

// What can be required of clients (RFC 4217 §12).
const (
	RequireNothing  Requirement = iota
	RequireLogin                // user name and password
	RequireControl              // the control connection, always
	RequireTransfer             // data connections as well
)

// protection is what TLS protects in a session.
type protection struct {
	secure      bool // the control connection
	bufferSized bool // PBSZ was said
	protected   bool // PROT P was said: data connections
	joins       bool // SSCN ON was said: on data connections we are the TLS client
}

// authVerb begins TLS (RFC 4217 §4). The session forgets all that it was told, and all
// that came behind the line: somebody on the way may have written that.
func (s *session) authVerb(arg []byte) error {
	arg = bytes.TrimRight(arg, " ")
	switch {
	case !isWord(arg, "TLS") && !isWord(arg, "TLS-C") && !isWord(arg, "SSL"):
		return replyBadMechanism
	case s.secure:
		return replySecureAlready
	}
	s.reinitialize()
	s.secure = true
	if err := s.e.world.StartTLS(s.handle, []byte(replySecure+"\r\n")); err != nil {
		s.secure = false
		return replyNoSecurity
	}
	return nil
}

// pbszVerb takes any size: TLS protects a stream, so there is no buffer to agree on
// (RFC 4217 §8).
func (s *session) pbszVerb(arg []byte) error {
	if !s.secure {
		return replyNeedAuth
	}
	if n, ok := parseDigits(bytes.TrimRight(arg, " ")); !ok || n > 1<<32-1 {
		return replyBadArgument
	}
	s.bufferSized = true
	return replyBufferSize
}

// protVerb says whether data connections are protected (RFC 4217 §9).
func (s *session) protVerb(arg []byte) error {
	arg = bytes.TrimRight(arg, " ")
	switch {
	case !s.secure:
		return replyNeedAuth
	case !s.bufferSized:
		return replyNeedPBSZ
	case isWord(arg, "P"):
		s.protected = true
		return replyPrivate
	case isWord(arg, "C") && s.e.config.Require == RequireTransfer:
		return replyMustProtect
	case isWord(arg, "C"):
		s.protected = false
		return replyClear
	case isWord(arg, "S"), isWord(arg, "E"):
		return replyBadProtection
	}
	return replyBadParameter
}

// cccVerb puts the control connection in the clear again, if that is allowed
// (RFC 4217 §6). Then anybody on the way can read addresses and names and add commands.
// Data connections stay as PROT has set them.
func (s *session) cccVerb([]byte) error {
	switch {
	case !s.secure:
		return replyNeedAuth
	case !s.mayUnseal():
		return replyStaySecure
	}
	return s.unseal([]byte(replyClearControl))
}

// mayUnseal reports whether TLS may end before the control connection does.
func (s *session) mayUnseal() bool {
	return s.e.has&NeedCCC != 0 && s.e.config.Require < RequireControl
}

// unseal sends a last line under TLS, and ends TLS on the control connection.
func (s *session) unseal(line []byte) error {
	if err := s.e.tlsStopper.StopTLS(s.handle, append(line, "\r\n"...)); err != nil {
		return replyStaySecure
	}
	s.secure = false
	return nil
}

// sscnVerb says who is the TLS client on data connections: the FTP client or we. In a
// transfer between two servers one of them has to be.
func (s *session) sscnVerb(arg []byte) error {
	arg = bytes.TrimRight(arg, " ")
	switch {
	case isWord(arg, "ON") && !s.protected:
		return replyNoJoin
	case isWord(arg, "ON"):
		s.protection.joins = true
	case isWord(arg, "OFF"):
		s.protection.joins = false
	case len(arg) > 0:
		return replyBadParameter
	}
	if s.protection.joins {
		return replyJoins
	}
	return replyJoinsNot
}

// cpsvVerb is PASV for a data connection on which we are the TLS client.
func (s *session) cpsvVerb([]byte) error {
	if !s.protected {
		return replyNoJoin
	}
	err := s.pasvVerb(nil)
	s.dataConnection.joins = err == nil
	return err
}
