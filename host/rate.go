package host

import (
	"context"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Rates bound how fast data cross data connections, in bytes a second; 0 is no limit, and a
// negative value a fault. The bytes of files count, before compression and TLS. Listings do
// not count, nor do hashes and copies, which cross no connection.
type Rates struct {
	Up   int64 // of uploads
	Down int64 // of downloads
}

// check adds the faults of rates that are called name.
func (r Rates) check(f *faults, name string) {
	if r.Up < 0 {
		f.add("%s.Up is %d; it must not be negative", name, r.Up)
	}
	if r.Down < 0 {
		f.add("%s.Down is %d; it must not be negative", name, r.Down)
	}
}

// tighter is the lower of each two rates.
func (r Rates) tighter(other Rates) Rates {
	return Rates{Up: lower(r.Up, other.Up), Down: lower(r.Down, other.Down)}
}

func lower(a, b int64) int64 {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// meter is a rate that transfers share. They pay when they have moved a piece, and wait
// before the next one until all that was moved is paid for. So a short file pays for its
// own bytes only.
type meter struct {
	limiter   *rate.Limiter
	transfers atomic.Int32 // under way
}

// meters are those of uploads and of downloads; nil is no limit.
type meters struct{ up, down *meter }

const (
	leastPace = 4 << 10 // bytes; less would cost more than it smooths
	paceShare = 10      // pieces a second
)

// newMeters makes meters, or sets the rates of those there are.
func newMeters(old meters, r Rates) meters {
	return meters{newMeter(old.up, r.Up), newMeter(old.down, r.Down)}
}

func newMeter(old *meter, perSecond int64) *meter {
	if perSecond == 0 {
		if old != nil {
			old.limiter.SetLimit(rate.Inf) // for the transfers under way
		}
		return nil
	}
	if old == nil {
		return &meter{limiter: rate.NewLimiter(rate.Limit(perSecond), paceOf(perSecond))}
	}
	old.limiter.SetLimit(rate.Limit(perSecond))
	old.limiter.SetBurst(paceOf(perSecond))
	return old
}

// paceOf is what a transfer alone moves at a time.
func paceOf(perSecond int64) int {
	return int(min(max(perSecond/paceShare, leastPace), math.MaxInt32))
}

// of is the meter of one direction.
func (m meters) of(upload bool) *meter {
	if upload {
		return m.up
	}
	return m.down
}

// debt is how long a transfer has to wait until all is paid for.
func (m *meter) debt() time.Duration { return m.limiter.ReserveN(time.Now(), 0).Delay() }

// trace is how long the meter differs from a new one. A nil meter has none.
func (m *meter) trace() time.Duration {
	if m == nil {
		return 0
	}
	missing := float64(m.limiter.Burst()) - m.limiter.Tokens()
	return time.Duration(min(missing/float64(m.limiter.Limit())*float64(time.Second), math.MaxInt64/2))
}

// pay counts bytes that were moved.
func (m *meter) pay(n int64) {
	for now := time.Now(); n > 0; {
		part := min(n, int64(m.limiter.Burst()))
		m.limiter.ReserveN(now, int(part))
		n -= part
	}
}

// piece is how much one of the transfers may move at a time. Many move less each, so that
// they don't wait for each other longer than needed: at most a part of the stall time.
func (m *meter) piece(stall time.Duration) int64 {
	among := max(int64(m.transfers.Load()), 1)
	patient := float64(m.limiter.Limit()) * (stall / stallShare).Seconds() / float64(among)
	piece := min(max(int64(m.limiter.Burst())/among, leastPace), int64(min(patient, math.MaxInt32)))
	return max(piece, 1)
}

// stallShare is the part of the stall time after which a throttled transfer moves again.
const stallShare = 4

// throttle has one transfer keep to its rates. A nil throttle is no limit.
type throttle struct {
	meters []*meter
	stall  time.Duration
}

// throttled has the rates that a transfer of the session keeps to: the server's, its account's and
// its own.
func (s *session) throttled(upload bool) *throttle {
	all := [3]*meter{s.server.current().meters.of(upload)}
	if l := s.login.Load(); l != nil {
		all[1], all[2] = l.ofAll.of(upload), l.own.of(upload)
	}
	var p *throttle
	for _, m := range all {
		if m == nil {
			continue
		}
		if p == nil {
			p = &throttle{stall: s.config.Limits.StallTime}
		}
		p.meters = append(p.meters, m)
	}
	return p
}

func (p *throttle) begin() {
	if p != nil {
		for _, m := range p.meters {
			m.transfers.Add(1)
		}
	}
}

func (p *throttle) end() {
	if p != nil {
		for _, m := range p.meters {
			m.transfers.Add(-1)
		}
	}
}

// wait waits until the transfer may move a piece, and returns the size of that, at most n.
// It ends early when ctx does.
func (p *throttle) wait(ctx context.Context, n int64) int64 {
	if p == nil {
		return n
	}
	var debt time.Duration
	for _, m := range p.meters {
		debt = max(debt, m.debt())
	}
	if debt > 0 {
		timer := time.NewTimer(debt)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	for _, m := range p.meters {
		n = min(n, m.piece(p.stall))
	}
	return n
}

// spares says whether n bytes are no more than a piece that may move at once.
func (p *throttle) spares(n int64) bool {
	return p == nil || !slices.ContainsFunc(p.meters, func(m *meter) bool { return n > m.piece(p.stall) || m.debt() > 0 })
}

// moved counts the bytes of a piece.
func (p *throttle) moved(n int64) {
	if p != nil {
		for _, m := range p.meters {
			m.pay(n)
		}
	}
}

// accountMeters are the meters of an account's sessions. Server.mu guards them.
type accountMeters struct {
	meters
	logins int
}

// share gives a login the meters of its account. The latest login says what the rates are.
// Callers hold s.mu.
func (s *Server) share(l *login) {
	own := s.metered[l.name]
	if own == nil {
		if l.rates == (Rates{}) {
			return
		}
		own = &accountMeters{}
		s.metered[l.name] = own
	}
	own.logins++
	own.meters = newMeters(own.meters, l.rates)
	l.ofAll, l.sharing = own.meters, own
}

// unshare forgets the meters of an account without logins, but not before they are as good as
// new: else a client could log in anew for each file. Callers hold s.mu.
func (s *Server) unshare(l *login) {
	own := l.sharing
	if own == nil {
		return
	}
	if own.logins--; own.logins > 0 {
		return
	}
	if trace := max(own.up.trace(), own.down.trace()); trace > 0 {
		time.AfterFunc(trace, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.forgetMeters(l.name, own)
		})
		return
	}
	s.forgetMeters(l.name, own)
}

func (s *Server) forgetMeters(name string, own *accountMeters) {
	if own.logins == 0 && s.metered[name] == own {
		delete(s.metered, name)
	}
}
