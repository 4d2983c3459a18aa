package main

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// backlog holds the lines of the log until stderr takes them, so that nobody waits for
// stderr: a pipe that is not read would block every session that logs. One goroutine
// writes. Lines that do not fit into the backlog, or that stderr refuses, are counted.
// Their number is logged as soon as stderr takes a line again.
type backlog struct {
	mu      sync.Mutex
	waiting []byte // whole lines
	writing int    // bytes that run is writing
	dropped int    // lines that were to follow those in waiting
	ended   bool   // run returns once nothing waits

	wake chan struct{} // tells run to look at the fields above
	done chan struct{} // closed when run returns
}

const (
	// maxBacklog is how many bytes may wait or be written at a time: some 3,000 lines,
	// which 1,000 sessions log that make one small transfer each.
	maxBacklog = 512 << 10

	// keptBacklog is the largest buffer, in bytes, that is used again.
	keptBacklog = 16 << 10

	// flushTime is how long the program waits for stderr when it ends, and for stdout.
	flushTime = 5 * time.Second
)

func newBacklog(to io.Writer, format string) *backlog {
	b := &backlog{wake: make(chan struct{}, 1), done: make(chan struct{})}
	go b.run(&logWriter{to: to}, format)
	return b
}

// Write takes whole lines, and never fails. After it has dropped lines it drops all
// others until run takes what waits, so that their number is logged where they are missing.
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

// run writes the lines as they come, and returns when the backlog is closed and empty.
func (b *backlog) run(to io.Writer, format string) {
	defer close(b.done)
	var notice bytes.Buffer
	logger := newLogger(&notice, format)
	var batch []byte
	untold := 0 // dropped lines whose number is not in the log yet
	for {
		b.mu.Lock()
		batch, b.waiting, b.writing = b.waiting, batch[:0], len(b.waiting)
		dropped, ended := b.dropped, b.ended
		b.dropped = 0
		b.mu.Unlock()
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

// writeLines writes each line by a call of its own, and returns how many calls failed.
func writeLines(to io.Writer, lines []byte) (failed int) {
	for line := range bytes.Lines(lines) {
		if _, err := to.Write(line); err != nil {
			failed++
		}
	}
	return failed
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
