package fsbridge

import (
	"io/fs"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// accelerate lets the kernel resolve names, in one call where os.Root needs one
// an element. It does nothing where the kernel, or a filter before it, does not
// know openat2.
func (d *Dir) accelerate() {
	file, err := d.root.Open(".")
	if err != nil {
		return
	}
	conn, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return
	}
	b := beneath{root: d.root, conn: conn}
	fd, err := b.openat2(".", unix.O_PATH, 0)
	if err != nil {
		file.Close()
		return
	}
	unix.Close(fd)
	d.open, d.stat, d.lstat, d.opendir, d.release = b.open, b.stat, b.lstat, b.opendir, file.Close
}

// beneath does by openat2 what os.Root does by walking.
type beneath struct {
	root *os.Root
	conn syscall.RawConn // of the same directory; keeps it open during a call
}

func (b beneath) openat2(name string, flag int, perm fs.FileMode) (fd int, err error) {
	how := unix.OpenHow{
		Flags:   uint64(flag | unix.O_CLOEXEC),
		Mode:    uint64(perm),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	}
	closed := b.conn.Control(func(dir uintptr) {
		for {
			if fd, err = unix.Openat2(int(dir), name, &how); err != unix.EINTR {
				return
			}
		}
	})
	switch {
	case closed != nil:
		return -1, fs.ErrClosed
	case err == unix.EXDEV:
		return -1, errOutside
	}
	return fd, err
}

// The kernel says EAGAIN when a ".." in a link could not be resolved safely
// because something was renamed meanwhile: os.Root then has the last word.

func (b beneath) open(name string, flag int, perm fs.FileMode) (*os.File, error) {
	if flag&os.O_CREATE == 0 {
		perm = 0 // openat2 refuses it
	}
	fd, err := b.openat2(name, flag, perm)
	if err == unix.EAGAIN {
		return b.root.OpenFile(name, flag, perm)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// opendir is of os.Root because an *os.File that it did not make describes its
// entries by their path, which begins at the process's working directory.
func (b beneath) opendir(name string) (*os.File, error) {
	return b.root.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY, 0)
}

func (b beneath) stat(name string) (fs.FileInfo, error) {
	return b.describe(name, unix.O_PATH, b.root.Stat)
}

func (b beneath) lstat(name string) (fs.FileInfo, error) {
	return b.describe(name, unix.O_PATH|unix.O_NOFOLLOW, b.root.Lstat)
}

func (b beneath) describe(name string, flag int, slow func(string) (fs.FileInfo, error)) (fs.FileInfo, error) {
	if !strings.Contains(name, "/") {
		return slow(name) // which is then one call
	}
	fd, err := b.openat2(name, flag, 0)
	if err == unix.EAGAIN {
		return slow(name)
	}
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	return file.Stat()
}
