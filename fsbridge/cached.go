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
// wait either if [Cached] has said so, nor does Commit or Abort. An account with a Quota has no
// such upload while another session holds its lock: that may wait for a disk.
func (a *Access) CreateCached(name string, perm *fs.FileMode) (up Upload, there fs.FileInfo, ok bool) {
	c, d := a.cacher(wasi.RightWrite|wasi.RightDelete, name)
	if c == nil || d.options.Atomic || d.options.Sync || checkUpload(name, os.O_TRUNC, 0) != nil ||
		checkHidden("create", name) != nil {
		return nil, nil, false
	}
	_, rule := a.rule(name)
	if a.takes(rule, name) != nil {
		return nil, nil, false
	}
	if a.Quota != nil {
		if !a.Quota.TryLock() {
			return nil, nil, false
		}
		defer a.Quota.Unlock()
	}
	if up, there, ok = c.createCached(d, name, perm); !ok {
		return nil, nil, false
	}
	up, there, err := rule.within(up, os.O_TRUNC, 0, there, nil)
	if err == nil && a.Quota != nil {
		up, err = a.counted(up, there, name, os.O_TRUNC, 0)
	}
	return up, there, err == nil // else Create meets the error again
}

// cacher is the way of a Dir that can use what the system has in memory; nil for none, and
// without the rights.
func (a *Access) cacher(rights wasi.Rights, name string) (cacher, *Dir) {
	d, ok := a.FS.(*Dir)
	if !ok || a.allows(rights, name) != nil {
		return nil, nil
	}
	c, _ := d.way.(cacher)
	return c, d
}

// Cached says whether the next calls of an upload's Write, Commit and Abort wait for nothing:
// it is one of [Access.CreateCached], has been used by its Write alone, and no other session
// holds the lock of its quota. That lock is then held until done is called, after those calls.
func Cached(of Upload) (done func(), ok bool) {
	if c, is := of.(interface{ cached() (func(), bool) }); is {
		return c.cached()
	}
	return nil, false
}
