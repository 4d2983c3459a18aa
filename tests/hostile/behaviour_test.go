package hostile

import (
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"wasiftp/host"
	"wasiftp/wasi"
	"wasiftp/wasi/hosttest/kit"
)

// failures are ways for a guest to fail, as lines that it obeys.
var failures = []string{"panic", "exit 0", "exit 1", "overflow", "hoard", "loop", "sleep 3600000000000",
	"sleep 18446744073709551615"}

func TestThreat31Failures(t *testing.T) {
	t.Parallel()
	for _, failure := range failures {
		t.Run(failure, func(t *testing.T) {
			t.Parallel()
			endsAlone(t, failure)
		})
	}
}

// A guest that calls an import without end is stopped as well.
func TestThreat31EndlessImports(t *testing.T) {
	t.Parallel()
	for _, n := range []int{wasi.EventsRead, wasi.NetWrite, wasi.NetListen, wasi.FileStat} {
		t.Run(wasi.Table[n].Name, func(t *testing.T) {
			t.Parallel()
			endsAlone(t, "spin "+kit.Numbers(n, make([]uint64, len(wasi.Table[n].ValueTypes()))...))
		})
	}
}

// endsAlone makes the guest fail. It checks that only the guest's own session ends, with
// 421, and that the next session is served.
func endsAlone(t *testing.T, failure string) {
	t.Helper()
	s := newGuestStage(t, func(c *host.Config) { alone(c); shortSteps(c) })
	victim, other := s.puppet(), s.puppet()
	victim.Send("%s", failure)
	other.lives()
	victim.ends()
	other.lives()
	s.puppet().lives()
}

// The sessions of one instance share its fate, and each is told.
func TestThreat31InstanceTakesItsSessions(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, nil)
	var sessions []*puppet
	for range 8 {
		sessions = append(sessions, s.puppet())
	}
	sessions[0].Send("panic")
	for _, p := range sessions {
		p.ends()
	}
	s.puppet().lives()
	s.logs("an instance failed", 1)
	s.logs("the guest panics", 1)
}

// The guest fails right after each import, whatever that has begun.
func TestThreat31FailsAtEveryImport(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, alone)
	witness := s.puppet()
	for n, i := range wasi.Table {
		if n == wasi.HandleClose || n == wasi.NetWrite {
			continue // the session's last words are then no 421
		}
		c := s.cast()
		s.files.Remove("file of " + t.Name())
		c.Poke(kit.BufferAt, []byte(strings.Repeat("name", 64)))
		args, _ := c.args(i)
		c.Send("call %s\npanic", kit.Numbers(n, args...))
		c.ends()
	}
	witness.lives()
}

// New refuses a module that fails at its start, in one sentence.
func TestThreat31FailsAtStart(t *testing.T) {
	t.Parallel()
	module, err := guest()
	if err != nil {
		t.Fatal(err)
	}
	for _, failure := range append(failures, "refuse") {
		t.Run(failure, func(t *testing.T) {
			t.Parallel()
			leavesNothing(t)
			config := (&stage{t: t}).config(module)
			config.Logger = nil
			config.Greeting = failure
			shortSteps(&config)
			refused(t, func() error { return newAndClose(config) })
		})
	}
}

func newAndClose(config host.Config) error {
	s, err := host.New(config)
	if err == nil {
		s.Close()
	}
	return err
}

// refused checks that try fails within patience, with an error of one sentence, and
// returns the sentence.
func refused(t *testing.T, try func() error) string {
	t.Helper()
	result := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				result <- fmt.Errorf("panic:\n%v", p)
			}
		}()
		result <- try()
	}()
	select {
	case err := <-result:
		if err == nil {
			t.Fatal("it was taken")
		}
		if s := err.Error(); strings.ContainsAny(s, "\n") || len(s) > 300 {
			t.Errorf("not one sentence: %s", s)
		}
		return err.Error()
	case <-time.After(patience):
		t.Fatal("it hangs")
	}
	return ""
}

// Whatever time a guest names for its next step, the host serves its sessions and others.
func TestThreat31NextStep(t *testing.T) {
	t.Parallel()
	for _, next := range []uint64{1, math.MaxInt64, 1 << 63, 1<<63 + 1, math.MaxUint64} {
		t.Run(fmt.Sprint(int64(next)), func(t *testing.T) {
			t.Parallel()
			s := newGuestStage(t, alone)
			p, other := s.puppet(), s.puppet()
			p.Answer("next %d", next)
			for range 3 {
				p.lives()
				other.lives()
			}
		})
	}
}

// An engine that wants a step at once, again and again, although nothing happens, does
// not keep a processor busy for long.
func TestThreat31BusyEngine(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, alone)
	p, clock := s.puppet(), s.puppet()
	p.Answer("next 1")
	began, first := time.Now(), p.steps()
	for time.Since(began) < 100*time.Millisecond {
		clock.lives()
	}
	const patience = 1000 // what the host does before it takes naps
	steps, took := p.steps()-first, time.Since(began)
	if most := patience + 2*int(took/time.Millisecond); steps > most {
		t.Errorf("%d steps in %v", steps, took)
	}
}

func (p *puppet) steps() (n int) {
	p.t.Helper()
	if _, err := fmt.Sscanf(p.Answer("steps"), "steps %d", &n); err != nil {
		p.t.Fatal(err)
	}
	return n
}

// A guest that takes no events and closes no session keeps its sessions until the server
// ends. Others are served.
func TestThreat31DeafGuest(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, alone)
	p, other := s.puppet(), s.puppet()
	p.Answer("poke %d 00\ndeaf", p.At(0))
	for range 64 {
		p.Send("%s", strings.Repeat("x", 1000))
	}
	other.lives()
	gone := s.puppet()
	gone.Send("deaf")
	gone.Conn.Close()
	other.lives()
	s.server.Close()
	if _, err := io.ReadAll(p.Conn); err != nil {
		t.Logf("the deaf session ends with %v", err) // a reset: what it sent was never read
	}
}

func TestThreat31PrintsWithoutEnd(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, alone)
	p := s.puppet()
	p.Answer("print %d", 8<<20)
	p.lives()
	p.Send("panic")
	p.ends()
	if n := len(s.log.String()); n > 10_000 {
		t.Errorf("%d bytes of log", n)
	}
}
