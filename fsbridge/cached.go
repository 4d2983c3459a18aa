package fsbridge

import (
	"io/fs"

	"wasiftp/wasi"
)

// cacher is a [way] that can read what the system has in memory.
type cacher interface {
	readCached(name string, offset int64, room []byte) (info fs.FileInfo, n int, ok bool)
}

// ReadCached reads the file name from offset to its end, without waiting for a disk. It
// reports false if that is not to be had, whatever the reason: the file is not in memory,
// or not smaller than room, or no regular file, or name goes through a symbolic link. Then
// [Access.Open] is to be called. So far only Linux reads files in this way, only those of
// its local file systems, and only in a [*Dir] itself: a storage that has a Dir in it may
// override Open.
func (a *Access) ReadCached(name string, offset int64, room []byte) (info fs.FileInfo, n int, ok bool) {
	dir, ok := a.FS.(*Dir)
	if !ok || a.may(wasi.RightRead, name) != nil || check("open", name) != nil {
		return nil, 0, false
	}
	c, ok := dir.way.(cacher)
	if !ok {
		return nil, 0, false
	}
	return c.readCached(name, offset, room)
}
