package fsbridge

import (
	"io/fs"
	"math"
	"time"

	"wasiftp/wasi"
)

// StatOf makes a record of the boundary from a file's description.
func StatOf(info fs.FileInfo) wasi.Stat {
	mode := uint32(wasi.TypeOther)
	switch info.Mode().Type() {
	case 0:
		mode = wasi.TypeRegular
	case fs.ModeDir:
		mode = wasi.TypeDir
	case fs.ModeSymlink:
		mode = wasi.TypeLink
	}
	return wasi.Stat{
		ModTime: unixNano(info.ModTime()), Size: uint64(max(info.Size(), 0)),
		Mode: mode | bitsOf(info.Mode()), Links: linksOf(info), Created: createdOf(info),
	}
}

// createdOf is when a file was created, in ns since 1970; 0 if that is not known.
func createdOf(info fs.FileInfo) int64 {
	if c, ok := info.(interface{ Created() time.Time }); ok {
		return unixNano(c.Created())
	}
	return 0
}

// unixNano is a time in ns since 1970, 0 for one that int64 cannot hold.
func unixNano(t time.Time) int64 { return nanoseconds(t.Unix(), int64(t.Nanosecond())) }

// nanoseconds is [unixNano] of a time in seconds and nanoseconds.
func nanoseconds(s, ns int64) int64 {
	const most = math.MaxInt64/1_000_000_000 - 1
	if s < -most || s > most || ns < 0 || ns >= 1_000_000_000 {
		return 0
	}
	return s*1_000_000_000 + ns
}

// upperBits are the mode bits whose values in [fs.FileMode] differ from the system's.
var upperBits = [...]struct {
	bit  uint32
	mode fs.FileMode
}{{0o4000, fs.ModeSetuid}, {0o2000, fs.ModeSetgid}, {0o1000, fs.ModeSticky}}

// bitsOf are a mode's permission bits and upperBits, as the system has them.
func bitsOf(mode fs.FileMode) uint32 {
	bits := uint32(mode.Perm())
	for _, upper := range upperBits {
		if mode&upper.mode != 0 {
			bits |= upper.bit
		}
	}
	return bits
}

// ModeOf makes a mode from permission bits of the boundary, 0o7777. It ignores the others.
func ModeOf(bits uint32) fs.FileMode {
	mode := fs.FileMode(bits).Perm()
	for _, upper := range upperBits {
		if bits&upper.bit != 0 {
			mode |= upper.mode
		}
	}
	return mode
}
