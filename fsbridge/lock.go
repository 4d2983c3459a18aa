package fsbridge

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"
	"syscall"
)

// errNoLocks is the error of [flock] on a file system that has no locks, such as some
// network file systems and some FUSE file systems.
var errNoLocks = errors.New("this file system has no locks")

// hold is an upload's lock on its file. It keeps out the uploads of other processes
// too, unless the file system has no locks.
type hold struct {
	file   *os.File
	copied *os.File    // a duplicate of file that keeps the lock when file is closed; nil until keep
	info   fs.FileInfo // of file, after it was locked
	here   bool        // the lock is an entry of here.holds, and unknown to the system
}

// here are the locks that the file system cannot hold: they keep out uploads of this
// process only.
var here struct {
	sync.Mutex
	holds []*hold
}

// lock locks a file for one upload. It fails with EBUSY when another upload has it.
func (d *Dir) lock(file *os.File) (*hold, error) {
	err := d.flock(file, true)
	if err != nil && err != errNoLocks {
		return nil, err
	}
	h := &hold{file: file, here: err == errNoLocks}
	if h.info, err = file.Stat(); err != nil {
		return nil, err
	}
	if !h.here {
		return h, nil
	}
	here.Lock()
	defer here.Unlock()
	if heldHere(h.info) {
		return nil, syscall.EBUSY
	}
	here.holds = append(here.holds, h)
	return h, nil
}

// heldHere says whether here has a lock on the file. The caller has locked here.
func heldHere(info fs.FileInfo) bool {
	return slices.ContainsFunc(here.holds, func(h *hold) bool { return os.SameFile(h.info, info) })
}

// release unlocks the file. Call it before the file is closed: a child process that is
// being started has a copy of the open file for a moment, which would keep the lock.
func (h *hold) release() {
	switch {
	case h.here:
		here.Lock()
		defer here.Unlock()
		here.holds = slices.DeleteFunc(here.holds, func(other *hold) bool { return other == h })
	case h.copied != nil:
		funlock(h.copied)
	default:
		funlock(h.file)
	}
	if h.copied != nil {
		h.copied.Close()
	}
}

// unlinked says whether the file had lost its name before it was locked: a sweep or
// an upload that was given up has removed it. look describes the file that has the
// name now.
func (h *hold) unlinked(look func() (fs.FileInfo, error)) bool {
	if !maybeUnlinked(h.info) {
		return false
	}
	info, err := look()
	return err != nil || !os.SameFile(info, h.info)
}

// checkUnlocked takes a shared lock, so that no upload gets the file before it is
// closed. It fails with EBUSY if an upload has the file, and with errNoLocks if an
// upload of another process may have it.
func (d *Dir) checkUnlocked(file *os.File, info fs.FileInfo) error {
	err := d.flock(file, false)
	if err != errNoLocks {
		return err
	}
	here.Lock()
	defer here.Unlock()
	if heldHere(info) {
		return syscall.EBUSY
	}
	return err
}
