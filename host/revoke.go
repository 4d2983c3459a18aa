package host

import (
	"errors"

	"wasiftp/wasi"
)

var errRevoked = errors.New("the account was revoked")

// Revoke takes their rights from all sessions that are logged in to an account
// for which gone, which must not call the server, reports true, and says how many
// they were. What such a session has under way, a transfer or a listing, may end,
// but nothing new begins: once it is idle it gets 421 and ends.
//
// Change what the [Authenticator] answers before. A login that is under way
// meanwhile is asked about again, so that none is left that rests on an older
// answer.
func (s *Server) Revoke(gone func(account string) bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revocations.Add(1)
	n := 0
	for l := range s.logins {
		if gone(l.name) && !l.revoked.Swap(true) {
			n++
			l.session.shard.post(wasi.Event{Kind: wasi.EventDrain, Session: l.session.handle})
		}
	}
	return n
}
