package host

import (
	"cmp"
	"container/list"
	"errors"
	"math/rand/v2"
	"net/netip"

	"wasiftp/host/internal/conn"
)

// seats count the connections against the limits. Server.mu guards them.
type seats struct {
	taken     int
	addresses map[netip.Addr]int // by addressKey
	sites     map[netip.Addr]int // by the /48 of an IPv6 address, which many subscribers may share
	strangers int
	strange   map[netip.Addr]*list.List // seats of strangers by seat.source, the oldest first
	parting   map[*conn.Stream]struct{} // connections that the guest has closed and that are still open
	lingering map[*seat]struct{}        // seats whose control connection has sent everything and waits for the client's FIN
}

// seat is one session in the count. Its control and data connections share it. It is
// given back when the last of their descriptors is closed, even long after the session.
type seat struct {
	server  *Server
	shard   *shard
	id      uint64 // of the session
	config  *setup // of the session
	address netip.Addr
	site    netip.Addr    // not valid for IPv4
	control *conn.Stream  // nil until the session is opened
	open    int           // descriptors
	strange *list.Element // nil once logged in
	account string        // the account that it counts for after the end of the session, "" for none
	given   bool          // given back
	evicted bool          // the session was ended because another client got the seat
}

// sitesShare is how many times SessionsPerAddress an IPv6 /48 may have. One customer may
// have the /48, or a hoster whose customers have a /64 each.
const sitesShare = 4

// ErrLimit is what the errors of events are, by [errors.Is], that tell of a limit to sessions:
// one of [Limits], or Account.MaxSessions.
var ErrLimit = errors.New("a limit is reached")

// limitError is an ErrLimit with a text of its own.
type limitError string

func (e limitError) Error() string { return string(e) }

func (limitError) Is(target error) bool { return target == ErrLimit }

const (
	errTooManySessions  = limitError("too many sessions")
	errTooManyFromHere  = limitError("too many sessions from this address")
	errTooManyStrangers = limitError("too many sessions that are not logged in")
	errAccountFull      = limitError("too many sessions of this account")
)

var (
	errGaveWay = errors.New("not logged in, and its seat was needed for another address")
)

func newSeats() seats {
	return seats{
		addresses: map[netip.Addr]int{}, sites: map[netip.Addr]int{}, strange: map[netip.Addr]*list.List{},
		parting: map[*conn.Stream]struct{}{}, lingering: map[*seat]struct{}{},
	}
}

// addressKey is a client's address in SessionsPerAddress: an IPv4 address, or an IPv6 /64,
// all of which belongs to one subscriber.
func addressKey(a netip.Addr) netip.Addr {
	if a.Is6() {
		return network(a, 64)
	}
	return a
}

// network is the network of an IPv6 address, by the length of its prefix.
func network(a netip.Addr, bits int) netip.Addr {
	p, _ := a.WithZone("").Prefix(bits)
	return p.Addr()
}

// source is the address that strangers are counted by: IPv4, or an IPv6 /48.
func (p *seat) source() netip.Addr { return cmp.Or(p.site, p.address) }

// take counts a new connection against the limits. gone are the seats that were given back
// to make room: the caller cuts their connections once it has released s.mu, which it
// holds.
func (s *Server) take(client netip.Addr) (p *seat, gone []*seat, err error) {
	l, all := &s.current().Limits, &s.seats
	p = &seat{server: s, config: s.current(), open: 1, address: addressKey(client)}
	if client.Is6() {
		p.site = network(client, 48)
	}
	room := func(taken func() int, limit int, among func(*seat) bool) bool {
		for limit > 0 && taken() >= limit { // more than one too many once SetConfig has lowered the limit
			q := all.lingerer(among)
			if q == nil {
				return false
			}
			s.giveBack(q)
			gone = append(gone, q)
		}
		return true
	}
	ofAddress := func(q *seat) bool { return q.address == p.address }
	ofSite := func(q *seat) bool { return q.site == p.site }
	if !room(func() int { return all.addresses[p.address] }, l.SessionsPerAddress, ofAddress) ||
		p.site.IsValid() && !room(func() int { return all.sites[p.site] / sitesShare }, l.SessionsPerAddress, ofSite) {
		return nil, gone, errTooManyFromHere
	}
	full := !room(func() int { return all.taken }, l.Sessions, func(*seat) bool { return true })
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

// lingerer finds a seat whose connection only waits for its client's FIN. That wait is a
// courtesy, so the seat can go to a new connection.
func (all *seats) lingerer(among func(*seat) bool) *seat {
	for q := range all.lingering {
		if q.open == 1 && among(q) {
			return q
		}
	}
	return nil
}

// dropsEarly reports at random, the more often the more strangers there are, whether a new
// connection of the source with most strangers is refused. See Limits.StrangersStart.
func (all *seats) dropsEarly(l *Limits) bool {
	over, room := all.strangers-l.StrangersStart, l.Strangers-l.StrangersStart
	return over >= 0 && room > over && rand.IntN(100) < l.StrangersRate+(100-l.StrangersRate)*over/room
}

// heavier is the oldest stranger of the source with most strangers, nil if p's source has
// as many, counting p.
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

// estrange counts a seat as a stranger's.
func (all *seats) estrange(p *seat) {
	of := all.strange[p.source()]
	if of == nil {
		of = list.New()
		all.strange[p.source()] = of
	}
	p.strange = of.PushBack(p)
	all.strangers++
}

// settle no longer counts a seat as a stranger's.
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

// decrement counts one less, and deletes a key at zero.
func decrement[K comparable](counts map[K]int, of K) {
	if counts[of]--; counts[of] <= 0 {
		delete(counts, of)
	}
}

// checkIdle closes s.idle if the server takes no more sessions and no connections are left but
// those that wait for their client's FIN. Callers hold s.mu.
func (s *Server) checkIdle() {
	if s.state < relieved {
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

// begin sets the control connection of the seat's session.
func (p *seat) begin(control *conn.Stream) {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	p.control = control
}

// hold counts one more descriptor. It returns false if the session has maxOwned besides
// its control connection.
func (p *seat) hold() bool {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	if p.open > maxOwned {
		return false
	}
	p.open++
	return true
}

// drop counts a closed descriptor: that of the stream, or nil for one without a stream.
func (p *seat) drop(closed *conn.Stream) {
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

// part notes a connection that the guest has closed and that is still open.
func (p *seat) part(from *conn.Stream) {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	p.server.seats.parting[from] = struct{}{}
}

// linger notes that a parting control connection has sent everything and waits for its
// client's FIN.
func (p *seat) linger(control *conn.Stream) {
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, parting := s.seats.parting[control]; parting && !p.given {
		s.seats.lingering[p] = struct{}{}
		s.checkIdle()
	}
}

// loggedIn ends the seat's count as a stranger's.
func (p *seat) loggedIn() {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	p.server.seats.settle(p)
}

// loggedOut counts the seat as a stranger's again. If that is one too many, the oldest
// stranger of a source with more of them is cut or, if there is none, this session.
func (p *seat) loggedOut() {
	s := p.server
	s.mu.Lock()
	all, limit := &s.seats, s.current().Limits.Strangers
	var gone *seat
	if !p.given && p.strange == nil {
		all.estrange(p)
		if limit > 0 && all.strangers > limit {
			if gone = all.heavier(p); gone == nil {
				gone = p
			}
			s.giveBack(gone) // before its client can see the end, and come again
			gone.evicted = true
		}
	}
	s.mu.Unlock()
	gone.cut()
}

// keep counts a session that is over for its account until its last descriptor is closed.
func (p *seat) keep(l *login) {
	if l == nil {
		return
	}
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	if !p.given && !l.kept {
		p.account, l.kept = l.name, true
	}
}

// reason is errGaveWay if another client got the seat, else nil.
func (p *seat) reason() error {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	if p.evicted {
		return errGaveWay
	}
	return nil
}

// cut ends the control connection at once. On a nil seat it does nothing.
func (p *seat) cut() {
	if p != nil {
		p.control.Cut(replyFull)
	}
}
