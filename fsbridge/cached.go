package fsbridge

import (
	"io/fs"
	"os"

	"wasiftp/wasi"
)

// cacher is a [way] that can use what the system has in memory.
type cacher interface {
	readCached(name string, offset int64, room []byte) (info fs.FileInfo, n int, ok bool)
	createCached(d *Dir, name string, perm *fs.FileMode) (up Upload, there fs.FileInfo, ok bool)
}

// ReadCached reads the file name from offset to its end, without waiting for a disk. It
// reports false if that is not to be had, whatever the reason: the file is not in memory,
// or not smaller than room, or no regular file, or name goes through a symbolic link. Then
// [Access.Open] is to be called. So far only Linux reads files in this way, only those of
// its local file systems, and only in a [*Dir] itself: a storage that has a Dir in it may
// override Open.
func (a *Access) ReadCached(name string, offset int64, room []byte) (info fs.FileInfo, n int, ok bool) {
	c, _ := a.cacher(wasi.RightRead, name)
	if c == nil || check("open", name) != nil {
		return nil, 0, false
	}
	return c.readCached(name, offset, room)
}

// CreateCached is Create with [os.O_TRUNC], without waiting for a disk. It reports false,
// and has changed nothing, if that is not to be had, whatever the reason; then
// [Access.Create] is to be called. So far only Linux makes files in this way, only those of
// its file systems in memory, and only in a [*Dir] itself. A Write to the upload does not
// wait either, nor does Commit, while [Cached] says so. An account with a Quota has no such
// uploads: its lock may be held while another session waits for a disk.
func (a *Access) CreateCached(name string, perm *fs.FileMode) (up Upload, there fs.FileInfo, ok bool) {
	c, d := a.cacher(wasi.RightWrite|wasi.RightDelete, name)
	if c == nil || a.Quota != nil || d.options.Atomic || d.options.Sync || checkUpload(name, os.O_TRUNC, 0) != nil ||
		checkHidden("create", name) != nil {
		return nil, nil, false
	}
	return c.createCached(d, name, perm)
}

// cacher is the way of a Dir that can use what the system has in memory; nil for none, and
// without the rights.
func (a *Access) cacher(rights wasi.Rights, name string) (cacher, *Dir) {
	d, ok := a.FS.(*Dir)
	if !ok || a.allows(rights, name) != nil {
		return nil, nil
	}
	if _, rule := a.rule(name); rights&wasi.RightWrite != 0 && rule.limits() {
		return nil, nil
	}
	c, _ := d.way.(cacher)
	return c, d
}

// Cached says whether an upload is one of [Access.CreateCached], and has been used by its
// Write alone.
func Cached(of Upload) bool {
	c, ok := of.(interface{ cached() bool })
	return ok && c.cached()
}
