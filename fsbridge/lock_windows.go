package fsbridge

import (
	"math"
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

const openFlags = 0

// flock locks the file for whoever has it open, against others or against those
// who would do so. It is EBUSY where another holds it.
func flock(file *os.File, against bool) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	how := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if against {
		how |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	var fault error
	err = conn.Control(func(handle uintptr) {
		// A locked range cannot be read by others either: take one byte that no
		// file has.
		at := &windows.Overlapped{Offset: math.MaxUint32, OffsetHigh: math.MaxInt32}
		fault = windows.LockFileEx(windows.Handle(handle), how, 0, 1, 0, at)
	})
	switch {
	case err != nil:
		return err
	case fault == windows.ERROR_LOCK_VIOLATION:
		return syscall.EBUSY
	case fault == windows.ERROR_NOT_SUPPORTED, fault == windows.ERROR_INVALID_FUNCTION:
		return errNoLocks
	}
	return fault
}

// funlock has nothing to do: closing ends the lock.
func funlock(*os.File) {}
