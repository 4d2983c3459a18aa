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
	allocated uint64 // bytes in all, at the latest look
	kept      uint64 // bytes that stayed resident when memory was last given back
}

// untouched is memory that is never used, and so takes none. Go lets a heap grow to twice of what
// is in use: without it a server of few sessions would collect garbage after each thousand files.
var untouched = make([]byte, 4<<20)

const (
	quietFor     = 2 * time.Second // between two looks
	quietly      = 1 << 20         // bytes that a quiet server allocates between them at most
	worthReclaim = 1 << 20         // bytes
)

// follow gives back what starting has used, and then memory in quiet times until ctx ends.
func (m *memory) follow(ctx context.Context) {
	m.giveBack()
	defer runtime.KeepAlive(untouched)
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
	m.allocated, m.kept = now.TotalAlloc, resident(&now)
}

// look says whether there is memory worth giving back, and little was allocated since the
// last look: a busy server needs the memory again at once.
func (m *memory) look(now *runtime.MemStats) bool {
	quiet := now.TotalAlloc-m.allocated < quietly
	m.allocated = now.TotalAlloc
	return quiet && resident(now) > m.kept+worthReclaim
}

// resident is how many bytes the heap has from the system.
func resident(m *runtime.MemStats) uint64 { return m.HeapSys - m.HeapReleased }
