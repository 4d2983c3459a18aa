package fsbridge

import (
	"io/fs"
	"syscall"
)

// WASI has no flag that keeps an open from waiting for the other end of a pipe, so that
// files are described before they are opened.
const openFlags, statFirst = 0, true

// WASI's names are UTF-8. A component that passes other bytes traps.
const unicodeOnly = true

// typed is info as a server shows it. WASI has no permissions: typed adds those that new
// files usually have elsewhere. WASI tells of a pipe only that its type is unknown, and
// package os then takes it for a regular file: typed marks it as irregular.
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
