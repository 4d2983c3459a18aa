package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wasiftp/host"
)

// pipe takes nothing until it is opened, and fails while it is broken.
type pipe struct {
	notes
	open   chan struct{}
	broken bool
}

func newPipe() *pipe { return &pipe{open: make(chan struct{})} }

func (p *pipe) Write(line []byte) (int, error) {
	<-p.open
	if p.broken {
		return 0, errors.New("no space left on device")
	}
	return p.notes.Write(line)
}

// Nobody waits for a log that is not read. The log tells where lines are missing, and how
// many.
func TestThreat40BlockedLog(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "json"} {
		synctest.Test(t, func(t *testing.T) {
			to := newPipe()
			b := newBacklog(to, format)
			logger := newLogger(b, format)
			const lines = 10_000
			for i := range lines {
				logger.Info("downloaded", "n", i, "path", "/"+strings.Repeat("x", 100))
				if i == 0 {
					synctest.Wait() // that one is being written
				}
			}
			close(to.open)
			synctest.Wait()
			logger.Info("later")
			b.close(flushTime)
			log := to.text.String()
			checkRecords(t, format, log, 1000)
			told := strings.Count(log, "downloaded")
			_, end, found := strings.Cut(log, "were dropped")
			if want := fmt.Sprint(lines - told); told == lines || !found || strings.Count(end, "downloaded") > 0 ||
				!strings.Contains(end, "lines="+want+"\n") && !strings.Contains(end, `"lines":`+want+"}\n") ||
				!strings.Contains(end, "later") {
				t.Errorf("%d of %d lines are there; the log ends %s", told, lines, end)
			}
		})
	}
}

// A log on a disk that was full tells how many lines are missing.
func TestThreat40FullDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := newPipe()
		close(to.open)
		b := newBacklog(to, "text")
		logger := newLogger(b, "text")
		for _, broken := range []bool{false, true, true, false, false} {
			to.broken = broken
			logger.Info("line")
			synctest.Wait()
		}
		b.close(flushTime)
		checkLines(t, to.records(), "level=INFO msg=line", "level=INFO msg=line",
			`level=WARN msg="lines of the log were dropped, for they could not be written" lines=2`, "level=INFO msg=line")
	})
}

// The program waits for stdout, and at its end for the log, but not for ever.
func TestThreat40EndWithBlockedLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := newPipe()
		began := time.Now()
		(&program{stdout: out}).say("Stopping\n")
		if took := time.Since(began); took != flushTime {
			t.Errorf("stdout took %v", took)
		}
		close(out.open)
	})
	synctest.Test(t, func(t *testing.T) {
		to := newPipe()
		b := newBacklog(to, "text")
		slog.New(slog.NewTextHandler(b, nil)).Info("line")
		began := time.Now()
		b.close(flushTime)
		if took := time.Since(began); took != flushTime {
			t.Errorf("it waited %v", took)
		}
		close(to.open)
		synctest.Wait()
		io.WriteString(b, "after the end\n")
		b.close(flushTime)
		checkLines(t, to.records(), "level=INFO msg=line")
	})
}

// However much strangers do, what users do is in the log.
func TestThreat40Strangers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := newPipe()
		b := newBacklog(to, "text")
		r := newRepetitions(newLogger(b, "text").Handler())
		o := observer{slog.New(r)}
		for i := range 15_000 {
			stranger := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 1024)
			o.Observe(host.Event{Kind: host.LoginFailed, Client: stranger, User: strings.Repeat("x", 100), Err: host.ErrDenied})
			o.Observe(host.Event{Kind: host.Connected, Client: stranger})
			if i%1000 == 0 {
				o.Observe(host.Event{Kind: host.Uploaded, Client: client, User: "alice", Path: "/f"})
			}
		}
		close(to.open)
		r.close()
		b.close(flushTime)
		lines := to.records()
		if log := strings.Join(lines, "\n"); strings.Count(log, "msg=uploaded ") != 15 || len(lines) > maxKinds+20 ||
			!strings.Contains(log, "client=others") {
			t.Errorf("%d lines, %d uploads", len(lines), strings.Count(log, "msg=uploaded "))
		}
	})
}
