//go:build !linux

package main

import (
	"io/fs"
	"os"
)

// inode tells a folder from all others.
type inode struct{ info fs.FileInfo }

func inodeOf(path string) (inode, error) {
	info, err := os.Stat(path)
	if err != nil {
		return inode{}, unopened(path, err)
	}
	return inode{info}, nil
}

func (i inode) same(as inode) bool { return os.SameFile(i.info, as.info) }
