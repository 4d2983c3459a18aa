package events

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// line delivers the events of one hook.
type line struct {
	Hook
	outbox   *Outbox
	stopping context.Context
	stop     context.CancelFunc
	wake     chan struct{}

	mu      sync.Mutex
	running int
	failing bool // the log tells that the hook fails
	count   *deliveries
}

// deliveries are counted over all lines of a hook.
type deliveries struct{ made, failed atomic.Uint64 }

func newLine(o *Outbox, h Hook) *line {
	h.Timeout, h.Parallel = cmp.Or(h.Timeout, 30*time.Second), cmp.Or(h.Parallel, 4)
	l := &line{Hook: h, outbox: o, wake: make(chan struct{}, 1), count: o.counts[h.Name]}
	l.stopping, l.stop = context.WithCancel(o.stopping)
	return l
}

// hurry makes run look into the spool.
func (l *line) hurry() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// lookTime is how long run leaves the spool alone at most: others may have put events there,
// or have died.
const lookTime = 5 * time.Second

// run takes events, as many as may be delivered at a time, until the line is stopped.
func (l *line) run() {
	faulty := false
	for l.stopping.Err() == nil {
		next, err := l.take()
		if err != nil && !faulty && l.stopping.Err() == nil {
			l.outbox.config.Logger.Error("events can't be delivered for now", "hook", l.Name, "err", err)
		}
		faulty = err != nil
		wait := lookTime
		if !next.IsZero() {
			wait = min(max(time.Until(next), 10*time.Millisecond), lookTime)
		}
		timer := time.NewTimer(wait)
		select {
		case <-l.stopping.Done():
		case <-l.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// take begins deliveries, and returns when others may be due.
func (l *line) take() (next time.Time, err error) {
	for {
		l.mu.Lock()
		free := l.Parallel - l.running
		l.mu.Unlock()
		if free <= 0 {
			return time.Time{}, nil // the end of a delivery wakes run
		}
		taken, next, err := l.outbox.config.Spool.Take(l.stopping, l.Name, free)
		if len(taken) == 0 || err != nil {
			return next, err
		}
		l.mu.Lock()
		l.running += len(taken)
		l.mu.Unlock()
		for _, t := range taken {
			l.outbox.work.Go(func() {
				l.deliver(t)
				l.mu.Lock()
				l.running--
				l.mu.Unlock()
				l.hurry()
			})
		}
	}
}

// deliver tells the hook of an event, and the spool how that went. What the end of the outbox
// has broken off is given back when the spool is closed.
func (l *line) deliver(t Taken) {
	ctx, cancel := context.WithTimeout(l.outbox.ending, l.Timeout)
	defer cancel()
	err := l.Tell(ctx, t.ID, t.Event)
	switch {
	case err == nil:
		l.count.made.Add(1)
		l.keep(func(ctx context.Context) error { return l.outbox.config.Spool.Done(ctx, t) })
		l.succeeded(t)
	case l.outbox.ending.Err() == nil:
		l.failed(t, err)
	}
}

func (l *line) failed(t Taken, err error) {
	l.count.failed.Add(1)
	l.mu.Lock()
	first := !l.failing
	l.failing = true
	l.mu.Unlock()
	if first {
		l.outbox.config.Logger.Warn("a hook fails; its events are kept, and told until it works again", "hook", l.Name,
			"user", t.User, "id", t.ID, "err", err)
	}
	again, reason := time.Now().Add(pause(t.Tries)), err.Error()
	l.keep(func(ctx context.Context) error { return l.outbox.config.Spool.Fail(ctx, t, again, reason) })
}

// succeeded hurries what waits, once an event is delivered that had failed.
func (l *line) succeeded(t Taken) {
	if t.Tries == 0 {
		return
	}
	l.mu.Lock()
	worksAgain := l.failing
	l.failing = false
	l.mu.Unlock()
	if worksAgain {
		l.outbox.config.Logger.Info("the hook works again", "hook", l.Name)
	}
	l.keep(func(ctx context.Context) error { return l.outbox.config.Spool.Hurry(ctx, l.Name) })
}

// keep writes to the spool, again and again if it fails, until the outbox ends. Then the lane
// is given back as it was, and the event is told once more.
func (l *line) keep(write func(context.Context) error) {
	faulty := false
	for {
		err := write(l.outbox.ending)
		if err == nil || l.outbox.ending.Err() != nil {
			return
		}
		if !faulty {
			l.outbox.config.Logger.Error("the outcome of a delivery can't be kept for now", "hook", l.Name, "err", err)
		}
		faulty = true
		select {
		case <-l.outbox.ending.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

const (
	firstPause   = time.Second
	longestPause = 10 * time.Minute
)

// pause is the time to the next try after so many that have failed before the last one.
func pause(tries int) time.Duration {
	return min(firstPause<<min(tries, 20), longestPause)
}
