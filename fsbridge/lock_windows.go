package fsbridge

import (
	"math"
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

const openFlags = 0

// flock locks an open file. A shared lock keeps out exclusive locks only. It fails
// with EBUSY if somebody holds a lock that excludes this one.
func flock(file *os.File, exclusive bool) error {
	how := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if exclusive {
		how |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	err := control(file, func(handle uintptr) error {
		// Others cannot even read a locked range: lock one byte that no file has.
		at := &windows.Overlapped{Offset: math.MaxUint32, OffsetHigh: math.MaxInt32}
		return windows.LockFileEx(windows.Handle(handle), how, 0, 1, 0, at)
	})
	switch err {
	case windows.ERROR_LOCK_VIOLATION:
		return syscall.EBUSY
	case windows.ERROR_NOT_SUPPORTED, windows.ERROR_INVALID_FUNCTION:
		return errNoLocks
	}
	return err
}

// funlock has nothing to do: closing ends the lock.
func funlock(*os.File) {}
