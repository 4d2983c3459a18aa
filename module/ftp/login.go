package ftp

import (
	"bytes"
	"net/netip"
	"strings"
)

// loginState is how far the login has come.
type loginState uint8

const (
	loginNone    loginState = iota
	loginNamed              // USER was given, PASS is next
	loginDelayed            // PASS was wrong, and the answer is held back
	loginDone
)

// identity is who the client is, and what the account may do.
type identity struct {
	hosted   bool // HOST named a virtual host
	login    loginState
	failures int // failed logins
	user     []byte
	rights   Rights
	able     Abilities  // what the account's files can do; all before the login
	style    *longStyle // of LIST; nil until it is needed
	masked   bool       // SITE UMASK has set umask
	umask    uint32
	dir      []byte // the current directory, relative to the root; empty is the root
}

// forgetLogin forgets all but how many logins have failed, and whether HOST was said.
func (i *identity) forgetLogin() {
	*i = identity{hosted: i.hosted, failures: i.failures, able: allAbilities, user: i.user[:0], dir: i.dir[:0]}
}

const (
	maxUser       = 255
	maxHost       = 255
	maxLoginDelay = 30 * second // however many logins failed
)

func (s *session) greet() { s.sendLine(s.greeting()) }

// greeting is the first reply of the session, 220, in the engine's scratch buffer.
func (s *session) greeting() []byte {
	if s.e.config.Greeting == "" {
		return append(s.e.scratch[:0], replyGreeting...)
	}
	b := append(s.e.scratch[:0], "220 "...)
	return appendName(b, []byte(s.e.config.Greeting))
}

// userVerb begins a login. RFC 959 §4.1.1 allows USER at any time: what the
// account before it could do is gone at once.
func (s *session) userVerb(arg []byte) error {
	if len(arg) > maxUser {
		return replyBadArgument
	}
	if s.e.config.Require != RequireNothing && !s.secure {
		return replyNeedSecurity
	}
	s.logout()
	s.user = append(s.user[:0], arg...)
	s.login = loginNamed
	return replyNeedPassword
}

// hostVerb names the virtual host that the login is for: each has its own accounts and
// root (RFC 7151 §3). After USER it is too late.
func (s *session) hostVerb(arg []byte) error {
	if s.login != loginNone {
		return replyTooLate
	}
	arg = bytes.TrimRight(arg, " ")
	if !isHost(arg) {
		return replyBadArgument
	}
	switch s.e.hosts.Host(s.handle, arg) {
	case nil:
		s.hosted = true
		s.greet()
		return nil
	case ErrName:
		return replyBadArgument
	case ErrNotExist:
		return s.stranger(replyNoHost)
	}
	return replyLoginFault
}

// isHost reports whether an argument can be the name of a host, or its address, that of
// IPv6 in brackets. No port may follow (RFC 7151 §3.1).
func isHost(arg []byte) bool {
	if len(arg) > 2 && arg[0] == '[' && arg[len(arg)-1] == ']' {
		addr, err := netip.ParseAddr(string(arg[1 : len(arg)-1]))
		return err == nil && addr.Is6() && addr.Zone() == ""
	}
	for _, c := range arg {
		if c <= ' ' || c == 0x7f || strings.IndexByte(`[]:/\@`, c) >= 0 {
			return false
		}
	}
	return len(arg) > 0 && len(arg) <= maxHost
}

// probe asks the world, on the first session, whether it has virtual hosts at all, and ends
// sessions: one that does not returns ErrUnsupported even for the empty name, and for no
// session's number.
func (e *Engine) probe(session Handle) {
	if e.probed {
		return
	}
	e.probed = true
	if e.hosts != nil && e.hosts.Host(session, nil) == ErrUnsupported {
		e.has &^= NeedHosts
	}
	if e.sessionKicker != nil && e.sessionKicker.Kick(session, 0, nil) == ErrUnsupported {
		e.has &^= NeedKick
	}
}

// logout takes the account from the session. After a login, the time to log in begins
// anew.
func (s *session) logout() {
	if s.login == loginDone {
		s.e.world.Logout(s.handle)
		s.begun = s.e.now
	}
	s.forgetLogin()
	s.preparation.reset()
}

func (s *session) passVerb(arg []byte) error {
	if s.login != loginNamed {
		return s.stranger(replyNeedUser)
	}
	rights, able, err := s.e.world.Login(s.handle, s.user, arg)
	switch err {
	case nil:
		s.rights, s.able = rights, able
		s.login = loginDone
		return replyLoggedIn
	case ErrAgain:
		return err
	case ErrPermission:
		return s.loginFailed()
	case ErrTooMany:
		return replyLoginFull
	}
	s.login = loginNone
	return replyLoginFault
}

// loginFailed counts a wrong password or an unknown user, which get the same reply. The
// more there were, the later it comes.
func (s *session) loginFailed() error {
	s.failures++
	delay := min(s.e.config.FailureDelay, maxLoginDelay)
	if delay <= 0 {
		return s.endLogin()
	}
	s.login = loginDelayed
	s.heard = s.e.now + min(delay<<min(s.failures-1, 16), maxLoginDelay)
	return nil
}

// endLogin is the reply to a failed login; after too many it is 421, which ends the session.
func (s *session) endLogin() error {
	s.login = loginNone
	if limit := s.e.config.LoginFailures; limit > 0 && s.failures >= limit {
		return replyLoginFailures
	}
	return replyLoginFailed
}

// acctVerb: no account needs more than a password.
func (s *session) acctVerb([]byte) error {
	if s.login != loginDone {
		return s.stranger(replyNeedUser)
	}
	return replySuperfluous
}

// reinVerb puts the session where it was after the greeting (RFC 959 §4.1.1), in the clear
// again (RFC 4217 §11). Where TLS may not end, it is refused: the client can connect anew.
func (s *session) reinVerb([]byte) error {
	if s.secure && !s.mayUnseal() {
		return replyNotSecure
	}
	s.reinitialize()
	if s.secure {
		return s.unseal(s.greeting())
	}
	s.greet()
	return nil
}

// reinitialize resets all that the client has set. Failed logins and bad commands stay
// counted.
func (s *session) reinitialize() {
	s.logout()
	s.dropData()
	s.extended = false
	s.speakUTF8(false)
	s.parameters.reset()
	s.protection = protection{secure: s.secure}
	if s.hosted {
		s.e.hosts.Host(s.handle, nil)
		s.hosted = false
	}
}

// quitVerb ends the session, but only after a transfer under way and its reply
// (RFC 959 §4.1.1).
func (s *session) quitVerb([]byte) error {
	s.say(replyGoodbye)
	if s.phase == phaseActive {
		s.phase = phaseQuitting
	}
	return nil
}
