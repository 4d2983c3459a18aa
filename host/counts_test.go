package host

import (
	"log/slog"
	"testing"
	"time"

	"wasiftp/wasi"
)

// An instance that traps is counted, and so is the fuel that it has burnt.
func TestCountsOfTrap(t *testing.T) {
	t.Parallel()
	unreachable := []byte{0x00}
	s := &Server{program: handmade(t, unreachable), began: time.Now(), logger: slog.New(slog.DiscardHandler)}
	s.setup.Store(&setup{Config: Config{Limits: Limits{StepTime: time.Minute}}, briefing: &briefing{}})
	sh := newShard(s)
	if err := sh.ready(); err != nil {
		t.Fatal(err)
	}
	if now := s.counter.sum(); now.Instances != 1 || now.Memory != 64<<10 || now.Failed != 0 {
		t.Errorf("%+v", now)
	}
	sh.events = []wasi.Event{{Kind: wasi.EventClock}}
	sh.step()
	now := s.counter.sum()
	if now.Started != 1 || now.Failed != 1 || now.Steps != 1 || now.Fuel == 0 || now.Instances != 0 || now.Memory != 0 {
		t.Errorf("%+v", now)
	}
}
