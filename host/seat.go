package host

import (
	"container/list"
	"errors"
	"math/rand/v2"
	"net/netip"

	"wasiftp/host/internal/conn"
)

// seats are what connections take of the limits. Server.mu guards them.
type seats struct {
	taken     int
	addresses map[netip.Addr]int // by addressKey
	sites     map[netip.Addr]int // by the /48 of an IPv6 address, which many subscribers may share
	strangers int
	strange   map[netip.Addr]*list.List // seats of strangers by their source, each list from the oldest on
	parting   map[*conn.Stream]struct{} // connections that the guest has given up, and that are still open
	lingering map[*seat]struct{}        // seats whose control connection has nothing unsent and waits for the client's end
}

// seat is what a control connection and the data connections of its session take
// of the limits. It is given back once the last of their descriptors is closed,
// however long the session has been over.
type seat struct {
	server  *Server
	shard   *shard
	id      uint64 // of the session
	address netip.Addr
	site    netip.Addr    // not valid for IPv4
	control *conn.Stream  // nil until the session is opened
	open    int           // descriptors
	strange *list.Element // nil once logged in
	account string        // whose seat it keeps now that the session is over, "" for none
	given   bool          // given back
	evicted bool          // because somebody else needed it
}

// sitesShare is how many times SessionsPerAddress the /48 of an IPv6 address may
// have: it may be one customer's, or that of a hoster with a /64 for each.
const sitesShare = 4

var (
	errTooManySessions  = errors.New("too many sessions")
	errTooManyFromHere  = errors.New("too many sessions from this address")
	errTooManyStrangers = errors.New("too many sessions that are not logged in")
	errGaveWay          = errors.New("not logged in, and its seat was needed for another address")
)

// newSeats are seats none of which is taken.
func newSeats() seats {
	return seats{
		addresses: map[netip.Addr]int{}, sites: map[netip.Addr]int{}, strange: map[netip.Addr]*list.List{},
		parting: map[*conn.Stream]struct{}{}, lingering: map[*seat]struct{}{},
	}
}

// addressKey is what SessionsPerAddress counts: an IPv4 address, or the /64 that
// one IPv6 subscriber has all of.
func addressKey(a netip.Addr) netip.Addr {
	if a.Is6() {
		return network(a, 64)
	}
	return a
}

// network is the one of so many bits that an IPv6 address is in.
func network(a netip.Addr, bits int) netip.Addr {
	p, _ := a.WithZone("").Prefix(bits)
	return p.Addr()
}

// source is what strangers are told apart by.
func (p *seat) source() netip.Addr {
	if p.site.IsValid() {
		return p.site
	}
	return p.address
}

// take counts a new connection against the limits. The seats of those that are
// gone were given back for it, and their connections are to be cut. Callers hold
// s.mu.
func (s *Server) take(client netip.Addr) (p *seat, gone []*seat, err error) {
	l, all := &s.config.Limits, &s.seats
	p = &seat{server: s, open: 1, address: addressKey(client)}
	if client.Is6() {
		p.site = network(client, 48)
	}
	room := func(taken, limit int, among func(*seat) bool) bool {
		if limit == 0 || taken < limit {
			return true
		}
		q := all.lingerer(among)
		if q != nil {
			s.giveBack(q)
			gone = append(gone, q)
		}
		return q != nil
	}
	ofAddress := func(q *seat) bool { return q.address == p.address }
	ofSite := func(q *seat) bool { return q.site == p.site }
	switch {
	case !room(all.addresses[p.address], l.SessionsPerAddress, ofAddress),
		p.site.IsValid() && !room(all.sites[p.site]/sitesShare, l.SessionsPerAddress, ofSite):
		return nil, gone, errTooManyFromHere
	}
	full := !room(all.taken, l.Sessions, func(*seat) bool { return true })
	crowded := full || l.Strangers > 0 && all.strangers >= l.Strangers
	if crowded || all.dropsEarly(l) {
		switch q := all.heavier(p); {
		case q == nil && full:
			return nil, gone, errTooManySessions
		case q == nil:
			return nil, gone, errTooManyStrangers
		case crowded:
			q.evicted = true
			s.giveBack(q)
			gone = append(gone, q)
		}
	}
	all.taken++
	all.addresses[p.address]++
	if p.site.IsValid() {
		all.sites[p.site]++
	}
	all.estrange(p)
	return p, gone, nil
}

// lingerer is a connection that only waits for its client's end, which is a
// courtesy: it gives way to any other.
func (all *seats) lingerer(among func(*seat) bool) *seat {
	for q := range all.lingering {
		if q.open == 1 && among(q) {
			return q
		}
	}
	return nil
}

// dropsEarly says by the throw of a die whether there are so many strangers that a
// source which has most of them should get no more.
func (all *seats) dropsEarly(l *Limits) bool {
	over, room := all.strangers-l.StrangersStart, l.Strangers-l.StrangersStart
	return over >= 0 && room > over && rand.IntN(100) < l.StrangersRate+(100-l.StrangersRate)*over/room
}

// heavier is the oldest stranger of the source that has most of them, if that are
// more than p's source has, with p.
func (all *seats) heavier(p *seat) *seat {
	var most *list.List
	for _, of := range all.strange {
		if most == nil || of.Len() > most.Len() {
			most = of
		}
	}
	mine := 0
	if of := all.strange[p.source()]; of != nil {
		mine = of.Len()
	}
	if p.strange == nil {
		mine++
	}
	if most == nil || most.Len() <= mine {
		return nil
	}
	for at := most.Front(); at != nil; at = at.Next() {
		if q := at.Value.(*seat); q.control != nil && q.open == 1 {
			return q
		}
	}
	return nil
}

// estrange counts a seat among the strangers'.
func (all *seats) estrange(p *seat) {
	of := all.strange[p.source()]
	if of == nil {
		of = list.New()
		all.strange[p.source()] = of
	}
	p.strange = of.PushBack(p)
	all.strangers++
}

// settle counts a seat among the strangers' no more.
func (all *seats) settle(p *seat) {
	if p.strange == nil {
		return
	}
	of := all.strange[p.source()]
	of.Remove(p.strange)
	if of.Len() == 0 {
		delete(all.strange, p.source())
	}
	p.strange = nil
	all.strangers--
}

// giveBack gives a seat back. Callers hold s.mu.
func (s *Server) giveBack(p *seat) {
	if p.given {
		return
	}
	p.given = true
	all := &s.seats
	all.taken--
	decrement(all.addresses, p.address)
	if p.site.IsValid() {
		decrement(all.sites, p.site)
	}
	all.settle(p)
	delete(all.lingering, p)
	if p.account != "" {
		decrement(s.perAccount, p.account)
	}
	s.checkIdle()
}

// decrement counts one less, and keeps no zero.
func decrement[K comparable](counts map[K]int, of K) {
	if counts[of]--; counts[of] <= 0 {
		delete(counts, of)
	}
}

// checkIdle finds out whether all that is left of a server that is going down are
// connections that wait for their client's end. Callers hold s.mu.
func (s *Server) checkIdle() {
	if s.state == serving {
		return
	}
	left := s.seats.taken
	for p := range s.seats.lingering {
		if p.open == 1 {
			left--
		}
	}
	if left == 0 {
		s.nobodyLeft()
	}
}

// begin notes the control connection of the session that has the seat.
func (p *seat) begin(control *conn.Stream) {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	p.control = control
}

// hold counts one more descriptor, unless the session has all that it may. Without
// a seat, none of its methods does anything.
func (p *seat) hold() bool {
	if p == nil {
		return true
	}
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	if p.open > maxOwned {
		return false
	}
	p.open++
	return true
}

// drop is told that a descriptor was closed: that of the stream, or of what never
// became one.
func (p *seat) drop(closed *conn.Stream) {
	if p == nil {
		return
	}
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.seats.parting, closed)
	if p.open--; p.open == 0 {
		s.giveBack(p)
	} else {
		s.checkIdle()
	}
}

// part is told that the guest has given up a connection that is still open.
func (p *seat) part(from *conn.Stream) {
	if p == nil {
		return
	}
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	p.server.seats.parting[from] = struct{}{}
}

// linger is told that a control connection that parts now waits for nothing but
// its client's end.
func (p *seat) linger(control *conn.Stream) {
	if p == nil {
		return
	}
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, parting := s.seats.parting[control]; parting && !p.given {
		s.seats.lingering[p] = struct{}{}
		s.checkIdle()
	}
}

// loggedIn takes the seat from the strangers'.
func (p *seat) loggedIn() {
	if p == nil {
		return
	}
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	p.server.seats.settle(p)
}

// loggedOut gives the seat back to the strangers. When these are too many, one of
// a source that has more of them gives way or, if there is none, the seat itself.
func (p *seat) loggedOut() {
	if p == nil {
		return
	}
	s := p.server
	s.mu.Lock()
	all, limit := &s.seats, s.config.Limits.Strangers
	var gone *seat
	if !p.given && p.strange == nil {
		all.estrange(p)
		if limit > 0 && all.strangers > limit {
			if gone = all.heavier(p); gone == nil {
				gone = p
			} else {
				s.giveBack(gone)
			}
			gone.evicted = true
		}
	}
	s.mu.Unlock()
	gone.cut()
}

// keep has the account of a session that is over count until its last descriptor is
// closed.
func (p *seat) keep(l *login) {
	if p == nil || l == nil {
		return
	}
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	if !p.given && !l.kept {
		p.account, l.kept = l.name, true
	}
}

// reason is why the session was ended, if the server needed its seat.
func (p *seat) reason() error {
	if p == nil {
		return nil
	}
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	if p.evicted {
		return errGaveWay
	}
	return nil
}

// cut ends the control connection at once.
func (p *seat) cut() {
	if p != nil {
		p.control.Cut(replyFull)
	}
}
