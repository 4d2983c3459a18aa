package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
)

// journalOf is a handler that sends records to the journal of the system, as systemd's, each
// attribute as a field, as in FTP_USER. One goroutine sends, so that nobody waits for the journal. Records that
// find no place in the queue, or that the journal refuses, are counted; their number follows.
type journalOf struct {
	*journalQueue
	attrs []slog.Attr
	group string
}

type journalQueue struct {
	mu    sync.RWMutex // guards ended, and waiting from being closed
	ended bool

	send    func(entryOfJournal) error
	waiting chan entryOfJournal
	untold  atomic.Int64  // lost records, until their number is logged
	lost    atomic.Uint64 // records since the start
	done    chan struct{}
}

// entryOfJournal is what the journal gets of a record.
type entryOfJournal struct {
	text     string
	priority journal.Priority
	fields   map[string]string
}

// mostOfJournal is how many records wait for the journal at a time.
const mostOfJournal = 3000

func newJournal(send func(entryOfJournal) error) journalOf {
	q := &journalQueue{send: send, waiting: make(chan entryOfJournal, mostOfJournal), done: make(chan struct{})}
	go q.run()
	return journalOf{journalQueue: q}
}

// journalFolder has the socket of the journal.
const journalFolder = "/run/systemd/journal"

// systemdJournal is how entries reach systemd's journal, if stderr is a stream of it and no
// format is asked for; else it is nil.
func systemdJournal(format string) func(entryOfJournal) error {
	if is, err := journal.StderrIsJournalStream(); !is || err != nil || format != "" {
		return nil
	}
	return func(e entryOfJournal) error { return journal.Send(e.text, e.priority, e.fields) }
}

// Enabled implements [slog.Handler].
func (journalOf) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements [slog.Handler].
func (h journalOf) Handle(ctx context.Context, r slog.Record) error {
	all := r.Clone()
	all.AddAttrs(h.attrs...)
	var text bytes.Buffer
	if err := shortText(&text).Handle(ctx, all); err != nil {
		return err
	}
	e := entryOfJournal{strings.TrimSuffix(text.String(), "\n"), priorityOf(r.Level), map[string]string{}}
	e.fields["FTP_EVENT"] = r.Message
	eachAttr(all, func(a slog.Attr) {
		if key := "FTP_" + strings.ReplaceAll(strings.ToUpper(h.group+a.Key), " ", "_"); a.Key != "" {
			e.fields[key] = a.Value.Resolve().String()
		}
	})
	e.fields["SYSLOG_IDENTIFIER"] = "wasiftpd"
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.ended {
		return nil
	}
	select {
	case h.waiting <- e:
	default:
		h.lose()
	}
	return nil
}

// shortText makes a line of a record without what the journal has anyway.
func shortText(to *bytes.Buffer) slog.Handler {
	return slog.NewTextHandler(to, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
			return slog.Attr{}
		}
		return a
	}})
}

func priorityOf(level slog.Level) journal.Priority {
	switch {
	case level >= slog.LevelError:
		return journal.PriErr
	case level >= slog.LevelWarn:
		return journal.PriWarning
	case level >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}

// WithAttrs implements [slog.Handler].
func (h journalOf) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.attrs = append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)
	return h
}

// WithGroup implements [slog.Handler].
func (h journalOf) WithGroup(name string) slog.Handler {
	h.group += name + "_"
	return h
}

func (q *journalQueue) lose() {
	q.untold.Add(1)
	q.lost.Add(1)
}

func (q *journalQueue) run() {
	defer close(q.done)
	for e := range q.waiting {
		if q.send(e) != nil {
			q.lose()
			continue
		}
		if n := q.untold.Swap(0); n > 0 {
			tell := slog.NewRecord(time.Now(), slog.LevelWarn, "lines of the log were dropped, for they could not be written", 0)
			tell.AddAttrs(slog.Int64("lines", n))
			journalOf{journalQueue: q}.Handle(context.Background(), tell)
		}
	}
}

// close waits until all records are sent, but no longer than within.
func (q *journalQueue) close(within time.Duration) {
	q.mu.Lock()
	q.ended = true
	close(q.waiting)
	q.mu.Unlock()
	select {
	case <-q.done:
	case <-time.After(within):
	}
}
