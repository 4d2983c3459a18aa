//go:build wasip1

package main

import "unsafe"

const (
	foreverSize = 256 << 10
	listSize    = 128 << 10
	alignment   = 16 // the largest that is asked for
)

// Memory for the other side of an import. The import asks for it by calling back into this
// module; Go can neither allocate nor collect then, so the memory is static. The adapter of
// preview 1 keeps what it gets for ever. A list that one of our imports returns is valid
// until the next one returns a list.
var (
	forever     [foreverSize + alignment]byte
	foreverUsed uintptr
	lent        [listSize + alignment]byte
	lending     bool // during an import of ours that returns a list
)

// reallocate is the canonical ABI's allocator. It ignores the first two parameters, an
// allocation to enlarge and its size, because nobody here enlarges one.
//
//go:wasmexport cabi_realloc
//go:nosplit
func reallocate(_, _, align, size uint32) uint32 {
	arena, used := uintptr(unsafe.Pointer(&forever)), foreverUsed
	end := arena + foreverSize + alignment
	if lending {
		arena, used = uintptr(unsafe.Pointer(&lent)), 0
		end = arena + listSize + alignment
	}
	p := (arena + used + uintptr(align) - 1) &^ (uintptr(align) - 1)
	if p+uintptr(size) > end {
		return ^uint32(0) // outside the memory: the caller traps
	}
	if !lending {
		foreverUsed = p + uintptr(size) - arena
	}
	return uint32(p)
}

// borrow is the list that an import has just returned. It is valid until the next such
// call.
func borrow(list, length uint32) []byte {
	if length == 0 {
		return nil
	}
	at := uintptr(list) - uintptr(unsafe.Pointer(&lent))
	return lent[at : at+uintptr(length)]
}
