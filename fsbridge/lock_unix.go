//go:build unix

package fsbridge

import (
	"os"
	"syscall"
)

// openFlags keep an open from waiting for the other end of a pipe, and from
// taking a terminal for the process's own.
const openFlags = syscall.O_NONBLOCK | syscall.O_NOCTTY

// lock takes the file for one upload until it is closed, or is EBUSY.
func lock(file *os.File) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var fault error
	err = conn.Control(func(fd uintptr) {
		for {
			if fault = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB); fault != syscall.EINTR {
				return
			}
		}
	})
	switch {
	case err != nil:
		return err
	case fault == syscall.EWOULDBLOCK:
		return syscall.EBUSY
	}
	return fault
}

// unlock comes before the file is closed: a child process that is being started
// has a copy of it for a moment, which would keep the lock.
func unlock(file *os.File) {
	if conn, err := file.SyscallConn(); err == nil {
		conn.Control(func(fd uintptr) { syscall.Flock(int(fd), syscall.LOCK_UN) })
	}
}
