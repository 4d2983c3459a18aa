package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"

	"wasiftp/host"
	"wasiftp/host/turns"
)

// checks are those of passwords that run or wait. An argon2id hash takes all of a
// processor and, in each session that logs in, tens of megabytes: so one processor
// is left for those who are in, and client addresses take turns. However many tries
// somebody has waiting, a login from elsewhere waits for one of them.
type checks struct {
	turns.Queue[netip.Prefix]
}

// waitingChecks is how many may wait: at 40 ms each nobody still waits for an answer
// that would come much later.
const waitingChecks = 256

func newChecks() *checks {
	return &checks{turns.Queue[netip.Prefix]{Places: max(runtime.GOMAXPROCS(0)-1, 1), Waiting: waitingChecks}}
}

// Enter waits for the turn of a network. Where too many wait, it tells so instead of
// calling a password wrong that nobody has looked at.
func (c *checks) Enter(ctx context.Context, from netip.Prefix) error {
	err := c.Queue.Enter(ctx, from)
	if errors.Is(err, turns.ErrFull) {
		err = fmt.Errorf("%w: %w", host.ErrBusy, err)
	}
	return err
}
