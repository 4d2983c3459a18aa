package ftp

import "unsafe"

// What the tests in package ftp_test check by itself.
var (
	AppendResolved    = appendResolved
	AppendTime        = appendTime
	AppendLsTime      = appendLsTime
	ParseTime         = parseTime
	ParsePort         = parsePort
	ParseExtendedPort = parseExtendedPort
	Match             = match
)

// CutOptions is cutOptions; flags are the letters of the options that count.
func CutOptions(arg string) (flags, pathname string) {
	o, rest := cutOptions([]byte(arg))
	for i, on := range []bool{o.all, o.recursive, o.classify, o.itself, o.key == byTime, o.key == bySize, o.reverse} {
		if on {
			flags += "aRFdtSr"[i : i+1]
		}
	}
	return flags, string(rest)
}

// SessionSize is how many bytes a session takes.
const SessionSize = unsafe.Sizeof(session{})

// Sizes are what the engine takes for the sizes of some types, and what they are.
var Sizes = [][2]uintptr{
	{levelSize, unsafe.Sizeof(level{})}, {rankedSize, unsafe.Sizeof(ranked{})},
}

// ListingSize is how many bytes the buffers of a session's listing take.
func ListingSize(e *Engine, session Handle) int {
	if l := e.sessions[session].transfer.list; l != nil {
		return l.size()
	}
	return 0
}
