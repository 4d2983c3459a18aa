package host

import (
	"context"
	"net/netip"
	"time"

	"wasiftp/host/turns"
)

// party is who processors are shared out to: an account or, where strangers share
// one or nobody has logged in, a client address.
type party struct {
	account string
	client  netip.Addr
}

// party is whom a session works for at present.
func (s *session) party() party {
	l := s.login.Load()
	switch {
	case l == nil:
		return party{client: addressKey(s.client.Addr())}
	case l.shared:
		return party{l.name, addressKey(s.client.Addr())}
	}
	return party{account: l.name}
}

// labour is work that keeps a processor busy: hashing, copying, compressing.
// It is done in pieces of a few milliseconds at most, each in the turn of the party:
// however much a crowd wants, one processor is left for commands and for transfers
// that need little of one, and everybody else's work goes on next to the crowd's.
type labour struct {
	processors *turns.Queue[party]
	party      party
	ctx        context.Context // ends the wait for a turn
	leave      func()          // gives the processor up
}

func (s *session) labour(ctx context.Context) *labour {
	return &labour{processors: &s.server.processors, party: s.party(), ctx: ctx, leave: func() {}}
}

// Begin waits for a turn. Without a labour, it and End do nothing.
func (l *labour) Begin() error { return l.beginFor(0) }

// diskTime is how long a piece of work that calls a file system may take before
// somebody else gets its turn as well: it waits for a disk then, and keeps no
// processor busy.
const diskTime = 100 * time.Millisecond

func (l *labour) beginFor(most time.Duration) error {
	if l == nil {
		return nil
	}
	leave, err := l.processors.EnterFor(l.ctx, l.party, most)
	if err == nil {
		l.leave = leave
	}
	return err
}

// End gives the processor up, if the work has one.
func (l *labour) End() {
	if l != nil {
		l.leave()
	}
}
