package main

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// backlog has the lines of the log until stderr takes them, for nobody may wait for
// that: a pipe that is not read would stop whoever logs, and all at once. One
// goroutine writes. Lines that find the backlog full, or that stderr does not take,
// are counted, and their number is logged as soon as it takes a line again.
type backlog struct {
	mu      sync.Mutex
	waiting []byte // whole lines
	writing int    // bytes that the goroutine holds
	dropped int    // lines, behind waiting
	ended   bool   // nothing more will come

	wake chan struct{}
	over chan struct{} // closed once the goroutine has ended
}

const (
	// maxBacklog is how many bytes wait or are being written: some 3,000 lines, as
	// 1,000 small transfers log that have a session each.
	maxBacklog = 512 << 10

	// keptBacklog is the room that is kept when they are written.
	keptBacklog = 16 << 10

	// flushTime is how long the end of the program waits for stderr.
	flushTime = 5 * time.Second
)

func newBacklog(to io.Writer, format string) *backlog {
	b := &backlog{wake: make(chan struct{}, 1), over: make(chan struct{})}
	go b.run(&logWriter{to: to}, format)
	return b
}

// Write takes whole lines. It never fails. Behind lines that were dropped it takes
// none until those before are written, so that the count stands where the gap is.
func (b *backlog) Write(lines []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dropped > 0 || b.writing+len(b.waiting)+len(lines) > maxBacklog {
		b.dropped += bytes.Count(lines, []byte("\n"))
	} else {
		b.waiting = append(b.waiting, lines...)
	}
	b.rouse()
	return len(lines), nil
}

func (b *backlog) rouse() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take gives all that waits, in exchange for room for what comes next.
func (b *backlog) take(room []byte) (batch []byte, dropped int, ended bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	batch, b.waiting, b.writing = b.waiting, room, len(b.waiting)
	dropped, b.dropped = b.dropped, 0
	return batch, dropped, b.ended
}

// run is the goroutine that writes.
func (b *backlog) run(to io.Writer, format string) {
	defer close(b.over)
	var notice bytes.Buffer
	logger := newLogger(&notice, format)
	var batch []byte
	untold := 0
	for {
		var dropped int
		var ended bool
		batch, dropped, ended = b.take(batch[:0])
		if len(batch) == 0 && dropped == 0 {
			if ended {
				return
			}
			<-b.wake
			continue
		}
		if untold += writeLines(to, batch) + dropped; untold > 0 {
			notice.Reset()
			logger.Warn("lines of the log were dropped, for they could not be written", "lines", untold)
			if writeLines(to, notice.Bytes()) == 0 {
				untold = 0
			}
		}
		if cap(batch) > keptBacklog {
			batch = nil
		}
	}
}

// writeLines writes lines, one at a time, and says how many were not written.
func writeLines(to io.Writer, lines []byte) (failed int) {
	for line := range bytes.Lines(lines) {
		if _, err := to.Write(line); err != nil {
			failed++
		}
	}
	return failed
}

// close waits until all is written, but no longer than a time.
func (b *backlog) close(within time.Duration) {
	b.mu.Lock()
	b.ended = true
	b.mu.Unlock()
	b.rouse()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-b.over:
	case <-timer.C:
	}
}
