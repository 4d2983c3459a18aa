package fsbridge

import (
	"io/fs"
	"syscall"
)

// WASI has no flag that keeps an open from waiting for the other end of a pipe.
const openFlags, statFirst = 0, true

// WASI's names are UTF-8. A component that says another one ends there and then.
const unicodeOnly = true

// typed is info without a fault of os, to which a pipe is a regular file here:
// WASI says of it that its type is unknown.
func typed(info fs.FileInfo) fs.FileInfo {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Filetype == syscall.FILETYPE_UNKNOWN {
		return irregular{info}
	}
	return info
}

type irregular struct{ fs.FileInfo }

func (i irregular) Mode() fs.FileMode { return i.FileInfo.Mode() | fs.ModeIrregular }
