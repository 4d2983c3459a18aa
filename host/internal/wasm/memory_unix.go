//go:build unix

package wasm

import "syscall"

// mapsMemory says that instances keep their linear memory outside Go's heap, so
// that it goes back to the system with the instance.
const mapsMemory = true

// mappedMemory is address space for all that an instance may ever use; the
// system gives it memory as it is touched.
type mappedMemory struct{ space []byte }

// mapMemory reserves memory that can grow to limit bytes without moving.
func mapMemory(limit uint64) (*mappedMemory, error) {
	space, err := syscall.Mmap(-1, 0, int(limit), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	return &mappedMemory{space}, nil
}

// Reallocate gives the first size bytes, always at the same address, or nil.
func (m *mappedMemory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.space)) {
		return nil
	}
	return m.space[:size:size]
}

// Free gives the memory back. No guest code may run after it.
func (m *mappedMemory) Free() {
	if m.space != nil {
		syscall.Munmap(m.space)
		m.space = nil
	}
}
