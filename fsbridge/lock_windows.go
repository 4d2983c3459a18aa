package fsbridge

import (
	"math"
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

const openFlags = 0

// lock takes the file for one upload until it is closed, or is EBUSY.
func lock(file *os.File) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var fault error
	err = conn.Control(func(handle uintptr) {
		// A locked range cannot be read by others either: take one byte that no
		// file has.
		at := &windows.Overlapped{Offset: math.MaxUint32, OffsetHigh: math.MaxInt32}
		fault = windows.LockFileEx(windows.Handle(handle), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, at)
	})
	switch {
	case err != nil:
		return err
	case fault == windows.ERROR_LOCK_VIOLATION:
		return syscall.EBUSY
	}
	return fault
}

// unlock has nothing to do: closing ends the lock.
func unlock(*os.File) {}
