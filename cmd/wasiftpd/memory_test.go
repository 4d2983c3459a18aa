package main

import (
	"context"
	"runtime"
	"testing"
)

// Memory is given back in quiet times, and only if there is enough of it.
func TestThreat35MemoryComesBack(t *testing.T) {
	t.Parallel()
	m := memory{allocated: 500 << 20, kept: 50 << 20}
	for i, c := range []struct {
		allocated, heap uint64
		want            bool
	}{
		{900 << 20, 200 << 20, false},     // a crowd is at work
		{900<<20 + 1000, 200 << 20, true}, // it has gone
		{901 << 20, 51 << 20, false},
		{905 << 20, 300 << 20, false},
		{910 << 20, 300 << 20, false},
		{910 << 20, 52 << 20, true},
	} {
		now := runtime.MemStats{TotalAlloc: c.allocated, HeapSys: c.heap + 1<<20, HeapReleased: 1 << 20}
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
