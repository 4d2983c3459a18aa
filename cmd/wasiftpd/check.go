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

// checks is the queue of password checks. The check of an argon2id hash takes all of a
// processor and tens of megabytes. So one processor is left for sessions that are logged
// in, and client addresses take turns: however many checks of one address wait, a login
// from another waits for one of them.
type checks struct {
	turns.Queue[netip.Prefix]
}

// waitingChecks is how many checks may wait. A check takes 40 ms: clients behind a longer
// queue would give up before their turn.
const waitingChecks = 256

func newChecks() *checks {
	return &checks{turns.Queue[netip.Prefix]{Places: max(runtime.GOMAXPROCS(0)-1, 1), Waiting: waitingChecks}}
}

// Enter waits for the turn of a network. If too many wait it fails with [host.ErrBusy]
// and not with a denial, since the password was not checked.
func (c *checks) Enter(ctx context.Context, from netip.Prefix) error {
	err := c.Queue.Enter(ctx, from)
	if errors.Is(err, turns.ErrFull) {
		err = fmt.Errorf("%w: %w", host.ErrBusy, err)
	}
	return err
}
