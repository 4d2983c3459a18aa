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

// CutOptions is cutOptions.
func CutOptions(arg string) (all, recursive, classify, itself bool, pathname string) {
	o, rest := cutOptions([]byte(arg))
	return o.all, o.recursive, o.classify, o.itself, string(rest)
}

// SessionSize is how many bytes a session takes.
const SessionSize = unsafe.Sizeof(session{})
