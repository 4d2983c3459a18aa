//go:build !windows

package main

import (
	"os"
	"syscall"
)

// appendTo opens a file to append to. Who is in the file's group may read it: names of users
// and files are in it. Root follows no link, for whoever may write to the folder could have
// made one to any file.
func appendTo(path string) (*os.File, error) {
	flags := os.O_APPEND | os.O_CREATE | os.O_WRONLY
	if os.Geteuid() == 0 {
		flags |= syscall.O_NOFOLLOW
	}
	return os.OpenFile(path, flags, 0o640)
}
