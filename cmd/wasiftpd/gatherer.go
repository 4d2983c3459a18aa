package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"wasiftp/host"
)

// gatherer hands events to observers, many at a time. What an observer needs is in the
// processor's caches from the second event on; else a log costs a small file several times more.
type gatherer struct {
	to observers

	mu     sync.Mutex
	events []host.Event
	timer  *time.Timer
}

const (
	// eventTime is how long an event waits for others. A warning waits for none.
	eventTime = 20 * time.Millisecond

	mostEvents = 128
)

func newGatherer(to observers) *gatherer {
	g := &gatherer{to: to, events: make([]host.Event, 0, mostEvents)}
	g.timer = time.AfterFunc(eventTime, g.flush)
	return g
}

// Observe implements [host.Observer].
func (g *gatherer) Observe(e host.Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.events = append(g.events, e)
	switch {
	case len(g.events) == mostEvents, levelOf(&e) >= slog.LevelWarn:
		g.hand()
	case len(g.events) == 1:
		g.timer.Reset(eventTime)
	}
}

// flush hands over what has gathered.
func (g *gatherer) flush() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hand()
}

func (g *gatherer) hand() {
	for _, o := range g.to {
		for i := range g.events { // without a copy of them all
			o.Observe(g.events[i])
		}
	}
	clear(g.events)
	g.events = g.events[:0]
}

// behindEvents is a handler of records that come behind the events before them.
type behindEvents struct {
	slog.Handler
	events *gatherer
}

// Handle implements [slog.Handler].
func (b behindEvents) Handle(ctx context.Context, r slog.Record) error {
	b.events.flush()
	return b.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (b behindEvents) WithAttrs(attrs []slog.Attr) slog.Handler {
	return behindEvents{b.Handler.WithAttrs(attrs), b.events}
}

// WithGroup implements [slog.Handler].
func (b behindEvents) WithGroup(name string) slog.Handler {
	return behindEvents{b.Handler.WithGroup(name), b.events}
}
