package host

import (
	"errors"
	"maps"
	"slices"

	"wasiftp/wasi"
)

var errRevoked = errors.New("the account was revoked")

// Revoke ends the rights of all sessions that are logged in to an account for which gone
// returns true or panics, and returns their number. A transfer or a listing under way may
// end, but the session can begin nothing new, and gets 421 once it is idle.
//
// Change the answers of the [Authenticator] before you call Revoke. It is asked again about
// every login that is under way meanwhile, so no session gets an older answer.
func (s *Server) Revoke(gone func(account string) bool) int {
	s.mu.Lock()
	s.revocations.Add(1)
	logins := slices.Collect(maps.Keys(s.logins))
	s.mu.Unlock()
	n := 0
	for _, l := range logins {
		revoke := true // also when gone panics
		s.guard(revokeCode, l.session, func() error { revoke = gone(l.name); return nil })
		if revoke && s.revoke(l) {
			n++
		}
	}
	return n
}

// revoke ends the rights of a login, or of the one in its place. It returns false if they have
// ended already.
func (s *Server) revoke(l *login) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l.next != nil {
		l = l.next
	}
	if _, in := s.logins[l]; !in || l.revoked.Swap(true) {
		return false
	}
	l.session.shard.post(wasi.Event{Kind: wasi.EventDrain, Session: l.session.handle})
	return true
}
