package host

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// queue holds the events for Config.Observer and the log records for Config.Logger, in one
// order. One goroutine, deliver, hands them to the embedder's code, so that no session
// waits for that. When the queue is full, new ones are dropped and counted until the
// goroutine has taken all that wait.
type queue struct {
	mu      sync.Mutex
	waiting []news
	names   int     // bytes of the names in waiting
	dropped dropped // since waiting became full
	lost    dropped // since the server began
	ended   bool    // nothing more will come

	handler   slog.Handler // the embedder's
	wake      chan struct{}
	over      chan struct{} // closed once deliver has ended
	abandoned atomic.Bool   // deliver must end, though some still wait

	unlogged int // records dropped, or that the logger failed to write, and was not told of yet; deliver's own
}

// news is an event or a log record.
type news struct {
	event  Event
	record *slog.Record // nil for an event
	to     slog.Handler // of the record
}

// dropped counts the dropped.
type dropped struct{ events, records int }

const (
	// mostWaiting is how many events and records may wait; as many again may be in
	// delivery. So an Observer may hang for a second while each of 1,000 sessions
	// connects, logs in, transfers a file and ends. They take 3 MiB at most, and their
	// names 8.
	mostWaiting = 4096

	// mostNames bounds the bytes of the names, which clients choose: without it, 4,096
	// events could have 50 MiB of them.
	mostNames = 4 << 20

	// keptWaiting is the largest capacity of a batch that is used again: 70 KiB. With it
	// a server at its usual work allocates nothing for events.
	keptWaiting = 128
)

func newQueue(handler slog.Handler) *queue {
	return &queue{handler: handler, wake: make(chan struct{}, 1), over: make(chan struct{})}
}

// observe queues an event.
func (q *queue) observe(e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.room(len(e.User) + len(e.Path) + len(e.Asked) + len(e.To)) {
		q.waiting = append(q.waiting, news{event: e})
	} else {
		q.dropped.events++
		q.lost.events++
	}
}

// log queues a record for a handler.
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
		q.lost.records++
	}
}

// room reports whether there is room for one more, with names bytes of names. There is
// none once something was dropped, so that the count stands where the gap is. Callers
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

// lose counts a record that the logger failed to write.
func (q *queue) lose() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lost.records++
}

// count tells what waits and what was lost.
func (q *queue) count(c *Counts) {
	q.mu.Lock()
	defer q.mu.Unlock()
	c.Queued, c.DroppedEvents, c.DroppedRecords = len(q.waiting), uint64(q.lost.events), uint64(q.lost.records)
}

func (q *queue) rouse() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take returns all that wait; room becomes the new slice of waiting.
func (q *queue) take(room []news) (batch []news, lost dropped, ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	batch, q.waiting, q.names = q.waiting, room, 0
	lost, q.dropped = q.dropped, dropped{}
	return batch, lost, q.ended
}

// close waits until all is delivered, but no longer than within. The rest is dropped.
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

// deliver is the goroutine that hands events and records to the embedder's code.
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
			if n := &batch[i]; n.record == nil {
				s.tellObserver(&n.event)
			} else if s.log(n.to, n.record) != nil {
				q.unlogged++
				q.lose()
			}
		}
		s.tellDropped(lost)
		clear(batch)
		if cap(batch) > keptWaiting {
			batch = nil
		}
	}
}

func (s *Server) tellObserver(e *Event) {
	s.guard(observerCode, nil, func() error { s.current().Observer.Observe(*e); return nil })
}

// log has the embedder's handler write a record.
func (s *Server) log(to slog.Handler, r *slog.Record) error {
	return s.guard(loggerCode, nil, func() error {
		ctx := context.Background()
		if !to.Enabled(ctx, r.Level) {
			return nil
		}
		return to.Handle(ctx, *r)
	})
}

// tellDropped sends the observer the number of dropped events, and the logger that of
// dropped records. If the logger fails, it tries again behind the next batch.
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

// Enabled is true: deliver asks the embedder's handler.
func (queued) Enabled(context.Context, slog.Level) bool { return true }

// Handle queues the record.
func (h queued) Handle(_ context.Context, r slog.Record) error {
	r = r.Clone()
	h.queue.log(h.to, &r)
	if r.Level >= slog.LevelError { // let deliver go first, so that the record is mostly written before a client notices
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
