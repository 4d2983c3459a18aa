package events

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// writer puts entries into the spool. What comes while it writes goes into one transaction.
type writer struct {
	spool  Spool
	logger *slog.Logger
	wake   chan struct{}
	done   chan struct{} // closed when run returns

	mu      sync.Mutex
	batch   *batch // what is to be written next
	closed  bool
	dropped int // entries for which there was no room
}

// batch is written as a whole.
type batch struct {
	entries []Entry
	written chan struct{} // closed once it is in the spool
}

// mostUnwritten is how many entries wait for a spool that fails. They have some hundred bytes
// each.
const mostUnwritten = 10_000

// put returns true once the entries are in the spool, and false if that takes longer.
func (w *writer) put(entries []Entry, within time.Duration) bool {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		w.logger.Error("an event came after the end, and is lost", "id", entries[0].ID)
		return false
	}
	if w.batch == nil {
		w.batch = &batch{written: make(chan struct{})}
	}
	b := w.batch
	if len(b.entries) >= mostUnwritten {
		w.dropped += len(entries)
		w.mu.Unlock()
		return false
	}
	b.entries = append(b.entries, entries...)
	w.mu.Unlock()
	w.rouse()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-b.written:
		return true
	case <-timer.C:
		return false
	}
}

func (w *writer) rouse() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// next takes the next batch, nil if there is none.
func (w *writer) next() (b *batch, dropped int, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b, w.batch = w.batch, nil
	dropped, w.dropped = w.dropped, 0
	return b, dropped, w.closed
}

// run writes batches until the writer is closed and nothing waits.
func (w *writer) run() {
	defer close(w.done)
	for {
		b, dropped, closed := w.next()
		if dropped > 0 {
			w.logger.Error("events were lost: the spool failed for too long", "events", dropped)
		}
		switch {
		case b != nil:
			w.write(b)
		case closed:
			return
		default:
			<-w.wake
		}
	}
}

// write writes a batch. While the spool fails it tries again.
func (w *writer) write(b *batch) {
	faulty := false
	for {
		err := w.spool.Put(context.Background(), b.entries)
		if err == nil {
			break
		}
		if !faulty {
			w.logger.Error("events can't be kept on disk, and stay in memory for now", "err", err)
		}
		faulty = true
		w.mu.Lock()
		closed := w.closed
		w.mu.Unlock()
		if closed {
			w.logger.Error("events are lost: the spool fails until the end", "events", len(b.entries))
			return
		}
		select {
		case <-w.wake:
		case <-time.After(time.Second):
		}
	}
	if faulty {
		w.logger.Info("events are kept on disk again")
	}
	close(b.written)
}

func (w *writer) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.rouse()
	<-w.done
}
