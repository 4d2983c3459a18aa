package fsbridge

import (
	"io/fs"
	"math"
	"path"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cache says how the system reads a file of the root without waiting for a disk.
type cache uint8

const (
	cacheNone   cache = iota
	cacheNowait       // RWF_NOWAIT fails for what is not in memory
	cacheMemory       // all is in memory, but for what the system has swapped out
)

// cacheOf is that of the file system of an open file. A file system that is not named here
// may ask a server or a program, whatever the kernel has in memory.
func cacheOf(fd int) cache {
	var s unix.Statfs_t
	if unix.Fstatfs(fd, &s) != nil {
		return cacheNone
	}
	switch uint32(s.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC:
		return cacheNowait
	case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC:
		return cacheMemory
	}
	return cacheNone
}

// The kernel finds the name by what it has in memory (5.12; fails with EAGAIN else), through
// no link, and on the disk of the root only.
const resolveCached = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV | 0x20 // RESOLVE_CACHED

// readCached is [Access.ReadCached]. Its system calls do not wait, and so need not tell Go's
// scheduler.
func (b beneath) readCached(name string, offset int64, room []byte) (info fs.FileInfo, n int, ok bool) {
	if b.cache == cacheNone {
		return nil, 0, false
	}
	fd, errno := b.openNow(name, unix.O_RDONLY|openFlags, 0, resolveCached)
	if errno != 0 {
		return nil, 0, false
	}
	defer closeNow(fd)
	return b.readOpen(fd, name, offset, room)
}

// openNow is openat2 where that does not wait.
func (b beneath) openNow(name string, flags, perm, resolve uint64) (fd uintptr, errno syscall.Errno) {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Mode: perm, Resolve: resolve}
	named := append(append(make([]byte, 0, 256), name...), 0)
	errno = unix.EBADF
	b.conn.Control(func(dir uintptr) {
		fd, _, errno = syscall.RawSyscall6(unix.SYS_OPENAT2, dir, uintptr(unsafe.Pointer(&named[0])), uintptr(unsafe.Pointer(&how)),
			unix.SizeofOpenHow, 0, 0)
	})
	return fd, errno
}

func closeNow(fd uintptr) { syscall.RawSyscall(unix.SYS_CLOSE, fd, 0, 0) }

var noPath [1]byte

// describeNow describes an open file. It returns nil if that is no regular one.
func describeNow(fd uintptr, name string) *fileInfo {
	info := &fileInfo{name: path.Base(name)}
	s := &info.statx
	_, _, errno := syscall.RawSyscall6(unix.SYS_STATX, fd, uintptr(unsafe.Pointer(&noPath[0])), unix.AT_EMPTY_PATH,
		unix.STATX_BASIC_STATS|unix.STATX_BTIME, uintptr(unsafe.Pointer(s)), 0)
	if errno != 0 || s.Mode&unix.S_IFMT != unix.S_IFREG || s.Size > math.MaxInt64 {
		return nil
	}
	return info
}

func (b beneath) readOpen(fd uintptr, name string, offset int64, room []byte) (info fs.FileInfo, n int, ok bool) {
	described := describeNow(fd, name)
	if described == nil {
		return nil, 0, false
	}
	s := &described.statx
	left := int64(s.Size) - offset
	if left < 0 || left >= int64(len(room)) {
		return nil, 0, false
	}
	flags := uintptr(0)
	if b.cache == cacheNowait {
		flags = unix.RWF_NOWAIT
	}
	to := unix.Iovec{Base: unsafe.SliceData(room)}
	to.SetLen(int(left) + 1) // a byte more shows that the file has grown
	low, high := offsetParts(offset)
	got, _, errno := syscall.RawSyscall6(unix.SYS_PREADV2, fd, uintptr(unsafe.Pointer(&to)), 1, low, high, flags)
	if errno != 0 || int64(got) != left {
		return nil, 0, false
	}
	return described, int(left), true
}

// offsetParts are the two words of an offset that preadv2 takes.
func offsetParts(offset int64) (low, high uintptr) {
	const bits = 8 * unsafe.Sizeof(low)
	return uintptr(offset), uintptr(uint64(offset) >> (bits / 2) >> (bits / 2))
}
