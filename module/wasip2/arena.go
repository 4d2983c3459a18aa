//go:build wasip1

package main

import "unsafe"

const (
	foreverSize = 256 << 10
	listSize    = 128 << 10
	alignment   = 16 // the most that anything here asks for
)

// Memory that the other side of an import fills. It asks for it by a call back
// into this module, in the midst of which Go can neither allocate nor collect, so
// all of it stands ready. What the adapter of preview 1 asks for, it keeps for
// good; a list that one of our imports returns is lent until the next one.
var (
	forever     [foreverSize + alignment]byte
	foreverUsed uintptr
	lent        [listSize + alignment]byte
	lending     bool // an import that returns a list is at work
)

// reallocate is what the canonical ABI calls for memory. It has never given any
// that could grow, so what there was before does not matter.
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
		return ^uint32(0) // which the caller cannot use: it traps
	}
	if !lending {
		foreverUsed = p + uintptr(size) - arena
	}
	return uint32(p)
}

// borrow is a list that an import has just returned. It is good until the next
// such call.
func borrow(list, length uint32) []byte {
	if length == 0 {
		return nil
	}
	at := uintptr(list) - uintptr(unsafe.Pointer(&lent))
	return lent[at : at+uintptr(length)]
}
