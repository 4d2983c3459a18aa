package host

import (
	"net/netip"

	"wasiftp/host/bans"
	"wasiftp/host/internal/conn"
)

// Bans is the book of failed logins and bans. It lists bans, begins and ends them, and takes
// another policy than Config.Bans, all while the server runs.
func (s *Server) Bans() *bans.Book { return s.bans }

// tellBan has the Observer learn of a ban.
func (s *Server) tellBan(b bans.Ban) {
	s.observe(Event{Kind: Banned, Client: netip.AddrPortFrom(b.Network.Addr(), 0), Ban: &b})
}

const replyShutOut = "421 Connections from your address are not taken now, try again later.\r\n"

// shutOut refuses a connection of an address that is not to connect now. It does not wait
// until the client has read the reply: what such a client costs is what counts. No event
// tells of those that are banned, as one has told of the ban.
func (s *Server) shutOut(a *conn.Arrival, reason error) {
	if reason == bans.ErrBanned {
		s.counter.banned()
	} else {
		s.observe(Event{Kind: Refused, Client: a.From, Server: a.To, Err: reason})
	}
	a.Cut(replyShutOut)
}
