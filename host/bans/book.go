// Package bans keeps book of failed logins, and says who has to wait, who is turned away, and
// for how long. It counts over all sessions: by the address of the client and by the user
// name. It does no I/O.
package bans

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Book knows the failures, and the bans that came of them. Its methods may be called from
// many goroutines.
type Book struct {
	told  func(Ban)
	kept  Keeper // nil keeps nothing
	began time.Time
	seed  maphash.Seed

	mu          sync.Mutex
	policy      Policy
	allow, deny networks[struct{}]
	bans        networks[*record]
	sources     table[netip.Prefix, *source]
	names       table[uint64, window]
	friends     table[friend, struct{}]
	arrivals    table[netip.Prefix, time.Duration] // when the address has no connections to its debit any more
}

// Ban says that a network is turned away.
type Ban struct {
	Network  netip.Prefix
	From     time.Time
	Until    time.Time
	Failures int // failed logins that it came of; 0 for a ban by [Book.Add]
	Nth      int // which one of the network it is, from 1
	Refused  int // connections and logins that were refused because of it
}

// Keeper keeps bans beyond the life of a book. Its methods are called while the book is
// locked: they must return at once, and not call the book.
type Keeper interface {
	// Put is told of a ban that begins, in place of the one that its network may have had.
	Put(Ban)

	// Drop is told of a network whose ban, in force or over, is forgotten.
	Drop(netip.Prefix)
}

// Keep has a keeper told of all bans from now on; nil tells none.
func (b *Book) Keep(k Keeper) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept = k
}

// record is the latest ban of a network, which may be over.
type record struct {
	Ban
	until time.Duration
}

// source is an address that has failed, or whose logins are under way.
type source struct {
	failures window
	busy     int           // logins under way
	next     time.Duration // when the next may begin
	waiting  map[*Attempt]struct{}
}

// friend is a user and an address from which he has logged in.
type friend struct {
	name uint64
	from netip.Prefix
}

// Why a client is turned away.
var (
	ErrBanned     = errors.New("too many failed logins from this address")
	ErrNotAllowed = errors.New("no client may connect from this address")
	ErrTooQuick   = errors.New("too many connections a second from this address")
)

// New makes a book. It calls told for each ban that failures lead to, when it begins; nil
// tells nobody. told must be quick. The error has all faults of
// the policy.
func New(p Policy, told func(Ban)) (*Book, error) {
	b := &Book{told: told, began: time.Now(), seed: maphash.MakeSeed()}
	return b, b.SetPolicy(p)
}

// SetPolicy replaces the policy. What was counted stays counted, unless Window differs. The
// error has all faults of the policy, and then nothing is changed.
func (b *Book) SetPolicy(p Policy) error {
	p, err := p.Checked()
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.Window != b.policy.Window {
		b.names = table[uint64, window]{}
		for _, e := range b.sources.of {
			e.Value.(*row[netip.Prefix, *source]).value.failures = window{}
		}
	}
	b.policy = p
	b.allow, b.deny = networks[struct{}]{}, networks[struct{}]{}
	for _, network := range p.Allow {
		b.allow.put(plainNetwork(network), struct{}{})
	}
	for _, network := range p.Deny {
		b.deny.put(plainNetwork(network), struct{}{})
	}
	return nil
}

// now is the time since the book began.
func (b *Book) now() time.Duration { return time.Since(b.began) }

// Admit says whether a new connection of an address may stay: nil, or [ErrNotAllowed],
// [ErrBanned] or [ErrTooQuick]. An address that is not valid, of a Unix socket say, may
// stay.
func (b *Book) Admit(from netip.Addr) error {
	if !from.IsValid() {
		return nil
	}
	from = plain(from)
	b.mu.Lock()
	defer b.mu.Unlock()
	all := func(struct{}) bool { return true }
	if _, denied := b.deny.find(from, all); denied {
		return ErrNotAllowed
	}
	if _, allowed := b.allow.find(from, all); !allowed && len(b.allow.of) > 0 {
		return ErrNotAllowed
	}
	now := b.now()
	if b.refused(from, now) {
		return ErrBanned
	}
	if b.policy.Rate > 0 && !b.arrive(sourcesOf(from)[0], now) {
		return ErrTooQuick
	}
	return nil
}

// arrive counts a connection of Policy.Rate. Each is a debit that the rate pays off.
func (b *Book) arrive(from netip.Prefix, now time.Duration) bool {
	each := time.Second / time.Duration(b.policy.Rate)
	paid := b.arrivals.use(from, b.policy.Remembered)
	if *paid > now+time.Second-each {
		return false
	}
	*paid = max(*paid, now) + each
	return true
}

// refused reports whether an address is banned, and counts that. Callers hold b.mu, here
// and below.
func (b *Book) refused(from netip.Addr, now time.Duration) bool {
	r, banned := b.bans.find(from, func(r *record) bool { return now < r.until })
	if banned {
		r.Refused++
	}
	return banned
}

// ban bans a network after some failures.
func (b *Book) ban(network netip.Prefix, failures int, now time.Duration) Ban {
	nth := 1
	if before := b.bans.of[network]; before != nil && now < before.until+b.policy.Longest {
		nth = before.Nth + 1
	}
	loopback := network.Addr().IsLoopback() || network.Contains(netip.IPv6Loopback())
	return b.begin(network, failures, nth, b.policy.lasts(nth, loopback), now)
}

// begin begins a ban, of which the keeper is told.
func (b *Book) begin(network netip.Prefix, failures, nth int, lasts, now time.Duration) Ban {
	from := time.Now() // the clock may have been set since the book began
	ban := Ban{Network: network, From: from, Until: from.Add(lasts), Failures: failures, Nth: nth}
	b.enter(ban, now+lasts)
	if b.kept != nil {
		b.kept.Put(ban)
	}
	return ban
}

// enter writes a ban into the book, and forgets the one that ends first if it is full.
func (b *Book) enter(ban Ban, until time.Duration) {
	network := ban.Network
	if _, known := b.bans.of[network]; !known && len(b.bans.of) >= b.policy.Remembered {
		var first netip.Prefix
		for other, r := range b.bans.of {
			if !first.IsValid() || r.until < b.bans.of[first].until {
				first = other
			}
		}
		b.forget(first)
	}
	b.bans.put(network, &record{Ban: ban, until: until})
	for other, e := range b.sources.of {
		if network.Overlaps(other) {
			wake(e.Value.(*row[netip.Prefix, *source]).value)
		}
	}
}

func (b *Book) forget(network netip.Prefix) {
	b.bans.drop(network)
	if b.kept != nil {
		b.kept.Drop(network)
	}
}

// Restore enters a ban that a keeper has kept, in place of the one that the network may
// have. No clock is believed: a ban lasts no longer from now on than it was to last at all,
// and one by failures no longer than Policy.Longest. One that is over only counts for the
// length of the next. Restore ignores what can't be a ban.
func (b *Book) Restore(ban Ban) {
	lasts := ban.Until.Sub(ban.From)
	if !ban.Network.IsValid() || lasts <= 0 || lasts > longest || ban.Nth < 1 || ban.Failures < 0 {
		return
	}
	ban.Network = plainNetwork(ban.Network)
	b.mu.Lock()
	defer b.mu.Unlock()
	if ban.Failures > 0 {
		lasts = min(lasts, b.policy.Longest)
	}
	left := min(time.Until(ban.Until), lasts)
	if left > 0 {
		ban.Until = time.Now().Add(left)
	}
	if left+b.policy.Longest > 0 {
		b.enter(ban, b.now()+left)
	}
}

// Bans lists the bans that are in force, those that end first in front.
func (b *Book) Bans() (list []Ban) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for _, r := range b.bans.of {
		if now < r.until {
			list = append(list, r.Ban)
		}
	}
	slices.SortFunc(list, func(x, y Ban) int {
		return cmp.Or(x.Until.Compare(y.Until), x.Network.Compare(y.Network))
	})
	return list
}

// Add bans a network for some time, in place of the ban that it may have. Sessions that are
// there stay. It fails if the network is not valid or the time not above zero.
func (b *Book) Add(network netip.Prefix, lasts time.Duration) error {
	if !network.IsValid() {
		return errors.New("there is no such network to ban")
	}
	if lasts <= 0 || lasts > longest {
		return fmt.Errorf("a ban can't last %v, only up to %v", lasts, longest)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begin(plainNetwork(network), 0, 1, lasts, b.now())
	return nil
}

// Clear ends all bans of a network, of parts of it and of those that it is a part of, and
// forgets the failures of all these. It returns the number of the bans that it ended.
func (b *Book) Clear(network netip.Prefix) (ended int) {
	if !network.IsValid() {
		return 0
	}
	network = plainNetwork(network)
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for other, r := range b.bans.of {
		if network.Overlaps(other) {
			if now < r.until {
				ended++
			}
			b.forget(other)
		}
	}
	for other, e := range b.sources.of {
		if s := e.Value.(*row[netip.Prefix, *source]).value; network.Overlaps(other) {
			s.failures, s.next = window{}, 0
			wake(s)
		}
	}
	return ended
}
