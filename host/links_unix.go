//go:build unix

package host

import (
	"io/fs"
	"syscall"
)

// linksOf is how many names a file has, 1 where that is not known.
func linksOf(info fs.FileInfo) uint32 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint32(stat.Nlink)
	}
	return 1
}
