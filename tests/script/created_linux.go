package script

import "golang.org/x/sys/unix"

// tellsCreated says whether the file system of a directory tells when files were made.
func tellsCreated(root string) bool {
	var info unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, root, 0, unix.STATX_BTIME, &info)
	return err == nil && info.Mask&unix.STATX_BTIME != 0
}
