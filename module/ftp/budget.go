package ftp

import "math/bits"

// Work is counted in turns of the pattern matcher's loop, each some 25 ns in
// WebAssembly. A session that has much to do gets a turn at a time, of about a
// millisecond, and an engine does no more in a step than ten milliseconds take: the
// host ends all sessions of an engine that is away for too long.
const (
	stepWork = 400 << 10
	turnWork = 32 << 10

	unitWork    = 400 // a command, a piece that is sent, a folder that is opened
	lineWork    = 4   // a byte of a line
	entryWork   = 32  // an entry of a folder
	compareWork = 6   // two names that are to be sorted
	bytesOfWork = 4   // so many bytes that are written
)

// sortWork is what it costs to sort n names.
func sortWork(n int) int { return n * bits.Len(uint(n)) * compareWork }

// The memory of listings, all sessions' together. Beyond spareMemory none grows
// any more: less is sorted, and large trees are read more often. Beyond
// listMemory none begins. Each counts for listingReserve at least, which is what
// it can need then.
const (
	spareMemory    = 32 << 20
	listMemory     = 96 << 20
	listingReserve = 128 << 10
)

// scarce reports whether the listings that are on their way have taken most of
// the memory there is for them.
func (e *Engine) scarce() bool { return e.listed > spareMemory }

// measure counts the memory that a listing has by now.
func (e *Engine) measure(l *listing) {
	size := max(l.size(), listingReserve)
	e.listed += size - l.counted
	l.counted = size
}
