package bans

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// scene is a book in a bubble of synctest, whose clock stands still until all wait.
type scene struct {
	*testing.T
	*Book
	told []Ban
}

func play(t *testing.T, p Policy, act func(*scene)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scene{T: t}
		var err error
		if s.Book, err = New(p, func(b Ban) { s.told = append(s.told, b) }); err != nil {
			t.Fatal(err)
		}
		act(s)
	})
}

// try makes an attempt that has this outcome, and returns how long it waited and whether the
// address was banned.
func (s *scene) try(from, user string, ok bool) (waited time.Duration, banned bool) {
	began := time.Now()
	a := s.Attempt(netip.MustParseAddr(from), user)
	if err := a.Wait(s.Context()); err != nil {
		s.Fatal(err)
	}
	switch {
	case a.Banned():
	case ok:
		a.Succeeded()
	default:
		a.Failed()
	}
	return time.Since(began), a.Banned()
}

func (s *scene) fail(n int, from, user string) {
	for range n {
		if _, banned := s.try(from, user, false); banned {
			s.Fatalf("%s is banned", from)
		}
	}
}

func (s *scene) admits(from string, want error) {
	s.Helper()
	if err := s.Admit(netip.MustParseAddr(from)); err != want {
		s.Errorf("%s: %v, want %v", from, err, want)
	}
}

// More failures than After within the window ban an address, and no other.
func TestBanAfterFailures(t *testing.T) {
	play(t, Policy{After: 20}, func(s *scene) {
		s.fail(20, "192.0.2.1", "ann")
		s.admits("192.0.2.1", nil)
		s.fail(1, "192.0.2.1", "bob")
		s.admits("192.0.2.1", ErrBanned)
		s.admits("192.0.2.2", nil)
		if _, banned := s.try("192.0.2.1", "ann", true); !banned {
			t.Error("a session that was there may go on guessing")
		}
		if waited, banned := s.try("192.0.2.2", "ann", true); waited > 0 || banned {
			t.Errorf("the user waits %v elsewhere; banned: %v", waited, banned)
		}
		if len(s.told) != 1 || s.told[0].Failures != 21 || time.Until(s.told[0].Until).Round(time.Second) != 10*time.Minute {
			t.Errorf("%+v is told", s.told)
		}
		if list := s.Bans(); len(list) != 1 || list[0].Refused != 2 {
			t.Errorf("%+v is listed", list)
		}
		time.Sleep(10 * time.Minute)
		s.admits("192.0.2.1", nil)
	})
}

// Failures that are older than the window do not count.
func TestWindowSlides(t *testing.T) {
	play(t, Policy{After: 4}, func(s *scene) {
		for range 20 {
			s.fail(1, "192.0.2.1", "ann")
			time.Sleep(15 * time.Second)
		}
		s.fail(2, "192.0.2.1", "ann")
		s.admits("192.0.2.1", ErrBanned)
	})
}

// A correct password, of another user or the same, clears nothing.
func TestSuccessClearsNothing(t *testing.T) {
	play(t, Policy{After: 4}, func(s *scene) {
		for range 5 {
			s.fail(1, "192.0.2.1", "ann")
			s.try("192.0.2.1", "mallory", true)
		}
		s.admits("192.0.2.1", ErrBanned)
	})
}

// Forty guesses at once take minutes; most of them fall under the ban.
func TestParallelGuesses(t *testing.T) {
	play(t, Policy{After: 20}, func(s *scene) {
		checked, began := 0, time.Now()
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 40 {
			all.Go(func() {
				for {
					a := s.Attempt(netip.MustParseAddr("192.0.2.1"), "ann")
					a.Wait(s.Context())
					if a.Banned() {
						time.Sleep(time.Second)
						continue
					}
					time.Sleep(50 * time.Millisecond)
					a.Failed()
					mu.Lock()
					checked++
					if took := time.Since(began); checked == 22 && took < 10*time.Minute {
						t.Errorf("22 were checked in %v", took)
					}
					mu.Unlock()
					return
				}
			})
		}
		time.Sleep(time.Minute)
		if waited, _ := s.try("198.51.100.1", "ann", true); waited > 0 {
			t.Errorf("the user waits %v elsewhere", waited)
		}
		all.Wait()
		if took := time.Since(began); took < 10*time.Minute {
			t.Errorf("all took %v", took)
		}
	})
}

// Many right passwords at once from one address wait for nothing but each other.
func TestOfficeComesAtOnce(t *testing.T) {
	play(t, Policy{After: 20}, func(s *scene) {
		began := time.Now()
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				a := s.Attempt(netip.MustParseAddr("192.0.2.1"), fmt.Sprint(i))
				a.Wait(s.Context())
				time.Sleep(10 * time.Millisecond)
				a.Succeeded()
			})
		}
		all.Wait()
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("it takes %v", took)
		}
	})
}

// The pauses grow from 100 ms to 2 s.
func TestPausesGrow(t *testing.T) {
	play(t, Policy{After: 100, Window: time.Hour}, func(s *scene) {
		s.fail(24, "192.0.2.1", "ann")
		var got []time.Duration
		for range 8 {
			waited, _ := s.try("192.0.2.1", "ann", false)
			got = append(got, waited/time.Millisecond)
		}
		if want := []time.Duration{0, 100, 200, 400, 800, 1600, 2000, 2000}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
}

// A ban doubles with each further one, up to the longest, and after a quiet time begins anew.
func TestBansGrow(t *testing.T) {
	play(t, Policy{After: 1, Time: time.Hour, Longest: 3 * time.Hour}, func(s *scene) {
		for _, want := range []time.Duration{1, 2, 3, 3} {
			s.fail(2, "192.0.2.1", "ann")
			list := s.Bans()
			if len(list) != 1 || list[0].Until.Sub(list[0].From) != want*time.Hour {
				t.Fatalf("%+v, want %v hours", list, int(want))
			}
			time.Sleep(time.Until(list[0].Until))
		}
		time.Sleep(3 * time.Hour)
		s.fail(2, "192.0.2.1", "ann")
		if nth := s.Bans()[0].Nth; nth != 1 {
			t.Errorf("it is ban number %d", nth)
		}
	})
}

// Loopback is banned for a minute at most, however often.
func TestLoopbackIsNotBannedForGood(t *testing.T) {
	for _, from := range []string{"127.0.0.1", "::1", "::ffff:127.0.0.1"} {
		t.Run(from, func(t *testing.T) {
			play(t, Policy{After: 1, Window: time.Hour}, func(s *scene) {
				for range 3 {
					s.fail(2, from, "ann")
					s.admits(from, ErrBanned)
					time.Sleep(time.Minute)
					s.admits(from, nil)
				}
			})
		})
	}
}

// A /64 is one address, and a /48 may fail four times as often.
func TestIPv6Networks(t *testing.T) {
	play(t, Policy{After: 4}, func(s *scene) {
		s.fail(4, "2001:db8::1", "ann")
		s.fail(1, "2001:db8::2", "ann")
		s.admits("2001:db8::3", ErrBanned)
		s.admits("2001:db8:0:1::1", nil)
		for i := range 4 {
			s.fail(3, fmt.Sprintf("2001:db8:0:a%d::1", i), "ann")
		}
		s.admits("2001:db8:0:b::1", ErrBanned)
		s.admits("2001:db8:1::1", nil)
		if got := s.Bans(); len(got) != 2 || s.told[1].Network.String() != "2001:db8::/48" {
			t.Errorf("%+v", got)
		}
	})
}

// Guesses at one name from many addresses make logins wait, but not from where the user has
// logged in before; those of one address do not.
func TestFailuresByName(t *testing.T) {
	play(t, Policy{After: 20}, func(s *scene) {
		s.try("198.51.100.1", "ann", true)
		s.fail(20, "192.0.2.1", "ann")
		if waited, _ := s.try("198.51.100.2", "ann", true); waited > 0 {
			t.Errorf("one address makes the user wait %v", waited)
		}
		var all sync.WaitGroup
		for i := range 60 {
			all.Go(func() { s.try(fmt.Sprint("203.0.113.", i), "ann", false) })
		}
		all.Wait()
		if waited, _ := s.try("198.51.100.3", "ann", true); waited < 5*time.Second || waited > longestWait {
			t.Errorf("a login from a new address waits %v", waited)
		}
		if waited, _ := s.try("198.51.100.1", "ann", true); waited > 0 {
			t.Errorf("the user waits %v where he is known", waited)
		}
		if waited, _ := s.try("198.51.100.4", "bob", true); waited > 0 {
			t.Errorf("another user waits %v", waited)
		}
	})
}

func TestLists(t *testing.T) {
	networks := func(texts ...string) (all []netip.Prefix) {
		for _, text := range texts {
			all = append(all, netip.MustParsePrefix(text))
		}
		return all
	}
	policy := Policy{Allow: networks("10.0.0.0/8", "2001:db8::/32"), Deny: networks("10.1.0.0/16", "::ffff:10.2.0.0/112")}
	play(t, policy, func(s *scene) {
		for from, want := range map[string]error{
			"10.0.0.1": nil, "10.1.2.3": ErrNotAllowed, "10.2.0.1": ErrNotAllowed, "::ffff:10.0.0.1": nil, "192.0.2.1": ErrNotAllowed,
			"2001:db8::1%eth0": nil, "2001:db9::1": ErrNotAllowed,
		} {
			s.admits(from, want)
		}
		if err := s.Admit(netip.Addr{}); err != nil {
			t.Errorf("a Unix socket: %v", err)
		}
		if err := s.SetPolicy(Policy{}); err != nil {
			t.Fatal(err)
		}
		s.admits("10.1.2.3", nil)
		if err := s.SetPolicy(Policy{After: -1}); err == nil {
			t.Error("a bad policy is taken")
		}
	})
}

func TestRate(t *testing.T) {
	play(t, Policy{Rate: 5}, func(s *scene) {
		for range 5 {
			s.admits("192.0.2.1", nil)
		}
		s.admits("192.0.2.1", ErrTooQuick)
		s.admits("192.0.2.2", nil)
		time.Sleep(200 * time.Millisecond)
		s.admits("192.0.2.1", nil)
		s.admits("192.0.2.1", ErrTooQuick)
	})
}

func TestAddAndClear(t *testing.T) {
	play(t, Policy{}, func(s *scene) {
		if err := s.Add(netip.MustParsePrefix("192.0.2.7/24"), time.Hour); err != nil {
			t.Fatal(err)
		}
		s.admits("192.0.2.200", ErrBanned)
		if _, banned := s.try("192.0.2.200", "ann", true); !banned {
			t.Error("logins are not refused")
		}
		if s.Add(netip.Prefix{}, time.Hour) == nil || s.Add(netip.MustParsePrefix("192.0.2.0/24"), 0) == nil {
			t.Error("nonsense is taken")
		}
		if n := s.Clear(netip.MustParsePrefix("192.0.2.1/32")); n != 1 {
			t.Errorf("%d bans are cleared", n)
		}
		s.admits("192.0.2.200", nil)
	})
}

// Clear forgets failures too, and wakes those who wait for them.
func TestClearWakes(t *testing.T) {
	play(t, Policy{After: 8}, func(s *scene) {
		s.fail(8, "192.0.2.1", "ann")
		began := time.Now()
		done := make(chan time.Duration)
		go func() {
			s.try("192.0.2.1", "ann", false)
			done <- time.Since(began)
		}()
		synctest.Wait()
		s.Clear(netip.MustParsePrefix("192.0.2.1/32"))
		if took := <-done; took > 0 {
			t.Errorf("it waits %v", took)
		}
		s.fail(7, "192.0.2.1", "ann")
		s.admits("192.0.2.1", nil)
	})
}

// However many addresses an attacker has, the book keeps its size.
func TestMemoryIsBounded(t *testing.T) {
	play(t, Policy{After: 1, Rate: 9, Remembered: 100}, func(s *scene) {
		for i := range 1000 {
			from := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
			s.Admit(from)
			for range 2 {
				s.try(from.String(), from.String(), i%2 == 0)
			}
		}
		for name, n := range map[string]int{
			"sources": len(s.sources.of), "names": len(s.names.of), "friends": len(s.friends.of), "arrivals": len(s.arrivals.of),
			"bans": len(s.bans.of), "order": s.sources.order.Len(),
		} {
			if n != 100 {
				t.Errorf("%d %s", n, name)
			}
		}
		s.admits("10.0.3.231", ErrBanned) // the last one
	})
}

// An attempt that is given up leaves its place.
func TestAttemptsGiveUp(t *testing.T) {
	play(t, Policy{After: 1}, func(s *scene) {
		from := netip.MustParseAddr("192.0.2.1")
		first, second := s.Attempt(from, "ann"), s.Attempt(from, "ann")
		if !first.Try() || second.Try() {
			t.Fatal("not one at a time")
		}
		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		if err := second.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		second.Leave()
		second.Failed()
		first.Leave()
		if !second.Try() {
			t.Error("the place is lost")
		}
	})
}
