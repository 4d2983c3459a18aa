//go:build unix

package fsbridge

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// perhapsNameless says whether a file may have no name any more.
func perhapsNameless(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return !ok || stat.Nlink == 0
}

// giveAway gives a new file the owner and the group of the old one, and says whether
// it has at least the group.
func giveAway(file *os.File, made, old fs.FileInfo) bool {
	is, ok := made.Sys().(*syscall.Stat_t)
	was, known := old.Sys().(*syscall.Stat_t)
	switch {
	case !ok || !known:
		return false
	case is.Uid == was.Uid && is.Gid == was.Gid:
		return true
	case file.Chown(int(was.Uid), int(was.Gid)) == nil:
		return true
	case is.Gid == was.Gid:
		return true
	}
	return file.Chown(-1, int(was.Gid)) == nil
}

// keep has the lock outlast the closing of the file, until release.
func (h *hold) keep() error {
	conn, err := h.file.SyscallConn()
	if err != nil {
		return err
	}
	var fd int
	var fault error
	err = conn.Control(func(file uintptr) { fd, fault = unix.FcntlInt(file, unix.F_DUPFD_CLOEXEC, 0) })
	if err == nil {
		err = fault
	}
	if err == nil {
		h.copied = os.NewFile(uintptr(fd), h.file.Name())
	}
	return err
}

// linksOf is how many names a file has, 1 where that is not known.
func linksOf(info fs.FileInfo) uint32 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint32(stat.Nlink)
	}
	return 1
}
