//go:build unix

package fsbridge

import (
	"os"
	"syscall"
)

// openFlags keep an open from waiting for the other end of a pipe, and from
// taking a terminal for the process's own.
const openFlags = syscall.O_NONBLOCK | syscall.O_NOCTTY

// flock locks the file for whoever has it open, against others or against those
// who would do so. It is EBUSY where another holds it.
func flock(file *os.File, against bool) error {
	how := syscall.LOCK_SH
	if against {
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
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var fault error
	err = conn.Control(func(fd uintptr) {
		for {
			if fault = syscall.Flock(int(fd), how); fault != syscall.EINTR {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return fault
}
