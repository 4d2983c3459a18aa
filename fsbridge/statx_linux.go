package fsbridge

import (
	"io/fs"
	"path"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"wasiftp/wasi"
)

// statx describes the file path below the directory dir. path ends in a NUL. The function
// of package unix would copy each path, and the kernel would mount what it finds at its
// end, which no call of package os does.
func statx(dir uintptr, path []byte, flags int, info *unix.Statx_t) error {
	if len(path) == 0 || path[len(path)-1] != 0 {
		return unix.EINVAL
	}
	for {
		_, _, errno := syscall.Syscall6(unix.SYS_STATX, dir, uintptr(unsafe.Pointer(&path[0])), uintptr(flags|unix.AT_NO_AUTOMOUNT),
			unix.STATX_BASIC_STATS|unix.STATX_BTIME, uintptr(unsafe.Pointer(info)), 0)
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}

// statxOf describes an open file, or its entry base if that is not "".
func statxOf(dir syscall.RawConn, name, base string) (fs.FileInfo, error) {
	flags := unix.AT_SYMLINK_NOFOLLOW
	if base == "" {
		flags = unix.AT_EMPTY_PATH
	}
	info := &fileInfo{name: path.Base(name)}
	var fault error
	if dir.Control(func(fd uintptr) { fault = statx(fd, append([]byte(base), 0), flags, &info.statx) }) != nil {
		return nil, fs.ErrClosed
	}
	if fault != nil {
		return nil, fault
	}
	return info, nil
}

// recordOf is the record of a description, as [StatOf] would make it.
func recordOf(info *unix.Statx_t) wasi.Stat {
	kind := uint32(wasi.TypeOther)
	switch info.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		kind = wasi.TypeRegular
	case unix.S_IFDIR:
		kind = wasi.TypeDir
	case unix.S_IFLNK:
		kind = wasi.TypeLink
	}
	return wasi.Stat{
		ModTime: nanoseconds(info.Mtime.Sec, int64(info.Mtime.Nsec)), Size: uint64(max(int64(info.Size), 0)),
		Mode: kind | uint32(info.Mode)&0o7777, Links: info.Nlink, Created: createdBy(info),
	}
}

// createdBy is when the file was made, in ns since 1970; 0 if its file system does not
// know.
func createdBy(info *unix.Statx_t) int64 {
	if info.Mask&unix.STATX_BTIME == 0 {
		return 0
	}
	return nanoseconds(info.Btime.Sec, int64(info.Btime.Nsec))
}

// fileInfo is an [fs.FileInfo] like that of package os, with the time at which the file
// was made. [os.SameFile] does not know it; [SameFile] does.
type fileInfo struct {
	name  string
	statx unix.Statx_t
}

func (i *fileInfo) Name() string      { return i.name }
func (i *fileInfo) Size() int64       { return int64(i.statx.Size) }
func (i *fileInfo) Mode() fs.FileMode { return fileModeOf(i.statx.Mode) }
func (i *fileInfo) IsDir() bool       { return i.Mode().IsDir() }

func (i *fileInfo) ModTime() time.Time {
	return time.Unix(i.statx.Mtime.Sec, int64(i.statx.Mtime.Nsec))
}

// Created is when the file was made; the zero time if its file system does not know.
func (i *fileInfo) Created() time.Time {
	if createdBy(&i.statx) == 0 {
		return time.Time{}
	}
	return time.Unix(i.statx.Btime.Sec, int64(i.statx.Btime.Nsec))
}

// Sys is a *[syscall.Stat_t], as that of package os.
func (i *fileInfo) Sys() any {
	from := &i.statx
	to := &syscall.Stat_t{
		Ino: from.Ino, Mode: uint32(from.Mode), Uid: from.Uid, Gid: from.Gid, Size: int64(from.Size), Blocks: int64(from.Blocks),
		Atim: timespec(from.Atime), Mtim: timespec(from.Mtime), Ctim: timespec(from.Ctime),
	}
	setField(&to.Dev, unix.Mkdev(from.Dev_major, from.Dev_minor))
	setField(&to.Rdev, unix.Mkdev(from.Rdev_major, from.Rdev_minor))
	setField(&to.Nlink, uint64(from.Nlink))
	setField(&to.Blksize, uint64(from.Blksize))
	return to
}

func timespec(t unix.StatxTimestamp) (ts syscall.Timespec) {
	setField(&ts.Sec, uint64(t.Sec))
	setField(&ts.Nsec, uint64(t.Nsec))
	return ts
}

// setField sets a field whose type differs from machine to machine.
func setField[T ~int32 | ~int64 | ~uint32 | ~uint64](field *T, value uint64) { *field = T(value) }

// fileModeOf is a mode of the system as package os has it.
func fileModeOf(bits uint16) fs.FileMode {
	mode := ModeOf(uint32(bits))
	switch bits & unix.S_IFMT {
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		mode |= fs.ModeSocket
	case unix.S_IFBLK:
		mode |= fs.ModeDevice
	case unix.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	}
	return mode
}
