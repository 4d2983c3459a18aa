package main

import (
	"context"
	"log/slog"
	"math"
	"net/netip"
	"sync"
	"time"

	"wasiftp/host"
)

const (
	// quietTime is how long records of a kind are counted before their number is logged.
	quietTime = 10 * time.Second

	// maxKinds is how many kinds are counted apart. All further ones with the same message
	// count as one.
	maxKinds = 1000
)

// repetitions is a handler that bounds how much strangers can write into the log. It
// passes on the first records of a kind, counts the next ones, and writes their number
// once in quietTime. The context of a record says how many of its kind pass before.
type repetitions struct {
	slog.Handler // gets the records that pass
	*counts
}

// counts are shared by all handlers of a log.
type counts struct {
	mu     sync.Mutex
	of     map[kind]*tally
	closed bool
}

// kind is what a record has in common with its repetitions. An IPv6 address stands for
// its /64, all of which one stranger has.
type kind struct {
	message      string
	client, data netip.Prefix // not valid if the record has none
	user         string       // of an error, such as a missing folder, or a rejected command: only known users have one there
	reply        int64        // of a rejected command: the code
	reason       string       // of a refused connection: the limit
	others       bool         // the kinds beyond maxKinds
}

// tally counts the records of a kind since the latest one in the log.
type tally struct {
	out    slog.Handler
	level  slog.Level
	passed int // since the kind is counted
	n      int
	timer  *time.Timer
}

func newRepetitions(out slog.Handler) repetitions {
	return repetitions{out, &counts{of: map[kind]*tally{}}}
}

type allowanceKey struct{}

// allowed is the context of records of whose kind n pass within quietTime.
func allowed(n int) context.Context {
	return context.WithValue(context.Background(), allowanceKey{}, n)
}

// The contexts of records. always is that of what users did, none of which may be missing.
// Any other context is once.
var (
	once   = context.Background()
	some   = allowed(5) // the failed logins upon which fail2ban bans by default
	many   = allowed(100)
	always = allowed(math.MaxInt)
)

func allowanceOf(ctx context.Context) int {
	if n, ok := ctx.Value(allowanceKey{}).(int); ok {
		return n
	}
	return 1
}

// Handle implements [slog.Handler].
func (r repetitions) Handle(ctx context.Context, record slog.Record) error {
	if n := allowanceOf(ctx); n == math.MaxInt || r.passes(record, n) {
		return r.Handler.Handle(ctx, record)
	}
	return nil
}

// WithAttrs implements [slog.Handler].
func (r repetitions) WithAttrs(attrs []slog.Attr) slog.Handler {
	return repetitions{r.Handler.WithAttrs(attrs), r.counts}
}

// WithGroup implements [slog.Handler].
func (r repetitions) WithGroup(name string) slog.Handler {
	return repetitions{r.Handler.WithGroup(name), r.counts}
}

// passes says whether a record is among the first n of its kind for quietTime. If not, it
// counts the record.
func (r repetitions) passes(record slog.Record, n int) bool {
	k := kindOf(record)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return true
	}
	if r.of[k] == nil && len(r.of) >= maxKinds {
		k = kind{message: k.message, others: true}
	}
	if again := r.of[k]; again != nil {
		if again.passed < n && !k.others {
			again.passed++
			return true
		}
		again.n++
		return false
	}
	r.of[k] = &tally{out: r.Handler, level: record.Level, passed: 1, timer: time.AfterFunc(quietTime, func() { r.tell(k) })}
	return true
}

func kindOf(record slog.Record) kind {
	k := kind{message: record.Message}
	eachAttr(record, func(a slog.Attr) {
		switch a.Key {
		case "client":
			k.client = networkOf(a.Value)
		case "data":
			k.data = networkOf(a.Value)
		case "err":
			if record.Message == host.Refused.String() {
				k.reason = a.Value.String()
			}
		case "reply":
			if record.Message == host.Rejected.String() {
				k.reply = a.Value.Int64()
			}
		case "user":
			if record.Level >= slog.LevelError || record.Message == host.Rejected.String() {
				k.user = a.Value.String()
			}
		}
	})
	return k
}

// networkOf is the network of an address and port in the log, or not valid.
func networkOf(v slog.Value) netip.Prefix {
	at, err := netip.ParseAddrPort(v.String())
	if err != nil {
		return netip.Prefix{}
	}
	return network(at.Addr())
}

// network is what counts as one client address: an IPv4 address, or an IPv6 /64, all of
// which one subscriber has. It is not valid for the zero Addr.
func network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	whole, _ := a.Prefix(bits)
	return whole
}

// tell writes how often a kind was repeated. It forgets a kind that was not.
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

// write writes how often a kind was repeated, and counts from 0 again.
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
	if k.reply != 0 {
		record.AddAttrs(slog.Int64("reply", k.reply))
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

// close writes all counts. Later records all pass.
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
