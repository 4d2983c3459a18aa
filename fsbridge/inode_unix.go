//go:build unix

package fsbridge

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// maybeUnlinked says whether a file may have lost its name.
func maybeUnlinked(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return !ok || stat.Nlink == 0
}

// chownLike gives the new file the owner and the group of old, or the group at least.
// It says whether the file has that group now. made describes the new file.
func chownLike(file *os.File, made, old fs.FileInfo) bool {
	is, ok := made.Sys().(*syscall.Stat_t)
	was, known := old.Sys().(*syscall.Stat_t)
	if !ok || !known {
		return false
	}
	sameGroup := is.Gid == was.Gid
	return sameGroup && is.Uid == was.Uid || file.Chown(int(was.Uid), int(was.Gid)) == nil ||
		sameGroup || file.Chown(-1, int(was.Gid)) == nil
}

// keep lets the lock outlast the closing of the file, until release.
func (h *hold) keep() error {
	return control(h.file, func(fd uintptr) error {
		copied, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		if err == nil {
			h.copied = os.NewFile(uintptr(copied), h.file.Name())
		}
		return err
	})
}

// linksOf is how many names a file has, 1 if its description does not tell.
func linksOf(info fs.FileInfo) uint32 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint32(stat.Nlink)
	}
	return 1
}

// SameFile says whether two descriptions are of the same file, also if the storage has made
// them, and not package os.
func SameFile(a, b fs.FileInfo) bool {
	one, ok := a.Sys().(*syscall.Stat_t)
	other, known := b.Sys().(*syscall.Stat_t)
	return ok && known && one.Dev == other.Dev && one.Ino == other.Ino
}
