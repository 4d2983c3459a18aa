package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"
)

// memory gives memory back to the system when the server has become quiet. Left alone, Go
// collects the garbage of a crowd only when as much again is allocated, or after minutes,
// and gives back little of it.
type memory struct {
	collections uint32 // Go's count of them at the latest look
	kept        uint64 // bytes that stayed resident when memory was last given back
}

const (
	quietFor     = 20 * time.Second // between two looks
	worthReclaim = 8 << 20          // bytes
)

// follow gives back what starting has used, and then memory in quiet times until ctx ends.
func (m *memory) follow(ctx context.Context) {
	m.giveBack()
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
		if m.look(&now) {
			m.giveBack()
		}
	}
}

// giveBack collects garbage and gives all free memory back.
func (m *memory) giveBack() {
	debug.FreeOSMemory()
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	m.collections, m.kept = now.NumGC, resident(&now)
}

// look says whether there is memory worth giving back, and Go has not collected garbage
// since the last look: a busy server collects, and needs the memory again at once.
func (m *memory) look(now *runtime.MemStats) bool {
	quiet := now.NumGC == m.collections
	m.collections = now.NumGC
	return quiet && resident(now) > m.kept+worthReclaim
}

// resident is how many bytes the heap has from the system.
func resident(m *runtime.MemStats) uint64 { return m.HeapSys - m.HeapReleased }
