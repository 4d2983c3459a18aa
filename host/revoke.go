package host

import (
	"errors"
	"maps"
	"slices"

	"wasiftp/wasi"
)

var errRevoked = errors.New("the account was revoked")

// Revoke takes their rights from all sessions that are logged in to an account
// for which gone reports true, or panics, and says how many they were. What such a
// session has under way, a transfer or a listing, may end, but nothing new begins:
// once it is idle it gets 421 and ends.
//
// Change what the [Authenticator] answers before. A login that is under way
// meanwhile is asked about again, so that none is left that rests on an older
// answer.
func (s *Server) Revoke(gone func(account string) bool) int {
	s.mu.Lock()
	s.revocations.Add(1)
	logins := slices.Collect(maps.Keys(s.logins))
	s.mu.Unlock()
	n := 0
	for _, l := range logins {
		revoke := true // also if gone panics
		s.guard(revokeCode, l.session, func() error { revoke = gone(l.name); return nil })
		if revoke && s.revoke(l) {
			n++
		}
	}
	return n
}

// revoke takes the rights of a login. It reports false when it had none any more.
func (s *Server) revoke(l *login) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, in := s.logins[l]; !in || l.revoked.Swap(true) {
		return false
	}
	l.session.shard.post(wasi.Event{Kind: wasi.EventDrain, Session: l.session.handle})
	return true
}
