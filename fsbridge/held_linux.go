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

// held is a directory that was opened with O_PATH, as a [parent]: it need not be
// readable. All its calls are relative to the descriptor and take one element, so
// that none leads out of the root.
type held struct{ dir *os.File }

func (h *held) Close() error { return h.dir.Close() }

func (h *held) fd() int { return int(h.dir.Fd()) }

func (h *held) openFile(base string, flag int, perm fs.FileMode) (file *os.File, err error) {
	return file, again(func() error {
		fd, err := unix.Openat(h.fd(), base, flag|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(perm.Perm()))
		if err == nil {
			file = os.NewFile(uintptr(fd), base)
		}
		return err
	})
}

func (h *held) lstat(base string) (info fs.FileInfo, err error) {
	return info, h.find(base, func(file *os.File) (err error) {
		info, err = file.Stat()
		return err
	})
}

// find opens a file or a link for nothing but to be described or changed.
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
			n, err = unix.Readlinkat(h.fd(), base, target)
			return err
		})
		if err != nil || n < size {
			return string(target[:max(n, 0)]), err
		}
	}
}

func (h *held) mkdir(base string, perm fs.FileMode) error {
	return again(func() error { return unix.Mkdirat(h.fd(), base, uint32(perm.Perm())) })
}

func (h *held) symlink(target, base string) error {
	return again(func() error { return unix.Symlinkat(target, h.fd(), base) })
}

func (h *held) link(base, newBase string) error {
	return again(func() error { return unix.Linkat(h.fd(), base, h.fd(), newBase, 0) })
}

func (h *held) rename(base string, to parent, toBase string) error {
	return again(func() error { return unix.Renameat(h.fd(), base, to.(*held).fd(), toBase) })
}

func (h *held) renameNew(base, newBase string) error {
	return again(func() error { return unix.Renameat2(h.fd(), base, h.fd(), newBase, unix.RENAME_NOREPLACE) })
}

func (h *held) remove(base string) error {
	err := again(func() error { return unix.Unlinkat(h.fd(), base, 0) })
	if err == nil {
		return nil
	}
	// The error of the call that fits what base is.
	if e := again(func() error { return unix.Unlinkat(h.fd(), base, unix.AT_REMOVEDIR) }); e != unix.ENOTDIR {
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

func (h *held) ruled() bool {
	size := 0
	viaProc(h.dir, func(path string) (err error) {
		size, err = unix.Getxattr(path, "system.posix_acl_default", nil)
		return err
	})
	return size > 0
}

// again repeats a call that a signal broke off, as FUSE and network file systems
// let it happen.
func again(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// errNoProc is what [viaProc] says where /proc is not mounted.
var errNoProc = errors.New("/proc is not mounted")

// viaProc gives a path to what an open file is, which may be a file that was
// opened with O_PATH: nothing is looked up on it that somebody could have changed.
func viaProc(file *os.File, do func(path string) error) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var fault error
	err = conn.Control(func(fd uintptr) {
		fault = do("/proc/self/fd/" + strconv.Itoa(int(fd)))
	})
	switch {
	case err != nil:
		return err
	case errors.Is(fault, fs.ErrNotExist):
		return errNoProc
	}
	return fault
}

func systemMode(mode fs.FileMode) uint32 {
	bits := uint32(mode.Perm())
	if mode&fs.ModeSetgid != 0 {
		bits |= unix.S_ISGID
	}
	if mode&fs.ModeSticky != 0 {
		bits |= unix.S_ISVTX
	}
	return bits
}

func chmodFile(file *os.File, mode fs.FileMode) error {
	return viaProc(file, func(path string) error {
		return again(func() error { return unix.Chmod(path, systemMode(mode)) })
	})
}

func chtimesFile(file *os.File, mtime time.Time) error {
	when, err := unix.TimeToTimespec(mtime)
	if err != nil {
		return syscall.EINVAL
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, when}
	return viaProc(file, func(path string) error {
		return again(func() error { return unix.UtimesNanoAt(unix.AT_FDCWD, path, times, 0) })
	})
}
