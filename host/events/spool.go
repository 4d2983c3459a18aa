package events

import (
	"context"
	"time"
)

// Entry is an event for a hook.
type Entry struct {
	Hook  string // its name
	User  string // entries of a hook and a user are delivered in the order in which they were put; it may hold any byte
	ID    string // of the event
	Event []byte // as [Encode] writes it
}

// Taken is an entry that this host alone may deliver now.
type Taken struct {
	Entry
	Number int64 // of the entry in the spool
	Tries  int   // that have failed
}

// Spool keeps entries until they are delivered. Several hosts may share one. Its methods are
// called from many goroutines.
//
// The entries of a hook and a user are a lane. A host takes the first entry of a lane, and with
// it the lane, which no other host gets until the entry is done or has failed, or until the
// lease ends: a host that lives renews it.
type Spool interface {
	// Put keeps entries. Once it has returned no crash of the host loses them.
	Put(ctx context.Context, entries []Entry) error

	// Take takes the first entries of up to most lanes of the hook. next is when there may be
	// others; the zero time says that nothing waits.
	Take(ctx context.Context, hook string, most int) (taken []Taken, next time.Time, err error)

	// Done forgets an entry that was delivered.
	Done(ctx context.Context, t Taken) error

	// Fail gives a lane back whose first entry was not delivered, until again.
	Fail(ctx context.Context, t Taken, again time.Time, reason string) error

	// Hurry makes all lanes of the hook due that wait after a failure.
	Hurry(ctx context.Context, hook string) error

	// Renew renews the lease of all lanes that this host has taken. It is called every
	// [RenewTime].
	Renew(ctx context.Context) error

	// Close gives back all lanes that this host has taken.
	Close() error
}

const (
	// LeaseTime is how long a lane stays taken by a host that has died.
	LeaseTime = 10 * time.Second

	// RenewTime is the time from one renewal of the leases to the next.
	RenewTime = LeaseTime / 4
)
