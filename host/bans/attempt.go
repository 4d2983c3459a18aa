package bans

import (
	"context"
	"hash/maphash"
	"net/netip"
	"time"
)

// Attempt is one try to log in. It begins by [Attempt.Try] or [Attempt.Wait], and ends by
// Failed, Succeeded or Leave. One goroutine at a time may call its methods. Those of nil do
// nothing, and let it begin.
type Attempt struct {
	book    *Book
	from    netip.Addr
	sources []*source // nil if nothing is counted
	name    uint64
	soonest time.Duration // when it may begin for its user name
	wake    chan struct{}
	under   bool // way
	banned  bool
}

// Attempt makes an attempt to log in as user, from an address. One from an address that is
// not valid counts for nothing.
func (b *Book) Attempt(from netip.Addr, user string) *Attempt {
	if !from.IsValid() {
		return nil
	}
	a := &Attempt{book: b, from: plain(from), wake: make(chan struct{}, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.policy.After == 0 {
		return a
	}
	now := b.now()
	for _, network := range sourcesOf(a.from) {
		known := b.sources.use(network, b.policy.Remembered)
		if *known == nil {
			*known = &source{}
		}
		a.sources = append(a.sources, *known)
	}
	a.name = maphash.String(b.seed, user)
	if failed := b.names.get(a.name); failed != nil && b.friends.get(a.friend()) == nil {
		a.soonest = now + b.policy.wait(failed.sum(now, b.policy.Window))
	}
	return a
}

func (a *Attempt) friend() friend { return friend{a.name, sourcesOf(a.from)[0]} }

// Try begins the attempt if it need not wait, and returns false otherwise. An attempt from
// a banned address begins at once: see [Attempt.Banned].
func (a *Attempt) Try() bool {
	if a == nil {
		return true
	}
	a.book.mu.Lock()
	defer a.book.mu.Unlock()
	_, begun := a.begin(a.book.now())
	return begun
}

// Wait is [Attempt.Try] until the attempt begins. It fails with ctx's error if that ends
// first.
func (a *Attempt) Wait(ctx context.Context) error {
	if a == nil {
		return nil
	}
	b := a.book
	for {
		b.mu.Lock()
		now := b.now()
		at, begun := a.begin(now)
		if begun {
			b.mu.Unlock()
			return nil
		}
		for _, s := range a.sources {
			if s.waiting == nil {
				s.waiting = map[*Attempt]struct{}{}
			}
			s.waiting[a] = struct{}{}
		}
		b.mu.Unlock()
		err := a.sleep(ctx, at-now)
		b.mu.Lock()
		for _, s := range a.sources {
			delete(s.waiting, a)
		}
		b.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// sleep waits for a time, or until something has changed; for 0 it waits for the latter.
func (a *Attempt) sleep(ctx context.Context, most time.Duration) error {
	var over <-chan time.Time
	if most > 0 {
		timer := time.NewTimer(most)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-a.wake:
	case <-over:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// begin begins the attempt, if it may at now. Else at is when it may at the soonest; 0 if
// that depends on others that are under way.
func (a *Attempt) begin(now time.Duration) (at time.Duration, begun bool) {
	b := a.book
	if a.under {
		return 0, true
	}
	if a.banned = b.refused(a.from, now); a.banned || len(a.sources) == 0 {
		return 0, true
	}
	if at = a.soonest; at > now {
		return at, false
	}
	var failed [2]int
	for i, s := range a.sources {
		failed[i] = s.failures.sum(now, b.policy.Window)
		if left := shareOf(i)*b.policy.After - failed[i]; s.busy >= max(left, 1) {
			return 0, false
		}
		if at = max(at, s.next); at > now {
			return at, false
		}
	}
	for i, s := range a.sources {
		s.busy++
		s.next = max(s.next, now+b.policy.pause(failed[i]/shareOf(i)))
	}
	a.under = true
	return 0, true
}

// Banned reports whether the attempt began though its address is banned. Its password must
// not be checked.
func (a *Attempt) Banned() bool { return a != nil && a.banned }

// Leave ends the attempt without an outcome: the password was not checked, or the attempt
// never began. It does nothing after Failed or Succeeded.
func (a *Attempt) Leave() {
	if a == nil {
		return
	}
	a.book.mu.Lock()
	defer a.book.mu.Unlock()
	a.end()
}

// end reports false if the attempt is not under way.
func (a *Attempt) end() bool {
	if !a.under {
		return false
	}
	a.under = false
	for _, s := range a.sources {
		s.busy--
		wake(s)
	}
	return true
}

func wake(s *source) {
	for waiter := range s.waiting {
		select {
		case waiter.wake <- struct{}{}:
		default:
		}
	}
}

// Failed ends the attempt: user name or password was wrong. That may ban the address.
func (a *Attempt) Failed() {
	if a == nil {
		return
	}
	for _, ban := range a.fail() {
		if a.book.told != nil {
			a.book.told(ban)
		}
	}
}

// fail counts a failure, and returns the bans that came of it.
func (a *Attempt) fail() (bans []Ban) {
	b := a.book
	b.mu.Lock()
	defer b.mu.Unlock()
	now, p := b.now(), &b.policy
	if !a.end() || p.After == 0 {
		return nil
	}
	for i, s := range a.sources {
		s.failures.add(now, p.Window)
		n := s.failures.sum(now, p.Window)
		if i == 0 && n <= p.free() {
			b.names.use(a.name, p.Remembered).add(now, p.Window)
		}
		s.next = max(s.next, now+p.pause(n/shareOf(i)))
		if n > shareOf(i)*p.After {
			s.failures, s.next = window{}, 0
			bans = append(bans, b.ban(sourcesOf(a.from)[i], n, now))
		}
	}
	return bans
}

// Succeeded ends the attempt: the user has logged in. What was counted before stays.
func (a *Attempt) Succeeded() {
	if a == nil {
		return
	}
	b := a.book
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.end() {
		b.friends.use(a.friend(), b.policy.Remembered)
	}
}
