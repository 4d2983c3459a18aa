//go:build unix

package wasm

import (
	"context"
	"syscall"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// mappedMemory is an instance's linear memory outside Go's heap, so that Free gives it
// back to the system. It is address space for the largest size; the system adds memory as
// pages are touched.
type mappedMemory struct{ space []byte }

// mapMemory reserves address space for limit bytes.
func mapMemory(limit uint64) (*mappedMemory, error) {
	space, err := syscall.Mmap(-1, 0, int(limit), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	return &mappedMemory{space}, nil
}

// within returns a context in which the runtime gives an instance this memory.
func (m *mappedMemory) within(ctx context.Context) context.Context {
	return experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(
		func(uint64, uint64) experimental.LinearMemory { return m }))
}

// of is the memory of the instance to which the runtime gave it.
func (m *mappedMemory) of(api.Module) []byte { return m.space }

// Reallocate implements [experimental.LinearMemory]: the first size bytes, always at the
// same address, or nil if there are fewer.
func (m *mappedMemory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.space)) {
		return nil
	}
	return m.space[:size:size]
}

// Free gives the memory back to the system. No guest code may run after it.
func (m *mappedMemory) Free() {
	if m.space != nil {
		syscall.Munmap(m.space)
		m.space = nil
	}
}
