package bans

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Policy says when an address is banned. The zero value bans nobody, delays nobody and
// turns nobody away.
type Policy struct {
	// After is how many failed logins an address may have within Window: one more bans
	// it. 0 bans and delays nobody. An IPv6 /64 counts as one address, and a /48 may have
	// four times as many failures.
	//
	// From a quarter of After on, the next login of the address waits: 100 ms at first,
	// twice as long for each further failure, 2 seconds at most. No more logins of an
	// address are under way at a time than may fail before it is banned, so that parallel
	// guesses gain nothing.
	//
	// The first failures of each address count for the user name too, and a name with
	// more than After of them makes logins wait up to 10 seconds, whoever tries. Addresses
	// from which the user has logged in before do not wait.
	After int

	// Window is how long a failure counts; 0 is a minute. It slides in sixths.
	Window time.Duration

	// Time is the length of an address's first ban, which each further one within Longest
	// of the last doubles; 0 is 10 minutes. A loopback address is banned for a minute at
	// most, since everybody may come through one: by a tunnel, say.
	Time time.Duration

	// Longest is the length of the longest ban; 0 is a day.
	Longest time.Duration

	// Rate is how many connections a second an address may begin, and how many at once; 0
	// is no limit.
	Rate int

	// Allow has the networks from which clients may connect; empty is all.
	Allow []netip.Prefix

	// Deny has networks from which no client may connect, even if Allow has them.
	Deny []netip.Prefix

	// Remembered bounds the memory of the book: that many addresses with failures are
	// known at a time, and as many bans, user names and so on. The oldest are forgotten. 0
	// is 16384, which take 10 MB at most.
	Remembered int
}

// Checked returns the policy with its defaults filled in, or all its faults in one error.
func (p Policy) Checked() (Policy, error) {
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for _, n := range []struct {
		name      string
		value     *int
		byDefault int
	}{{"After", &p.After, 0}, {"Rate", &p.Rate, 0}, {"Remembered", &p.Remembered, 1 << 14}} {
		if *n.value < 0 || *n.value > most {
			add("%s is %d; it must be from 0 to %d", n.name, *n.value, most)
		}
		*n.value = cmp.Or(*n.value, n.byDefault)
	}
	for _, d := range []struct {
		name      string
		value     *time.Duration
		byDefault time.Duration
	}{{"Window", &p.Window, time.Minute}, {"Time", &p.Time, 10 * time.Minute}, {"Longest", &p.Longest, 24 * time.Hour}} {
		if *d.value < 0 || *d.value > longest {
			add("%s is %v; it must be from 0 to %v", d.name, *d.value, longest)
		}
		*d.value = cmp.Or(*d.value, d.byDefault)
	}
	p.Window = max(p.Window, parts)
	p.Longest = max(p.Longest, p.Time)
	for _, l := range []struct {
		name     string
		networks *[]netip.Prefix
	}{{"Allow", &p.Allow}, {"Deny", &p.Deny}} {
		for i, network := range *l.networks {
			if !network.IsValid() {
				add("%s[%d] is no network", l.name, i)
			}
		}
		*l.networks = slices.Clone(*l.networks)
	}
	return p, errors.Join(faults...)
}

const (
	most    = 1 << 20
	longest = 10 * 365 * 24 * time.Hour
)

// free is how many failures an address may have before its logins wait.
func (p *Policy) free() int { return max(p.After/4, 1) }

const (
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
	longestWait  = 10 * time.Second // for a user name
	loopbackTime = time.Minute      // the longest ban of a loopback address
)

// pause is how long an address with n failures waits between two logins.
func (p *Policy) pause(n int) time.Duration {
	if n < p.free() {
		return 0
	}
	return min(firstPause<<min(n-p.free(), 10), longestPause)
}

// wait is how long a login waits as n failures were of its user name.
func (p *Policy) wait(n int) time.Duration {
	if n <= p.After {
		return 0
	}
	return min(firstPause<<min(n-p.After-1, 10), longestWait)
}

// lasts is how long a ban lasts that is the address's nth.
func (p *Policy) lasts(nth int, loopback bool) time.Duration {
	if loopback {
		return min(p.Time, loopbackTime)
	}
	d := p.Time
	for range nth - 1 {
		if d *= 2; d >= p.Longest {
			return p.Longest
		}
	}
	return d
}
