//go:build !unix

package fsbridge

import (
	"io/fs"
	"os"
)

// maybeUnlinked says whether a file may have lost its name. It is true: its description
// does not tell here.
func maybeUnlinked(fs.FileInfo) bool { return true }

// chownLike has nothing to do: files have no owners here.
func chownLike(_ *os.File, _, _ fs.FileInfo) bool { return true }

// keep has nothing to do: here, a sweep does not remove a file only because no lock is
// on it.
func (h *hold) keep() error { return nil }

// linksOf is how many names a file has, or 1: its description does not tell here.
func linksOf(fs.FileInfo) uint32 { return 1 }

// SameFile says whether two descriptions are of the same file.
func SameFile(a, b fs.FileInfo) bool { return os.SameFile(a, b) }
