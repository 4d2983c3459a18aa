package fsbridge

import (
	"io/fs"
	"syscall"
)

// WASI has no flag that keeps an open from waiting for the other end of a pipe.
const openFlags, statFirst = 0, true

// WASI's names are UTF-8. A component that says another one ends there and then.
const unicodeOnly = true

// typed is info as a server shows it. WASI has no permissions: those are what new files
// mostly have elsewhere. A pipe is a regular file to package os: WASI says of it that its
// type is unknown.
func typed(info fs.FileInfo) fs.FileInfo {
	mode := info.Mode().Type() | 0o644
	if info.IsDir() {
		mode |= 0o111
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Filetype == syscall.FILETYPE_UNKNOWN {
		mode |= fs.ModeIrregular
	}
	return described{info, mode}
}

type described struct {
	fs.FileInfo
	mode fs.FileMode
}

func (d described) Mode() fs.FileMode { return d.mode }
