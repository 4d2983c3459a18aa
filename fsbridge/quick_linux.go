package fsbridge

import (
	"io"
	"io/fs"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// quickUpload is an upload in place to a file system in memory. While it is written by Write
// alone, its calls do not wait, and so need not tell Go's scheduler. For all else it becomes
// an ordinary one.
type quickUpload struct {
	upload         // without file and folder until become
	fd     uintptr // of the file; closed with -1, as is what upload has
}

const (
	closed = ^uintptr(0)

	// mostCut is the size in bytes of the largest file that a quickUpload replaces: to free
	// more takes long.
	mostCut = 1 << 20

	// A name leads through no link, and to no other disk.
	resolveNear = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV
)

// createCached is [Access.CreateCached].
func (b beneath) createCached(d *Dir, name string, perm *fs.FileMode) (Upload, fs.FileInfo, bool) {
	if b.cache != cacheMemory {
		return nil, nil, false
	}
	u := &quickUpload{upload: upload{dir: d, name: name, perm: perm}, fd: closed}
	if u.open(b) && u.begin() {
		return u, u.there, true
	}
	u.become()
	if u.hold != nil {
		u.leave()
	} else {
		u.close()
	}
	return nil, nil, false
}

// open makes the file, or opens the one that is there.
func (u *quickUpload) open(b beneath) bool {
	const flags = unix.O_WRONLY | openFlags
	fd, errno := b.openNow(u.name, flags|unix.O_CREAT|unix.O_EXCL, uint64(u.permissions(nil)), resolveNear)
	u.made = errno == 0
	if errno == unix.EEXIST {
		fd, errno = b.openNow(u.name, flags, 0, resolveNear)
		u.truncates = true
	}
	if errno == 0 {
		u.fd = fd
	}
	return errno == 0
}

// begin locks the file, and looks at it.
func (u *quickUpload) begin() bool {
	if _, _, errno := syscall.RawSyscall(unix.SYS_FLOCK, u.fd, unix.LOCK_EX|unix.LOCK_NB, 0); errno != 0 {
		return false // another upload may have the file: do not remove it
	}
	u.hold = &hold{}
	info := describeNow(u.fd, u.name)
	if info == nil || info.statx.Nlink == 0 || info.statx.Size > mostCut {
		return false
	}
	u.hold.info = info
	if !u.made {
		u.there = info
	} else if u.perm != nil && info.Mode().Perm() != u.permissions(nil) {
		u.become()
		return u.made && u.setMode(nil) == nil
	}
	return true
}

// become gives the file to upload. Its folder may have been moved by now; then nobody removes
// the file if no byte comes.
func (u *quickUpload) become() {
	if u.fd == closed {
		return
	}
	u.file = os.NewFile(u.fd, u.name)
	u.fd = closed
	if u.made {
		if u.folder, u.base, _ = u.dir.parent(u.name); u.folder == nil {
			u.made = false
		}
	}
	if u.hold != nil {
		u.hold.file = u.file
	}
}

func (u *quickUpload) cached() (done func(), ok bool) { return func() {}, u.fd != closed }

func (u *quickUpload) sizeNow() (size int64, linked bool) {
	if u.fd == closed {
		return u.upload.sizeNow()
	}
	info := describeNow(u.fd, u.name)
	if info == nil {
		return 0, false
	}
	return info.Size(), info.statx.Nlink > 0
}

// Write implements [Upload].
func (u *quickUpload) Write(p []byte) (n int, err error) {
	if u.fd == closed {
		return u.upload.Write(p)
	}
	if len(p) > 0 {
		err = u.cut()
	}
	for n < len(p) && err == nil {
		more, _, errno := syscall.RawSyscall(unix.SYS_WRITE, u.fd, uintptr(unsafe.Pointer(unsafe.SliceData(p[n:]))), uintptr(len(p)-n))
		switch errno {
		case 0:
			n += int(more)
		case unix.EINTR:
		default:
			err = errno
		}
	}
	return n, err
}

// cut is truncate.
func (u *quickUpload) cut() error {
	if !u.truncates {
		return nil
	}
	if _, _, errno := syscall.RawSyscall(unix.SYS_FTRUNCATE, u.fd, 0, 0); errno != 0 {
		return errno
	}
	u.truncates = false
	return nil
}

// ReadFrom implements [io.ReaderFrom].
func (u *quickUpload) ReadFrom(r io.Reader) (int64, error) {
	u.become()
	return u.upload.ReadFrom(r)
}

// Commit implements [Upload].
func (u *quickUpload) Commit() error {
	if u.fd == closed {
		return u.upload.Commit()
	}
	if err := u.end(); err != nil {
		return err
	}
	err := u.cut()
	syscall.RawSyscall(unix.SYS_FLOCK, u.fd, unix.LOCK_UN, 0) // see hold.release
	closeNow(u.fd)
	u.fd = closed
	return err
}

// Open implements [ReadableUpload].
func (u *quickUpload) Open() (io.ReadCloser, error) {
	u.become()
	return u.upload.Open()
}

// Rename implements [RenamableUpload].
func (u *quickUpload) Rename(from, to string) error {
	u.become()
	return u.upload.Rename(from, to)
}

// Abort implements [Upload].
func (u *quickUpload) Abort() error {
	u.become()
	return u.upload.Abort()
}
