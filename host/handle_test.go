package host

import (
	"math/rand/v2"
	"testing"

	"wasiftp/wasi"
)

func TestHandleIsOfOneKind(t *testing.T) {
	t.Parallel()
	var table handles
	s := &session{}
	handle, ok := table.add(s)
	if !ok || handle == 0 {
		t.Fatalf("add: %d, %v", handle, ok)
	}
	if got, errno := get[*session](&table, handle); got != s || errno != wasi.OK {
		t.Errorf("its own kind: %p, %v", got, errno)
	}
	if got, errno := get[*openFile](&table, handle); got != nil || errno != wasi.EBADF {
		t.Errorf("another kind: %p, %v", got, errno)
	}
	if _, errno := get[object](&table, handle); errno != wasi.EBADF {
		t.Errorf("a session is an object that a session owns: %v", errno)
	}
	l := &listener{session: s}
	handle, _ = table.add(l)
	if got, errno := get[object](&table, handle); got != object(l) || errno != wasi.OK {
		t.Errorf("a listener is no object: %v", errno)
	}
}

func TestHandleIsGoneAfterItsEnd(t *testing.T) {
	t.Parallel()
	var table handles
	s := &session{}
	old, _ := table.add(s)
	table.remove(old)
	table.remove(old)
	if _, errno := get[*session](&table, old); errno != wasi.EBADF {
		t.Errorf("after its end: %v", errno)
	}
	next, _ := table.add(s)
	if next == old {
		t.Error("the number is used again at once")
	}
	if next&placeMask != old&placeMask {
		t.Error("the place is not used again")
	}
	table.remove(old) // no longer the handle of that place
	if _, errno := get[*session](&table, next); errno != wasi.OK {
		t.Errorf("the next in its place: %v", errno)
	}
	if len(table.free) != 0 || len(table.places) != 1 {
		t.Errorf("%d places, %d free", len(table.places), len(table.free))
	}
}

// The count of uses wraps at the end of its bits, and never changes the place.
func TestHandleGenerations(t *testing.T) {
	t.Parallel()
	var table handles
	seen := map[uint32]bool{}
	s := &session{}
	for range 1 << (32 - placeBits) {
		handle, ok := table.add(s)
		if !ok || handle&placeMask != 1 || seen[handle] {
			t.Fatalf("handle %#x, %v, after %d", handle, ok, len(seen))
		}
		seen[handle] = true
		table.remove(handle)
	}
	if handle, _ := table.add(s); handle&placeMask != 1 {
		t.Errorf("after the last generation: %#x", handle)
	}
}

func TestHandlesThatWereNeverGiven(t *testing.T) {
	t.Parallel()
	var table handles
	given, _ := table.add(&session{})
	for range 10_000 {
		handle := rand.Uint32()
		if _, errno := get[*session](&table, handle); (errno == wasi.OK) != (handle == given) {
			t.Fatalf("handle %#x: %v", handle, errno)
		}
		if handle != given {
			table.remove(handle)
		}
	}
	for _, handle := range []uint32{0, given + 1, given | 1<<31, placeMask, 1 << placeBits} {
		if _, errno := get[*session](&table, handle); errno != wasi.EBADF {
			t.Errorf("handle %#x: %v", handle, errno)
		}
	}
}

func TestHandlesRunOut(t *testing.T) {
	t.Parallel()
	var table handles
	s := &session{}
	table.places = make([]place, maxObjects-1)
	last, ok := table.add(s)
	if !ok || last&placeMask == 0 {
		t.Fatalf("the last place: %#x, %v", last, ok)
	}
	if _, ok := table.add(s); ok {
		t.Error("there is one more than the places")
	}
	table.remove(last)
	if _, ok := table.add(s); !ok {
		t.Error("a place that is free again is not used")
	}
}
