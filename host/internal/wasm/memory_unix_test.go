//go:build unix

package wasm

import (
	"testing"
	"time"
	"unsafe"

	"wasiftp/host/wasmtest"
)

func TestMappedMemoryStaysWhereItIs(t *testing.T) {
	t.Parallel()
	const limit = 8 << 20
	m, err := mapMemory(limit)
	if err != nil {
		t.Fatal(err)
	}
	first := m.Reallocate(64 << 10)
	first[0] = 42
	for _, size := range []uint64{0, 64 << 10, 1 << 20, limit} {
		b := m.Reallocate(size)
		if uint64(len(b)) != size || uint64(cap(b)) != size || unsafe.SliceData(b) != unsafe.SliceData(first) {
			t.Errorf("%d bytes: %d at %p", size, len(b), b)
		}
	}
	all := m.Reallocate(limit)
	if all[0] != 42 || all[limit-1] != 0 {
		t.Error("it is not what it was")
	}
	all[limit-1] = 1
	for _, size := range []uint64{limit + 1, limit + 64<<10, 1 << 63} {
		if b := m.Reallocate(size); b != nil {
			t.Errorf("%d bytes of %d", size, limit)
		}
	}
	m.Free()
	m.Free()
	if m.Reallocate(1) != nil {
		t.Error("there is memory after its end")
	}
}

func TestMemoryThatCannotBeHad(t *testing.T) {
	t.Parallel()
	if _, err := mapMemory(1 << 62); err == nil {
		t.Fatal("the system has 4 EiB")
	}
	p := handmade(t, nil)
	p.memory = 1 << 62
	if _, err := p.Instantiate(nil, time.Minute); err == nil {
		t.Error("there is an instance without memory")
	}
}

// Close gives the instance's memory back, however its last call ended.
func TestMemoryGoesBack(t *testing.T) {
	t.Parallel()
	for name, step := range map[string][]byte{
		"after all was well": nil, "after a trap": wasmtest.Unreachable, "after a loop": wasmtest.Forever(),
		"after it grew": wasmtest.Body(wasmtest.GrowMemory(100), wasmtest.Drop),
	} {
		i, err := handmade(t, step).Instantiate(nil, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		i.Advance(0, 0)
		if len(i.memory.space) == 0 {
			t.Errorf("%s: it is gone before the end", name)
		}
		i.Close()
		if len(i.memory.space) > 0 {
			t.Errorf("%s: %d bytes are still mapped", name, len(i.memory.space))
		}
	}
}

// Memory does not grow beyond its limit, and memory.grow tells the guest.
func TestMemoryEndsAtItsLimit(t *testing.T) {
	t.Parallel()
	const pages = someMemory >> 16
	refused := func(n int32) []byte { // traps unless growing by n pages is refused
		return wasmtest.Body(wasmtest.GrowMemory(n), wasmtest.Const32(-1), wasmtest.Differ, wasmtest.If(wasmtest.Unreachable))
	}
	for name, step := range map[string][]byte{
		"a page too many":    refused(pages),
		"all there could be": refused(65535),
		"more than that":     refused(-1),
		"the last page": wasmtest.Body(wasmtest.GrowMemory(pages-1), wasmtest.Const32(-1), wasmtest.Equal,
			wasmtest.If(wasmtest.Unreachable), refused(1)),
	} {
		i, err := handmade(t, step).Instantiate(nil, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := i.Advance(0, 0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		i.Close()
	}
}
