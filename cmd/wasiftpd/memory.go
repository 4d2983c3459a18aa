package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"
)

// memory is what the process has of the system's. What a crowd has left, Go would
// collect when as much again is allocated, or after minutes, and give back little
// of it: a server that has become quiet does so by itself.
type memory struct {
	collections uint32 // when it was last looked at
	kept        uint64 // bytes, when it was last given back
}

const (
	quietFor     = 20 * time.Second
	worthReclaim = 8 << 20
)

// follow gives memory back in quiet times until ctx ends.
func (m *memory) follow(ctx context.Context) {
	tick := time.NewTicker(quietFor)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		if !m.look(&now) {
			continue
		}
		debug.FreeOSMemory()
		runtime.ReadMemStats(&now)
		m.collections, m.kept = now.NumGC, resident(&now)
	}
}

// look says whether there is memory worth giving back, and nothing has been
// collected since the last look: who is busy collects, and needs it again at once.
func (m *memory) look(now *runtime.MemStats) bool {
	quiet := now.NumGC == m.collections
	m.collections = now.NumGC
	return quiet && resident(now) > m.kept+worthReclaim
}

// resident is how much of the heap the system has given.
func resident(m *runtime.MemStats) uint64 { return m.HeapSys - m.HeapReleased }
