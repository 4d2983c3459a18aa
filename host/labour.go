package host

import (
	"context"
	"net/netip"
	"time"

	"wasiftp/host/turns"
)

// party is the key by which processors are shared out: the account or, if it is shared or
// the session is not logged in, the client address.
type party struct {
	account string
	client  netip.Addr
}

// party is the session's party at present.
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

// labour is work that keeps a processor busy: hashing, copying, compressing. It is done in
// pieces of a few milliseconds at most, and parties take turns: however much one of them
// asks for, one processor is left for commands and plain transfers, and the work of the
// others goes on.
type labour struct {
	processors *turns.Queue[party]
	party      party
	ctx        context.Context // ends the wait for a turn
	leave      func()          // gives the processor back
}

func (s *session) labour(ctx context.Context) *labour {
	return &labour{processors: &s.server.processors, party: s.party(), ctx: ctx, leave: func() {}}
}

// Begin waits for a turn. On a nil labour it and End do nothing.
func (l *labour) Begin() error { return l.beginFor(0) }

// diskTime is how long a piece of work that calls a storage keeps its turn. After that it
// waits for a disk, and its processor is free for others.
const diskTime = 100 * time.Millisecond

// beginFor is Begin, with a turn that ends by itself after most; 0 is never.
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

// End gives the processor back.
func (l *labour) End() {
	if l != nil {
		l.leave()
	}
}
