package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
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
			logger := b.logger(format)
			const lines = 10_000
			for i := range lines {
				logger.Info("downloaded", "n", i, "path", "/"+strings.Repeat("x", 100))
				if i == 0 {
					time.Sleep(gatherTime)
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
				!strings.Contains(end, "later") || fmt.Sprint(b.lost.Load()) != want {
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
		logger := b.logger("text")
		for _, broken := range []bool{false, true, true, false, false} {
			to.broken = broken
			logger.Info("line")
			time.Sleep(gatherTime)
			synctest.Wait()
		}
		b.close(flushTime)
		checkLines(t, to.records(), "level=INFO msg=line", "level=INFO msg=line",
			`level=WARN msg="lines of the log were dropped, for they could not be written" lines=2`, "level=INFO msg=line")
		if lost := b.lost.Load(); lost != 2 {
			t.Errorf("%d lines count as lost", lost)
		}
	})
}

// The log tells of a lost line as soon as it is read again, though no other line comes.
func TestThreat40LastLineLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := newPipe()
		b := newBacklog(to, "text")
		io.WriteString(b, strings.Repeat("x", maxBacklog-1)+"\n")
		synctest.Wait() // it is being written
		b.logger("text").Info("lost")
		close(to.open)
		synctest.Wait()
		lines := to.records()
		checkLines(t, lines[min(1, len(lines)):],
			`level=WARN msg="lines of the log were dropped, for they could not be written" lines=1`)
		b.close(flushTime)
	})
}

// A disk that becomes full in the midst of many lines keeps those that fit. The log tells
// how many do not, and the next ones are whole.
func TestThreat40DiskFilledByBatch(t *testing.T) {
	t.Parallel()
	const lines = 20
	var length int // of a line, as a bubble of synctest begins in 2000 and the zone is this machine's
	synctest.Test(t, func(*testing.T) {
		length = len("time= level=INFO msg=before\n") + len(time.Now().Format("2006-01-02T15:04:05.000Z07:00"))
	})
	for room := range 3 * length { // it ends before, in and behind each part of a line
		synctest.Test(t, func(t *testing.T) {
			to := &disk{room: room}
			b := newBacklog(to, "text")
			logger := b.logger("text")
			for range lines {
				logger.Info("before")
			}
			time.Sleep(gatherTime)
			synctest.Wait()
			to.room = 10_000
			logger.Info("after")
			b.close(flushTime)
			kept, cut := room/length, room%length
			begin, log := to.text.String()[:room], to.text.String()[room:]
			if strings.Count(begin, "msg=before\n") != kept || strings.HasPrefix(log, "\n") != (cut > 0) {
				t.Errorf("with room for %d bytes the log is\n%s|%s", room, begin, log)
			}
			log = strings.TrimPrefix(log, "\n")
			checkRecords(t, "text", log, 2)
			if strings.Count(log, "\n") != 2 || !strings.Contains(log, "msg=after\n") ||
				!strings.Contains(log, fmt.Sprintf(" lines=%d\n", lines-kept)) {
				t.Errorf("with room for %d bytes the log goes on\n%s", room, log)
			}
		})
	}
}

// writes notes each call of Write.
type writes struct {
	mu    sync.Mutex
	calls []string
}

func (w *writes) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, string(p))
	return len(p), nil
}

// take takes the calls that were made.
func (w *writes) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { w.calls = nil }()
	return w.calls
}

// Lines of the same moment are written together: after a while, with the first warning, or
// at the end.
func TestLinesGather(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var to writes
		b := newBacklog(&to, "text")
		logger := b.logger("text").With("session", 7).WithGroup("data")
		check := func(want ...string) {
			t.Helper()
			synctest.Wait()
			calls := to.take()
			log := notes{}
			io.WriteString(&log, strings.Join(calls, ""))
			if checkLines(t, log.records(), want...); len(calls) > 1 {
				t.Errorf("%d calls wrote %q", len(calls), want)
			}
		}
		const info, warn = "level=INFO msg=line session=7", `level=WARN msg="data connection refused" session=7`
		time.Sleep(time.Minute)
		logger.Info("line")
		time.Sleep(gatherTime / 2)
		logger.Info("line")
		time.Sleep(gatherTime/2 - 1)
		check()
		time.Sleep(time.Nanosecond)
		check(info, info)
		logger.Info("line")
		logger.Warn("data connection refused")
		check(info, warn)
		logger.Info("line") // the time begins anew
		time.Sleep(gatherTime - 1)
		check()
		began := time.Now()
		logger.Info("line")
		b.close(flushTime)
		if took := time.Since(began); took != 0 {
			t.Errorf("the end took %v", took)
		}
		check(info, info)
	})
}

// Many lines are written before their time, by calls that write whole lines and not more
// than goes into a pipe at once.
func TestManyLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var to writes
		b := newBacklog(&to, "text")
		long := strings.Repeat("x", 2*maxWrite) + "\n"
		line := strings.Repeat("x", 99) + "\n"
		for n := len(long); n < enoughLines; n += len(line) {
			synctest.Wait()
			if calls := to.take(); len(calls) > 0 {
				t.Fatalf("%d bytes were written", len(calls[0]))
			}
			io.WriteString(b, line)
		}
		io.WriteString(b, long)
		synctest.Wait()
		calls := to.take()
		if most := enoughLines/maxWrite + 1; len(calls) > most {
			t.Errorf("%d calls, want at most %d", len(calls), most)
		}
		for _, call := range calls {
			if !strings.HasSuffix(call, "\n") || len(call) > maxWrite && call != long {
				t.Errorf("a call writes %d bytes: %.120q", len(call), call)
			}
		}
		if written := len(strings.Join(calls, "")); written < enoughLines {
			t.Errorf("%d bytes were written", written)
		}
		b.close(flushTime)
	})
}

// BenchmarkBacklog logs downloads that come one by one, a thousand within gatherTime. The
// option -cpu 1 counts all work of the writing goroutine.
func BenchmarkBacklog(b *testing.B) {
	e := host.Event{Kind: host.Downloaded, Session: 7, Client: client, User: "alice", Path: "/pub/file.txt", Bytes: 1024}
	bench := func(name string, to io.Writer) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; n < b.N; n += 1000 {
				lines := newBacklog(to, "text")
				o := newObserver(lines.logger("text"))
				for range min(1000, b.N-n) {
					o.Observe(e)
					runtime.Gosched()
				}
				lines.close(time.Minute)
			}
		})
	}
	f, err := os.Create(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	bench("file", f)
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	go io.Copy(io.Discard, r)
	bench("pipe", w)
	bench("none", io.Discard)
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
		r := newRepetitions(b.logger("text").Handler())
		o := newObserver(slog.New(r))
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
