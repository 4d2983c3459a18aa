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
		config: Config{Instances: 2, Limits: Limits{StepTime: time.Minute}},
	}
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
	large.sessions[1] = &session{}
	step()
	first := large.instance
	if first == nil || s.chooseShard() != calm {
		t.Fatal("a session is placed where there is a large instance")
	}
	delete(large.sessions, 1)
	step()
	if large.instance != nil || s.chooseShard() != large {
		t.Error("a large instance outlives its sessions")
	}
	large.sessions[1] = &session{}
	if large.ready() != nil || large.instance.Large() {
		t.Error("the next session gets no small one")
	}
	large.close()
}
