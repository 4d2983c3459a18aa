package ftp

import "unsafe"

// Functions that package ftp_test tests by themselves.
var (
	AppendResolved    = appendResolved
	AppendTime        = appendTime
	AppendUint        = appendUint
	AppendPlain       = appendPlain
	AppendLsTime      = appendLsTime
	ParseTime         = parseTime
	ParsePort         = parsePort
	ParseExtendedPort = parseExtendedPort
	Match             = match
)

// CutOptions is cutOptions; flags are the letters of the options that are set.
func CutOptions(arg string) (flags, pathname string) {
	o, rest := cutOptions([]byte(arg))
	for i, on := range []bool{o.all, o.recursive, o.classify, o.itself, o.key == byTime, o.key == bySize, o.reverse} {
		if on {
			flags += "aRFdtSr"[i : i+1]
		}
	}
	return flags, string(rest)
}

// AppendColumns is appendLong for a file without times, and without owner and group.
func AppendColumns(info *FileInfo) string {
	var style longStyle
	appendLong(nil, &FileInfo{Links: info.Links + 1}, &style, 0) // which must leave no trace
	line := appendLong(nil, info, &style, 0)
	return string(line[:len(line)-len(" Jan  1 00:00 ")])
}

// SessionSize is how many bytes a session takes.
const SessionSize = unsafe.Sizeof(session{})

// BufferSizes is how many bytes a session's buffers for lines and replies have.
func BufferSizes(e *Engine, session Handle) int {
	s := e.sessions.get(session)
	return cap(s.lines.buf) + cap(s.unsent)
}

// Sizes has pairs of the size that the engine assumes for a type and its real size.
var Sizes = [][2]uintptr{
	{levelSize, unsafe.Sizeof(level{})}, {rankedSize, unsafe.Sizeof(ranked{})},
}

// ListingSize is how many bytes the buffers of a session's listing take.
func ListingSize(e *Engine, session Handle) int {
	if l := e.sessions.get(session).transfer.list; l != nil {
		return l.size()
	}
	return 0
}
