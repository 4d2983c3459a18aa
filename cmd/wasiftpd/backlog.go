package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// backlog holds the lines of the log until stderr takes them, so that nobody waits for
// stderr: a pipe that is not read would block every session that logs. One goroutine
// writes. It lets lines gather first, for to wake it and to call stderr for each line costs
// ten times as much as to make the line. Lines that do not fit into the backlog, or that
// stderr refuses, are counted. Their number is logged as soon as stderr takes a line again.
type backlog struct {
	mu      sync.Mutex
	waiting []byte        // whole lines
	writing int           // bytes that run is writing
	dropped int           // lines that were to follow those in waiting
	due     bool          // run takes what waits
	ended   bool          // run returns once nothing waits
	outage  *outage       // nil for none
	lost    atomic.Uint64 // lines since the start

	gathered *time.Timer   // makes the lines in waiting due
	wake     chan struct{} // tells run to look at the fields above
	done     chan struct{} // closed when run returns
}

const (
	// gatherTime is how long a line waits for others, unless it is urgent. Its event may have
	// waited eventTime before.
	gatherTime = 100 * time.Millisecond

	// enoughLines is how many bytes of lines are written without waiting for more.
	enoughLines = 128 << 10

	// maxWrite is how many bytes a call writes to stderr, unless one line is longer. POSIX calls
	// it PIPE_BUF: Linux does not mix so few with those that other programs write to the same pipe.
	maxWrite = 4 << 10

	// maxBacklog is how many bytes may wait or be written at a time: some 3,000 lines,
	// which 1,000 sessions log that make one small transfer each.
	maxBacklog = 512 << 10

	// keptBacklog is the largest buffer, in bytes, that is used again. Enough lines fit.
	keptBacklog = 2 * enoughLines

	// flushTime is how long the program waits for stderr when it ends, and for stdout.
	flushTime = 5 * time.Second
)

// noNotices is the format of a log that has no records of its own, for the number of lines
// that were dropped.
const noNotices = "none"

func newBacklog(to io.Writer, format string) *backlog { return startBacklog(to, format, maxWrite, nil) }

// newBacklogOf is newBacklog of a file whose outages are told elsewhere. A call writes all that
// waits: to append to a file costs about the same for many lines as for one.
func newBacklogOf(to io.Writer, format string, outage *outage) *backlog {
	return startBacklog(to, format, maxBacklog, outage)
}

func startBacklog(to io.Writer, format string, most int, outage *outage) *backlog {
	b := &backlog{wake: make(chan struct{}, 1), done: make(chan struct{}), outage: outage}
	b.gathered = time.AfterFunc(gatherTime, b.hurry)
	go b.run(&logWriter{to: to}, format, most)
	return b
}

// logger makes a logger that writes records to b. Warnings and errors are not kept waiting.
func (b *backlog) logger(format string) *slog.Logger {
	return slog.New(urgency{newLogger(b, format).Handler(), b, format == "json", true})
}

// urgency is a handler that hurries the lines up to a warning or an error.
type urgency struct {
	slog.Handler
	lines *backlog
	json  bool
	bare  bool // it adds no attributes and groups to records
}

// Handle implements [slog.Handler].
func (u urgency) Handle(ctx context.Context, record slog.Record) error {
	err := u.write(ctx, record)
	if record.Level >= slog.LevelWarn {
		u.lines.hurry()
	}
	return err
}

func (u urgency) write(ctx context.Context, record slog.Record) error {
	if u.bare && u.lines.writeRecord(record, u.json) {
		return nil
	}
	return u.Handler.Handle(ctx, record)
}

// WithAttrs implements [slog.Handler].
func (u urgency) WithAttrs(attrs []slog.Attr) slog.Handler {
	return urgency{u.Handler.WithAttrs(attrs), u.lines, u.json, false}
}

// WithGroup implements [slog.Handler].
func (u urgency) WithGroup(name string) slog.Handler {
	return urgency{u.Handler.WithGroup(name), u.lines, u.json, false}
}

// Write takes whole lines, and never fails.
func (b *backlog) Write(lines []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(append(b.waiting, lines...))
	return len(lines), nil
}

// writeRecord writes the line of a record, if it can.
func (b *backlog) writeRecord(r slog.Record, json bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	waiting, ok := appendLine(b.waiting, r, json)
	if ok {
		b.add(waiting)
	}
	return ok
}

// add takes the lines that waiting has behind those of b. After it has dropped lines it drops all
// others until run takes what waits, so that their number is logged where they are missing.
func (b *backlog) add(waiting []byte) {
	if b.dropped > 0 || b.writing+len(waiting) > maxBacklog {
		b.outage.begin(errSlow)
		n := bytes.Count(waiting[len(b.waiting):], []byte("\n"))
		b.dropped += n
		b.lost.Add(uint64(n))
	} else {
		if len(b.waiting) == 0 {
			b.gathered.Reset(gatherTime)
		}
		b.waiting = waiting
	}
	if !b.due && (b.dropped > 0 || len(b.waiting) >= enoughLines) {
		b.due = true
		b.rouse()
	}
}

// hurry makes run take what waits now.
func (b *backlog) hurry() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.due = true
	b.rouse()
}

func (b *backlog) rouse() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take waits until lines are due, and returns them with the number of those dropped behind
// them. It returns neither once the backlog is closed and empty. The next lines go into room.
func (b *backlog) take(room []byte) (batch []byte, dropped int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writing = 0
	for !b.ended && (!b.due || len(b.waiting) == 0 && b.dropped == 0) {
		b.due = false
		b.mu.Unlock()
		<-b.wake
		b.mu.Lock()
	}
	batch, b.waiting, b.writing = b.waiting, room[:0], len(b.waiting)
	dropped, b.dropped, b.due = b.dropped, 0, false
	return batch, dropped
}

// run writes the lines as they become due, by calls of at most so many bytes, and returns when
// the backlog is closed and empty.
func (b *backlog) run(to io.Writer, format string, most int) {
	defer close(b.done)
	var notice bytes.Buffer
	logger := newLogger(&notice, format)
	var batch []byte
	untold := 0 // dropped lines whose number is not in the log yet
	for {
		var dropped int
		if batch, dropped = b.take(batch); len(batch) == 0 && dropped == 0 {
			return
		}
		failed, err := writeLines(to, batch, most)
		b.lost.Add(uint64(failed))
		if untold += failed + dropped; untold > 0 {
			if format != noNotices {
				notice.Reset()
				logger.Warn("lines of the log were dropped, for they could not be written", "lines", untold)
				failed, err = writeLines(to, notice.Bytes(), most)
			}
			if b.tell(untold, err); failed == 0 {
				untold = 0
			}
		}
		if cap(batch) > keptBacklog {
			batch = nil
		}
	}
}

// tell tells of an outage that lasts for err, or is over for nil.
func (b *backlog) tell(lines int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.outage.begin(err)
	} else {
		b.outage.end(lines)
	}
}

// writeLines writes lines by few calls of at most so many bytes, and returns how many lines
// failed, and why. A call that fails loses the first line that it has not written as a whole; the next call writes on
// behind that line.
func writeLines(to io.Writer, lines []byte, most int) (failed int, fault error) {
	for len(lines) > 0 {
		n, err := to.Write(lines[:fitting(lines, most)])
		lines = lines[n:]
		if err != nil {
			failed, fault = failed+1, err
			_, lines, _ = bytes.Cut(lines, []byte("\n"))
		}
	}
	return failed, fault
}

// fitting is the length of the first lines that fit into most bytes, or of the first one.
func fitting(lines []byte, most int) int {
	if len(lines) <= most {
		return len(lines)
	}
	if end := bytes.LastIndexByte(lines[:most], '\n'); end >= 0 {
		return end + 1
	}
	first, _, _ := bytes.Cut(lines, []byte("\n"))
	return min(len(first)+1, len(lines))
}

// close waits until all lines are written, but no longer than within.
func (b *backlog) close(within time.Duration) {
	b.mu.Lock()
	b.ended = true
	b.mu.Unlock()
	b.rouse()
	select {
	case <-b.done:
	case <-time.After(within):
	}
}
