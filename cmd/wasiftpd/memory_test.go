package main

import (
	"context"
	"runtime"
	"testing"
)

// Memory is given back in quiet times, and only if there is enough of it.
func TestThreat35MemoryComesBack(t *testing.T) {
	t.Parallel()
	m := memory{collections: 5, kept: 50 << 20}
	for i, c := range []struct {
		collections uint32
		heap        uint64
		want        bool
	}{
		{9, 200 << 20, false}, // a crowd is at work
		{9, 200 << 20, true},  // it has gone
		{9, 57 << 20, false},
		{12, 300 << 20, false},
		{13, 300 << 20, false},
		{13, 59 << 20, true},
	} {
		now := runtime.MemStats{NumGC: c.collections, HeapSys: c.heap + 1<<20, HeapReleased: 1 << 20}
		if got := m.look(&now); got != c.want {
			t.Errorf("look %d says %t", i, got)
		}
	}
}

// What starting has used goes back to the system at once.
func TestMemoryOfTheStart(t *testing.T) {
	t.Parallel()
	const size = 256 << 20
	garbage := make([]byte, size)
	for at := 0; at < size; at += 4096 {
		garbage[at] = 1
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	runtime.KeepAlive(garbage)
	ended, end := context.WithCancel(t.Context())
	end()
	new(memory).follow(ended)
	runtime.ReadMemStats(&after)
	if resident(&after)+size/2 > resident(&before) {
		t.Errorf("%d bytes stay of %d", resident(&after), resident(&before))
	}
}
