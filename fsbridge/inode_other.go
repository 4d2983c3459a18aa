//go:build !unix

package fsbridge

import (
	"io/fs"
	"os"
)

// perhapsNameless says whether a file may have no name any more: its description does
// not tell here.
func perhapsNameless(fs.FileInfo) bool { return true }

// giveAway has nothing to do: files have no owners here.
func giveAway(_ *os.File, _, _ fs.FileInfo) bool { return true }

// keep has nothing to do: a missing lock alone makes no leftover of a file here.
func (h *hold) keep() error { return nil }

// linksOf is how many names a file has, 1 where that is not known.
func linksOf(fs.FileInfo) uint32 { return 1 }
