package host

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// queue has what happened until the embedder's code has taken it: the events for
// Config.Observer and the records for Config.Logger, in one order. One goroutine
// delivers them, so that no session waits for that code. What finds the queue full
// is dropped and counted, until the goroutine takes all that waits.
type queue struct {
	mu      sync.Mutex
	waiting []news
	names   int     // bytes of the names in waiting
	dropped dropped // behind waiting
	ended   bool    // nothing more will come

	handler   slog.Handler // the embedder's
	wake      chan struct{}
	over      chan struct{} // closed once the goroutine has ended
	abandoned atomic.Bool   // what still waits is not delivered

	unlogged int // records that the logger has not heard of; for the goroutine
}

// news is an event or a record.
type news struct {
	event  Event
	record *slog.Record // nil for an event
	to     slog.Handler // of the record
}

// dropped is how much was.
type dropped struct{ events, records int }

const (
	// mostWaiting is how many events and records may wait; as many again may be in
	// delivery. So an Observer may hang for a second while each of 1,000 sessions
	// connects, logs in, transfers a file and ends. They take 3 MiB at most, and the
	// names in them 8.
	mostWaiting = 4096

	// mostNames bounds the names in what waits, which clients choose: without it,
	// 4,096 events could have 50 MiB of them.
	mostNames = 4 << 20

	// keptWaiting is for how many the room is kept, so that a server at its usual
	// work allocates nothing for them: 70 KiB.
	keptWaiting = 128
)

func newQueue(handler slog.Handler) *queue {
	return &queue{handler: handler, wake: make(chan struct{}, 1), over: make(chan struct{})}
}

// observe takes in an event.
func (q *queue) observe(e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.room(len(e.User) + len(e.Path) + len(e.To)) {
		q.waiting = append(q.waiting, news{event: e})
	} else {
		q.dropped.events++
	}
}

// log takes in a record for a handler.
func (q *queue) log(to slog.Handler, r *slog.Record) {
	names := 0
	r.Attrs(func(a slog.Attr) bool {
		if a.Value.Kind() == slog.KindString {
			names += len(a.Value.String())
		}
		return true
	})
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.room(names) {
		q.waiting = append(q.waiting, news{record: r, to: to})
	} else {
		q.dropped.records++
	}
}

// room says whether there is room for one more, with so many bytes of names. Behind
// what was dropped there is none, so that the count stands where the gap is. Callers
// hold q.mu.
func (q *queue) room(names int) bool {
	switch {
	case len(q.waiting) == 0:
		q.rouse()
	case q.dropped != (dropped{}), len(q.waiting) == mostWaiting, q.names+names > mostNames:
		return false
	}
	q.names += names
	return true
}

func (q *queue) rouse() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take gives all that waits, in exchange for room for what comes next.
func (q *queue) take(room []news) (batch []news, lost dropped, ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	batch, q.waiting, q.names = q.waiting, room, 0
	lost, q.dropped = q.dropped, dropped{}
	return batch, lost, q.ended
}

// close waits until all is delivered, but no longer than a time. What is left then
// is not delivered any more.
func (q *queue) close(within time.Duration) {
	q.mu.Lock()
	q.ended = true
	q.mu.Unlock()
	q.rouse()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-q.over:
	case <-timer.C:
		q.abandoned.Store(true)
	}
}

// deliver is the goroutine that tells the embedder's code of all that happens.
func (s *Server) deliver() {
	q := s.queue
	defer close(q.over)
	var batch []news
	for {
		var lost dropped
		var ended bool
		batch, lost, ended = q.take(batch[:0])
		if len(batch) == 0 {
			if ended {
				return
			}
			<-q.wake
			continue
		}
		for i := range batch {
			if q.abandoned.Load() {
				return
			}
			s.tell(&batch[i])
		}
		s.tellDropped(lost)
		clear(batch)
		if cap(batch) > keptWaiting {
			batch = nil
		}
	}
}

// tell delivers one of the news. A record that the logger does not take counts as
// dropped.
func (s *Server) tell(n *news) {
	if n.record == nil {
		s.tellObserver(&n.event)
	} else if s.log(n.to, n.record) != nil {
		s.queue.unlogged++
	}
}

func (s *Server) tellObserver(e *Event) {
	s.guard(observerCode, nil, func() error { s.config.Observer.Observe(*e); return nil })
}

// log has an embedder's handler write a record.
func (s *Server) log(to slog.Handler, r *slog.Record) error {
	return s.guard(loggerCode, nil, func() error {
		ctx := context.Background()
		if !to.Enabled(ctx, r.Level) {
			return nil
		}
		return to.Handle(ctx, *r)
	})
}

// tellDropped tells the observer how many events were dropped and, as soon as it
// takes a record again, the logger how many records.
func (s *Server) tellDropped(lost dropped) {
	if lost.events > 0 {
		s.tellObserver(&Event{Kind: Dropped, Time: time.Now(), Count: lost.events})
	}
	q := s.queue
	if q.unlogged += lost.records; q.unlogged == 0 {
		return
	}
	r := slog.NewRecord(time.Now(), slog.LevelWarn, "records of this log were dropped, for it was too slow or failed", 0)
	r.AddAttrs(slog.Int("records", q.unlogged))
	if s.log(q.handler, &r) == nil {
		q.unlogged = 0
	}
}

// queued is the handler of the server's own records.
type queued struct {
	queue *queue
	to    slog.Handler // the embedder's
}

// Enabled is [slog.Handler]'s. The embedder's handler is asked later.
func (queued) Enabled(context.Context, slog.Level) bool { return true }

// Handle is [slog.Handler]'s.
func (h queued) Handle(_ context.Context, r slog.Record) error {
	r = r.Clone()
	h.queue.log(h.to, &r)
	if r.Level >= slog.LevelError { // mostly written before a client notices: the goroutine goes first
		runtime.Gosched()
	}
	return nil
}

// WithAttrs is [slog.Handler]'s.
func (h queued) WithAttrs(attrs []slog.Attr) slog.Handler {
	return queued{h.queue, h.to.WithAttrs(attrs)}
}

// WithGroup is [slog.Handler]'s.
func (h queued) WithGroup(name string) slog.Handler { return queued{h.queue, h.to.WithGroup(name)} }
