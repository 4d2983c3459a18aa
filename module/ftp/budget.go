package ftp

import "math/bits"

// The unit of work is one turn of the pattern matcher's loop, some 25 ns in WebAssembly.
// A session works for at most turnWork at a time, about a millisecond, and the engine for
// stepWork a step, about ten: the host ends all sessions of an engine whose step takes too
// long.
const (
	stepWork = 400 << 10
	turnWork = 32 << 10

	unitWork    = 400 // for a command, a piece that is sent, a folder that is opened
	lineWork    = 4   // for a byte of a line
	entryWork   = 32  // for an entry of a folder
	compareWork = 6   // for comparing two names when sorting
	bytesOfWork = 4   // bytes that are written for one unit of work
)

// sortWork is the work of sorting n names.
func sortWork(n int) int { return n * bits.Len(uint(n)) * compareWork }

// Limits of the memory of all listings together, in bytes. Above spareMemory a listing
// gets no more than it must have: it sorts fewer lines, and reads large trees more often.
// Above listMemory no listing begins. Each counts as listingReserve at least, for it may
// need so much even then.
const (
	spareMemory    = 32 << 20
	listMemory     = 96 << 20
	listingReserve = 128 << 10
)

// scarce reports whether the listings have taken most of the memory for them.
func (e *Engine) scarce() bool { return e.listed > spareMemory }

// measure updates the engine's count by the memory that a listing takes now.
func (e *Engine) measure(l *listing) {
	size := max(l.size(), listingReserve)
	e.listed += size - l.counted
	l.counted = size
}
