package main

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"wasiftp/host"
)

const (
	// quietTime is how long a record of a kind from an address is not repeated.
	quietTime = 10 * time.Second

	// mostApart is how many kinds and addresses are told apart at a time. All
	// further addresses count as one.
	mostApart = 1000
)

// repetitions keeps strangers from driving the log: it passes on the first record
// of a kind from an address, counts the next ones, and writes their number once
// in quietTime. Records of deeds all pass.
type repetitions struct {
	slog.Handler // gets what passes
	*counts
}

// counts are what handlers for the same log have counted.
type counts struct {
	mu     sync.Mutex
	of     map[kind]*tally
	closed bool
}

// kind tells records apart. An IPv6 address stands for the /64 that it is in,
// which one stranger has all of.
type kind struct {
	message      string
	client, data netip.Prefix // not valid where the record names none
	user         string       // of an error: whose folder is not there, say, and only who is known has one
	reason       string       // of a refusal: the limit
	others       bool         // all addresses beyond mostApart
}

// tally is how often a kind came since its latest record.
type tally struct {
	out   slog.Handler
	level slog.Level
	n     int
	timer *time.Timer
}

func newRepetitions(out slog.Handler) repetitions {
	return repetitions{out, &counts{of: map[kind]*tally{}}}
}

type deedKey struct{}

// deed is for records of what a user did, none of which may be missing.
var deed = context.WithValue(context.Background(), deedKey{}, true)

// Handle is [slog.Handler]'s.
func (r repetitions) Handle(ctx context.Context, record slog.Record) error {
	if ctx.Value(deedKey{}) != nil || r.first(record) {
		return r.Handler.Handle(ctx, record)
	}
	return nil
}

// WithAttrs is [slog.Handler]'s.
func (r repetitions) WithAttrs(attrs []slog.Attr) slog.Handler {
	return repetitions{r.Handler.WithAttrs(attrs), r.counts}
}

// WithGroup is [slog.Handler]'s.
func (r repetitions) WithGroup(name string) slog.Handler {
	return repetitions{r.Handler.WithGroup(name), r.counts}
}

// first says whether a record is the first of its kind for some time. Others are
// counted.
func (r repetitions) first(record slog.Record) bool {
	k := kindOf(record)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return true
	}
	if r.of[k] == nil && len(r.of) >= mostApart {
		k = kind{message: k.message, others: true}
	}
	if again := r.of[k]; again != nil {
		again.n++
		return false
	}
	r.of[k] = &tally{out: r.Handler, level: record.Level, timer: time.AfterFunc(quietTime, func() { r.tell(k) })}
	return true
}

func kindOf(record slog.Record) kind {
	k := kind{message: record.Message}
	record.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "client":
			k.client = named(a.Value)
		case "data":
			k.data = named(a.Value)
		case "err":
			if record.Message == host.Refused.String() {
				k.reason = a.Value.String()
			}
		case "user":
			if record.Level >= slog.LevelError {
				k.user = a.Value.String()
			}
		}
		return true
	})
	return k
}

// named is the network of an address in the log.
func named(v slog.Value) netip.Prefix {
	at, err := netip.ParseAddrPort(v.String())
	if err != nil {
		return netip.Prefix{}
	}
	return network(at.Addr())
}

// network is what counts as one address: that of IPv4, or the /64 that one subscriber
// to IPv6 has all of. It is not valid for a client without an address.
func network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	whole, _ := a.Prefix(bits)
	return whole
}

// tell writes how often a kind was repeated, and forgets one that was not.
func (c *counts) tell(k kind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.of[k]
	switch {
	case c.closed:
	case t.n == 0:
		delete(c.of, k)
	default:
		t.write(k)
		t.timer.Reset(quietTime)
	}
}

// write writes how often a kind was repeated.
func (t *tally) write(k kind) {
	record := slog.NewRecord(time.Now(), t.level, k.message, 0)
	add := func(key string, p netip.Prefix) {
		switch {
		case p.IsSingleIP():
			record.AddAttrs(slog.String(key, p.Addr().String()))
		case p.IsValid():
			record.AddAttrs(slog.String(key, p.String()))
		}
	}
	add("client", k.client)
	add("data", k.data)
	if k.user != "" {
		record.AddAttrs(slog.String("user", k.user))
	}
	if k.reason != "" {
		record.AddAttrs(slog.String("err", k.reason))
	}
	if k.others {
		record.AddAttrs(slog.String("client", "others"))
	}
	record.AddAttrs(slog.Int("repeated", t.n))
	t.out.Handle(context.Background(), record)
	t.n = 0
}

// close writes what is still counted. What comes later all passes.
func (c *counts) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for k, t := range c.of {
		t.timer.Stop()
		if t.n > 0 {
			t.write(k)
		}
	}
	clear(c.of)
}
