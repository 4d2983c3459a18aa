package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// inode tells a folder from all others: by its number, its disk and its mount, which may
// make another use of the same disk (mount --bind -o ro).
type inode struct {
	major, minor uint32
	number       uint64 // 0 if nothing is known
	mount        uint64 // 0 if the system does not tell
}

// inodeOf is the inode of the folder at path; the zero value if it can't be told, which is
// the same as no other.
func inodeOf(path string) (inode, error) {
	var stat unix.Statx_t
	switch err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_INO|unix.STATX_MNT_ID, &stat); err {
	case nil:
	case unix.ENOSYS, unix.EPERM: // a filter of system calls does not know statx
		return inode{}, nil
	default:
		return inode{}, unopened(path, &os.PathError{Op: "statx", Path: path, Err: err})
	}
	return inode{stat.Dev_major, stat.Dev_minor, stat.Ino, stat.Mnt_id}, nil
}

func (i inode) same(as inode) bool { return i.number != 0 && i == as }
