package fsbridge

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// held is a [parent] that was opened with O_PATH, so that it need not be readable.
// All its calls are relative to the descriptor and take one element, so that none
// leads out of the root.
type held struct{ fd int } // -1 once closed

// Close closes it, which does not wait: the system writes nothing for a descriptor that cannot
// write.
func (h *held) Close() error {
	closeNow(uintptr(h.fd))
	h.fd = -1
	return nil
}

func (h *held) openFile(base string, flag int, perm fs.FileMode) (file *os.File, err error) {
	err = again(func() error {
		fd, err := unix.Openat(h.fd, base, flag|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(perm.Perm()))
		if err == nil {
			file = os.NewFile(uintptr(fd), base)
		}
		return err
	})
	return file, err
}

func (h *held) lstat(base string) (info fs.FileInfo, err error) {
	err = h.find(base, func(file *os.File) (err error) {
		info, err = file.Stat()
		return err
	})
	return info, err
}

// find opens a file or a link with O_PATH, to describe or change it.
func (h *held) find(base string, do func(*os.File) error) error {
	file, err := h.openFile(base, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	return do(file)
}

func (h *held) readlink(base string) (string, error) {
	for size := 128; ; size *= 2 {
		target, n := make([]byte, size), 0
		err := again(func() (err error) {
			n, err = unix.Readlinkat(h.fd, base, target)
			return err
		})
		if err != nil || n < size {
			return string(target[:max(n, 0)]), err
		}
	}
}

func (h *held) mkdir(base string, perm fs.FileMode) error {
	return again(func() error { return unix.Mkdirat(h.fd, base, uint32(perm.Perm())) })
}

func (h *held) symlink(target, base string) error {
	return again(func() error { return unix.Symlinkat(target, h.fd, base) })
}

func (h *held) link(base, newBase string) error {
	return again(func() error { return unix.Linkat(h.fd, base, h.fd, newBase, 0) })
}

func (h *held) rename(base string, to parent, toBase string) error {
	return again(func() error { return unix.Renameat(h.fd, base, to.(*held).fd, toBase) })
}

func (h *held) renameNew(base string, to parent, toBase string) error {
	other, ok := to.(*held)
	if !ok {
		return errors.ErrUnsupported
	}
	return again(func() error { return unix.Renameat2(h.fd, base, other.fd, toBase, unix.RENAME_NOREPLACE) })
}

func (h *held) remove(base string) error {
	err := again(func() error { return unix.Unlinkat(h.fd, base, 0) })
	if err == nil {
		return nil
	}
	// If both calls fail, return the error of the one that fits the type of base.
	if e := again(func() error { return unix.Unlinkat(h.fd, base, unix.AT_REMOVEDIR) }); e != unix.ENOTDIR {
		return e
	}
	return err
}

func (h *held) chmod(base string, mode fs.FileMode) error {
	return h.find(base, func(file *os.File) error { return chmodFile(file, mode) })
}

func (h *held) chtimes(base string, mtime time.Time) error {
	return h.find(base, func(file *os.File) error { return chtimesFile(file, mtime) })
}

func (h *held) hasDefaultACL() bool {
	size := 0
	viaProc(uintptr(h.fd), func(path string) (err error) {
		size, err = unix.Getxattr(path, "system.posix_acl_default", nil)
		return err
	})
	return size > 0
}

// errNoProc is the error of [viaProc] if /proc is not mounted.
var errNoProc = errors.New("/proc is not mounted")

// viaProc calls do with a path in /proc that is the open file itself. For a file opened
// with O_PATH some calls need a path, and any other one could lead elsewhere by now.
func viaProc(fd uintptr, do func(path string) error) error {
	err := do("/proc/self/fd/" + strconv.Itoa(int(fd)))
	if errors.Is(err, fs.ErrNotExist) {
		return errNoProc
	}
	return err
}

func chmodFile(file *os.File, mode fs.FileMode) error {
	change := func(path string) error { return again(func() error { return unix.Chmod(path, bitsOf(mode)) }) }
	return control(file, func(fd uintptr) error { return viaProc(fd, change) })
}

func chtimesFile(file *os.File, mtime time.Time) error {
	when, err := unix.TimeToTimespec(mtime)
	if err != nil {
		return syscall.EINVAL
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, when}
	change := func(path string) error {
		return again(func() error { return unix.UtimesNanoAt(unix.AT_FDCWD, path, times, 0) })
	}
	return control(file, func(fd uintptr) error { return viaProc(fd, change) })
}
