package host

import (
	"testing"
	"time"

	"wasiftp/host/wasmtest"
	"wasiftp/wasi"
)

// TestThreat35Memory: an instance whose memory has grown is replaced when its last session
// is over, and gets no new sessions meanwhile if another instance can have them.
func TestThreat35Memory(t *testing.T) {
	t.Parallel()
	const most = 16 << 20 // bytes by which a kept instance may have grown
	const pages = most>>16 + 1
	s := &Server{
		program: handmadeWithin(t, 2*most, wasmtest.Body(wasmtest.GrowMemory(pages), wasmtest.Drop)), began: time.Now(),
	}
	s.setup.Store(&setup{Config: Config{Instances: 2, Limits: Limits{StepTime: time.Minute}}, briefing: &briefing{}})
	calm, large := newShard(s), newShard(s)
	calm.reserved, large.reserved = 2, 1
	s.shards = []*shard{calm, large}
	if s.chooseShard() != large {
		t.Error("a session is placed where there are more")
	}
	step := func() {
		if large.ready() != nil {
			t.Fatal("there is no instance")
		}
		large.events = []wasi.Event{{Kind: wasi.EventClock}}
		large.step()
	}
	large.sessions = 1
	step()
	first := large.instance
	if first == nil || s.chooseShard() != calm {
		t.Fatal("a session is placed where there is a large instance")
	}
	large.sessions = 0
	step()
	if large.instance != nil || s.chooseShard() != large {
		t.Error("a large instance outlives its sessions")
	}
	large.sessions = 1
	if large.ready() != nil || large.instance.Large() {
		t.Error("the next session gets no small one")
	}
	large.close()
}

// A second instance is made when the engine has just run, or for many sessions, but not for
// a client that comes while the others rest. That wastes 2 MiB, and this a processor.
func TestInstancesByNeed(t *testing.T) {
	t.Parallel()
	const rested = int64(time.Minute)
	for name, c := range map[string]struct {
		sessions int
		ran      int64 // ns ago
		another  bool
	}{
		"nobody":             {0, 0, false},
		"one at rest":        {1, rested, false},
		"one at work":        {1, 0, true},
		"some at rest":       {manySessions - 1, rested, false},
		"many":               {manySessions, rested, true},
		"one that never ran": {1, time.Now().UnixNano(), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &Server{began: time.Now()}
			s.setup.Store(&setup{Config: Config{Instances: 2}})
			first := newShard(s)
			first.reserved = c.sessions
			now, _ := s.clock()
			first.ran.Store(now - c.ran)
			s.shards = []*shard{first}
			chosen := s.chooseShard()
			if (chosen != first) != c.another {
				t.Errorf("another is chosen: %t", chosen != first)
			}
			if chosen != first {
				chosen.do(func() { chosen.stop("") })
				if first.reserved = 100; s.chooseShard() != chosen {
					t.Error("there are more than Instances")
				}
			}
			s.running.Wait()
		})
	}
}

// A step makes the shard busy.
func TestBusyAfterAStep(t *testing.T) {
	t.Parallel()
	s := &Server{program: handmade(t, nil), began: time.Now()}
	s.setup.Store(&setup{Config: Config{Limits: Limits{StepTime: time.Minute}}, briefing: &briefing{}})
	sh := newShard(s)
	if err := sh.ready(); err != nil {
		t.Fatal(err)
	}
	defer sh.close()
	before, _ := s.clock()
	sh.events = []wasi.Event{{Kind: wasi.EventClock}}
	if sh.step(); sh.ran.Load() < before {
		t.Errorf("it ran at %d; want %d or later", sh.ran.Load(), before)
	}
}
