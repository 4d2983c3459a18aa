//go:build unix

package fsbridge

import (
	"os"
	"syscall"
)

// openFlags keep an open from waiting for the other end of a pipe, and from making a
// terminal the controlling terminal of the process.
const openFlags = syscall.O_NONBLOCK | syscall.O_NOCTTY

// flock locks an open file. A shared lock keeps out exclusive locks only. It fails
// with EBUSY if somebody holds a lock that excludes this one.
func flock(file *os.File, exclusive bool) error {
	how := syscall.LOCK_SH
	if exclusive {
		how = syscall.LOCK_EX
	}
	switch err := flockAs(file, how|syscall.LOCK_NB); err {
	case syscall.EWOULDBLOCK, syscall.EACCES: // EACCES is of network file systems
		return syscall.EBUSY
	case syscall.ENOLCK, syscall.ENOSYS, syscall.EOPNOTSUPP, syscall.EINVAL, syscall.EBADF:
		return errNoLocks
	default:
		return err
	}
}

func funlock(file *os.File) { flockAs(file, syscall.LOCK_UN) }

func flockAs(file *os.File, how int) error {
	return control(file, func(fd uintptr) error {
		return again(func() error { return syscall.Flock(int(fd), how) })
	})
}

// again repeats a call until it does not fail with EINTR: on FUSE and network file
// systems a signal may interrupt it.
func again(call func() error) error {
	for {
		if err := call(); err != syscall.EINTR {
			return err
		}
	}
}
