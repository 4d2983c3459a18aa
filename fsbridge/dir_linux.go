package fsbridge

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"wasiftp/wasi"
)

// fastWay is the way on which the kernel resolves a name in one call. os.Root opens each
// directory of the name instead, and needs the right to read it. fastWay is os.Root's way
// if the kernel, or a filter of system calls, does not know openat2 and statx.
func fastWay(root *os.Root) way {
	if file, err := root.OpenFile(".", unix.O_PATH|unix.O_DIRECTORY, 0); err == nil {
		if w := openBeneath(file, root); w != nil {
			return w
		}
	}
	return walk{root: root}
}

// openUnreadable opens a root that may be entered but not read, which os.Root cannot
// open. It returns nil if it cannot either.
func openUnreadable(name string) way {
	file, err := os.OpenFile(name, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil
	}
	return openBeneath(file, nil)
}

// openBeneath makes a way of the root directory file. If openat2 or statx does not work, it
// closes file and returns nil. root may be nil.
func openBeneath(file *os.File, root *os.Root) way {
	if conn, err := file.SyscallConn(); err == nil {
		b := beneath{walk: walk{root: root}, file: file, conn: conn}
		conn.Control(func(fd uintptr) { b.cache = cacheOf(int(fd)) })
		if fd, err := b.openat2(".", unix.O_PATH, 0); err == nil {
			unix.Close(fd)
			if _, err = b.lstat("."); err == nil {
				return b
			}
		}
	}
	file.Close()
	return nil
}

// beneath is the [way] of openat2.
type beneath struct {
	walk walk            // for what openat2 cannot do; without a root if that may not be read
	file *os.File        // the root
	conn syscall.RawConn // of file; keeps it open during a call

	straight bool // follow no link

	cache cache
}

func (b beneath) withoutLinks() way {
	b.straight, b.walk.straight = true, true
	return b
}

func (b beneath) close() error {
	err := b.file.Close()
	if b.walks() {
		err = errors.Join(err, b.walk.close())
	}
	return err
}

func (b beneath) walks() bool { return b.walk.root != nil }

// openat2 opens a file. Most names go through no symbolic link: the first call opens
// them. Any other is followed only if it does not lead to an unfinished upload.
func (b beneath) openat2(name string, flag int, perm fs.FileMode) (int, error) {
	fd, err := b.openat2By(unix.RESOLVE_NO_SYMLINKS, name, flag, perm)
	if err != unix.ELOOP {
		return fd, err
	}
	if b.straight {
		return -1, errLinked
	}
	follow := flag&(unix.O_NOFOLLOW|unix.O_EXCL) == 0
	if follow && leadsToHidden(b, name) {
		return -1, unix.ENOENT
	}
	fd, err = b.openat2By(unix.RESOLVE_NO_MAGICLINKS, name, flag, perm)
	if err != unix.EAGAIN {
		return fd, err
	}
	// Something was renamed somewhere in the system, so the kernel could not tell where
	// a ".." in a link leads. A name without links has none.
	name, err = resolve(b, name, follow)
	if err != nil {
		return -1, err
	}
	return b.openat2By(unix.RESOLVE_NO_SYMLINKS, name, flag, perm)
}

func (b beneath) openat2By(resolve uint64, name string, flag int, perm fs.FileMode) (fd int, err error) {
	how := unix.OpenHow{
		Flags:   uint64(flag | unix.O_CLOEXEC),
		Mode:    uint64(perm),
		Resolve: unix.RESOLVE_BENEATH | resolve,
	}
	closed := b.conn.Control(func(dir uintptr) {
		err = again(func() (err error) {
			fd, err = unix.Openat2(int(dir), name, &how)
			return err
		})
	})
	switch {
	case closed != nil:
		return -1, fs.ErrClosed
	case err == unix.EXDEV:
		return -1, errOutside
	}
	return fd, err
}

func (b beneath) open(name string, flag int, perm fs.FileMode) (*os.File, error) {
	if flag&os.O_CREATE == 0 {
		perm = 0 // openat2 refuses it
	}
	fd, err := b.openat2(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// find opens a file with O_PATH, to describe it, or to change it by [viaProc].
func (b beneath) find(name string, flag int) (*os.File, error) {
	return b.open(name, unix.O_PATH|flag, 0)
}

func (b beneath) stat(name string) (fs.FileInfo, error) {
	if oneElement(name) {
		info, err := b.lstat(name) // one call, where describe makes three
		if err != nil || info.Mode().Type() != fs.ModeSymlink {
			return info, err
		}
	}
	return b.describe(name, 0)
}

func (b beneath) lstat(name string) (fs.FileInfo, error) {
	if oneElement(name) {
		return statxOf(b.conn, name, name)
	}
	return b.describe(name, unix.O_NOFOLLOW)
}

// oneElement says whether name is an entry of the root, or the root.
func oneElement(name string) bool { return name != "" && name != ".." && !strings.Contains(name, "/") }

func (b beneath) describe(name string, flag int) (fs.FileInfo, error) {
	file, err := b.find(name, flag)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	conn, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	return statxOf(conn, name, "")
}

func (b beneath) readlink(name string) (string, error) {
	p, err := b.parent(path.Dir(name))
	if err != nil {
		return "", err
	}
	defer p.Close()
	return p.(*held).readlink(path.Base(name))
}

func (b beneath) chmod(name string, mode fs.FileMode) error {
	file, err := b.find(name, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := chmodFile(file, mode); err != errNoProc || !b.walks() {
		return err
	}
	return b.walk.chmod(name, mode)
}

func (b beneath) chtimes(name string, mtime time.Time) error {
	file, err := b.find(name, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := chtimesFile(file, mtime); err != errNoProc || !b.walks() {
		return err
	}
	return b.walk.chtimes(name, mtime)
}

func (b beneath) parent(dir string) (parent, error) {
	fd, err := b.openat2(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return &held{fd}, nil
}

// list lists the directory by file itself, so that no other directory can have its name by
// now, and needs no /proc.
func (b beneath) list(_ string, file *os.File) (lister, error) {
	read, err := newDirents(file)
	if err != nil {
		return nil, err
	}
	l := &statLister{dirents: read}
	l.ask = func(dir uintptr) { l.fault = statx(dir, l.path, unix.AT_SYMLINK_NOFOLLOW, &l.info) }
	return l, nil
}

// statLister is the [lister] of getdents64 and statx. It takes no memory for an entry.
type statLister struct {
	dirents

	// The arguments and results of ask, the call of statx for describe.
	ask   func(dir uintptr)
	path  []byte
	info  unix.Statx_t
	fault error
}

func (l *statLister) next() (string, error) {
	name, _, err := l.dirents.next()
	return name, err
}

func (l *statLister) describe(name string) (wasi.Stat, error) {
	l.path = append(append(l.path[:0], name...), 0)
	if l.conn.Control(l.ask) != nil {
		return wasi.Stat{}, fs.ErrClosed
	}
	if l.fault != nil {
		return wasi.Stat{}, l.fault
	}
	return recordOf(&l.info), nil
}

func (l *statLister) lstat(name string) (fs.FileInfo, error) { return statxOf(l.conn, name, name) }

func (l *statLister) Close() error { return nil }
