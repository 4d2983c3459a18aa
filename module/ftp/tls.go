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

// authVerb begins TLS (RFC 4217 §4). All that the session knew goes, and all
// that came behind the line: somebody on the way may have written it.
func (s *session) authVerb(arg []byte) (reply, error) {
	arg = bytes.TrimRight(arg, " ")
	switch {
	case !isWord(arg, "TLS") && !isWord(arg, "TLS-C") && !isWord(arg, "SSL"):
		return replyBadMechanism, nil
	case s.secure:
		return replySecureAlready, nil
	}
	s.reinitialize()
	s.secure = true
	if err := s.e.world.StartTLS(s.handle, []byte(replySecure+"\r\n")); err != nil {
		s.secure = false
		return replyNoSecurity, nil
	}
	return "", nil
}

// pbszVerb: TLS protects a stream, which has no buffers to agree on
// (RFC 4217 §8).
func (s *session) pbszVerb(arg []byte) (reply, error) {
	if !s.secure {
		return replyNeedAuth, nil
	}
	if n, ok := parseDigits(bytes.TrimRight(arg, " ")); !ok || n > 1<<32-1 {
		return replyBadArgument, nil
	}
	s.bufferSized = true
	return replyBufferSize, nil
}

// protVerb says whether data connections are protected (RFC 4217 §9).
func (s *session) protVerb(arg []byte) (reply, error) {
	arg = bytes.TrimRight(arg, " ")
	switch {
	case !s.secure:
		return replyNeedAuth, nil
	case !s.bufferSized:
		return replyNeedPBSZ, nil
	case isWord(arg, "P"):
		s.protected = true
		return replyPrivate, nil
	case isWord(arg, "C") && s.e.config.Require == RequireTransfer:
		return replyMustProtect, nil
	case isWord(arg, "C"):
		s.protected = false
		return replyClear, nil
	case isWord(arg, "S"), isWord(arg, "E"):
		return replyBadProtection, nil
	}
	return replyBadParameter, nil
}

// cccVerb puts the control connection in the clear again, if that is allowed
// (RFC 4217 §6): it shows the addresses and names that TLS has just hidden, and
// lets anybody add a command. Data connections stay as PROT has them.
func (s *session) cccVerb([]byte) (reply, error) {
	switch {
	case !s.secure:
		return replyNeedAuth, nil
	case !s.mayUnseal():
		return replyStaySecure, nil
	}
	return s.unseal([]byte(replyClearControl)), nil
}

// mayUnseal reports whether TLS may end before the control connection does.
func (s *session) mayUnseal() bool {
	return s.e.has&NeedCCC != 0 && s.e.config.Require < RequireControl
}

// unseal ends TLS with a last line under it.
func (s *session) unseal(line []byte) reply {
	if err := s.e.unsealer.StopTLS(s.handle, append(line, "\r\n"...)); err != nil {
		return replyStaySecure
	}
	s.secure = false
	return ""
}

// sscnVerb says who is the TLS client on data connections: the client of the
// control connection, or we, so that two servers can do a handshake between them.
func (s *session) sscnVerb(arg []byte) (reply, error) {
	arg = bytes.TrimRight(arg, " ")
	switch {
	case isWord(arg, "ON") && !s.protected:
		return replyNoJoin, nil
	case isWord(arg, "ON"):
		s.joins = true
	case isWord(arg, "OFF"):
		s.joins = false
	case len(arg) > 0:
		return replyBadParameter, nil
	}
	if s.joins {
		return replyJoins, nil
	}
	return replyJoinsNot, nil
}

// cpsvVerb is PASV for a data connection on which we are the TLS client.
func (s *session) cpsvVerb([]byte) (reply, error) {
	if !s.protected {
		return replyNoJoin, nil
	}
	r, err := s.pasvVerb(nil)
	if r == "" && err == nil {
		s.joinsOnce = true
	}
	return r, err
}

// needData is what a transfer still needs before it can begin, "" for nothing.
func (s *session) needData() reply {
	switch {
	case s.e.config.Require == RequireTransfer && !s.protected:
		return replyNeedProtection
	case s.data == dataNone:
		return replyNeedData
	}
	return ""
}
