package fsbridge

import (
	"io/fs"
	"os"
	"slices"
	"sync"
	"syscall"
)

// errNoLocks is what [flock] says of a file system that has no locks: some network
// file systems, and some that are programs.
const errNoLocks = lockless("this file system has no locks")

type lockless string

func (e lockless) Error() string { return string(e) }

// hold is the lock of an upload on its file. It keeps out other processes too,
// unless the file system has no locks.
type hold struct {
	file   *os.File
	copied *os.File    // the same open file, which keeps the lock when that is closed
	info   fs.FileInfo // of the file, after it was locked
	here   bool        // it keeps out uploads of this process alone
}

// here are the files that are locked in this process alone.
var here struct {
	sync.Mutex
	holds []*hold
}

// lock takes the file for one upload, or is EBUSY.
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

// heldHere is asked while the mutex of here is locked.
func heldHere(info fs.FileInfo) bool {
	return slices.ContainsFunc(here.holds, func(h *hold) bool { return os.SameFile(h.info, info) })
}

// release comes before the file is closed: a child process that is being started
// has a copy of it for a moment, which would keep the lock.
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

// nameless says whether the file has lost its name before it was locked, to a sweep
// or to an upload that was given up. look finds the file that has the name now.
func (h *hold) nameless(look func() (fs.FileInfo, error)) bool {
	if !perhapsNameless(h.info) {
		return false
	}
	info, err := look()
	return err != nil || !os.SameFile(info, h.info)
}

// lookAtLock is EBUSY if an upload holds the file, and errNoLocks if one of another
// process could do so unseen. Else no upload gets it until it is closed.
func (d *Dir) lookAtLock(file *os.File, info fs.FileInfo) error {
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
