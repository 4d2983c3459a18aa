//go:build unix

package main

import (
	"io/fs"
	"syscall"
)

// owners are the user and the group that own a file.
func owners(info fs.FileInfo) (uid, gid int, known bool) {
	stat, known := info.Sys().(*syscall.Stat_t)
	if !known {
		return 0, 0, false
	}
	return int(stat.Uid), int(stat.Gid), true
}
