package fsbridge

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"wasiftp/wasi"
)

// walk is the [way] of os.Root.
type walk struct {
	root     *os.Root
	straight bool // follow no link
}

func (w walk) withoutLinks() way {
	w.straight = true
	return w
}

// refuse fails if name leads to an unfinished upload, or goes through a symbolic link and
// none is to be followed. With O_EXCL in flag, the last element is not followed anyway.
func (w walk) refuse(name string, flag int) error {
	switch {
	case !w.straight && leadsToHidden(w, name):
		return fs.ErrNotExist
	case w.straight && flag&os.O_EXCL != 0:
		return refuseLinks(w.root, path.Dir(name))
	case w.straight:
		return refuseLinks(w.root, name)
	}
	return nil
}

// lstater describes a file, which may be a symbolic link.
type lstater interface {
	Lstat(name string) (fs.FileInfo, error)
}

// refuseLinks fails with errLinked if an element of name is a symbolic link. What is missing
// is none.
func refuseLinks(in lstater, name string) error {
	for end := 1; end <= len(name); end++ {
		if end < len(name) && name[end] != '/' {
			continue
		}
		info, err := in.Lstat(name[:end])
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case info.Mode().Type() == fs.ModeSymlink:
			return errLinked
		}
	}
	return nil
}

func (w walk) open(name string, flag int, perm fs.FileMode) (*os.File, error) {
	if err := w.refuse(name, flag); err != nil {
		return nil, err
	}
	return w.root.OpenFile(name, flag, perm)
}

func (w walk) stat(name string) (fs.FileInfo, error) {
	if err := w.refuse(name, 0); err != nil {
		return nil, err
	}
	return w.root.Stat(name)
}

func (w walk) lstat(name string) (fs.FileInfo, error) {
	if err := w.refuseParents(name); err != nil {
		return nil, err
	}
	return w.root.Lstat(name)
}

func (w walk) readlink(name string) (string, error) {
	if err := w.refuseParents(name); err != nil {
		return "", err
	}
	return w.root.Readlink(name)
}

// refuseParents is refuse for a name whose last element is not followed.
func (w walk) refuseParents(name string) error {
	if !w.straight {
		return nil
	}
	return refuseLinks(w.root, path.Dir(name))
}

func (w walk) chmod(name string, mode fs.FileMode) error {
	if err := w.refuse(name, 0); err != nil {
		return err
	}
	return w.root.Chmod(name, mode)
}

func (w walk) chtimes(name string, mtime time.Time) error {
	if err := w.refuse(name, 0); err != nil {
		return err
	}
	return w.root.Chtimes(name, time.Time{}, mtime)
}

func (w walk) parent(dir string) (parent, error) {
	root, err := w.opendir(dir)
	if err != nil {
		return nil, err
	}
	return &walked{Root: root, whole: w.root, dir: dir}, nil
}

func (w walk) list(name string, file *os.File) (lister, error) {
	root, err := w.opendir(name)
	if err != nil {
		return nil, err
	}
	return &rootLister{Root: root, file: file}, nil
}

// opendir opens "dir/." because OpenRoot("pipe") would wait for a writer.
func (w walk) opendir(dir string) (*os.Root, error) {
	if w.straight {
		if err := refuseLinks(w.root, dir); err != nil {
			return nil, err
		}
	}
	return w.root.OpenRoot(dir + "/.")
}

// rootLister is the [lister] of package os, with the directory open once more as a root.
type rootLister struct {
	*os.Root
	file  *os.File
	names []string // read, and not yet returned by next
	err   error    // how reading ended
}

func (l *rootLister) next() (name string, err error) {
	if len(l.names) == 0 && l.err == nil {
		l.names, l.err = l.file.Readdirnames(256)
	}
	if len(l.names) == 0 {
		return "", l.err
	}
	name, l.names = l.names[0], l.names[1:]
	return name, nil
}

func (l *rootLister) lstat(name string) (fs.FileInfo, error) { return l.Lstat(name) }

func (l *rootLister) describe(name string) (wasi.Stat, error) {
	info, err := l.Lstat(name)
	if err != nil {
		return wasi.Stat{}, err
	}
	return StatOf(typed(info)), nil
}

func (w walk) close() error { return w.root.Close() }

// walked is the [parent] of os.Root.
type walked struct {
	*os.Root
	whole *os.Root // of the Dir
	dir   string   // the name of this directory in whole
}

func (w *walked) openFile(base string, flag int, perm fs.FileMode) (*os.File, error) {
	if flag&os.O_EXCL == 0 {
		if err := w.refuseLink(base); err != nil {
			return nil, err
		}
	}
	return w.OpenFile(base, flag, perm)
}

// refuseLink fails for a symbolic link, which os.Root would follow inside w.
func (w *walked) refuseLink(base string) error {
	if info, err := w.Lstat(base); err == nil && info.Mode().Type() == fs.ModeSymlink {
		return syscall.ELOOP
	}
	return nil
}

func (w *walked) lstat(base string) (fs.FileInfo, error)    { return w.Lstat(base) }
func (w *walked) mkdir(base string, perm fs.FileMode) error { return w.Mkdir(base, perm) }
func (w *walked) remove(base string) error                  { return w.Remove(base) }
func (w *walked) link(base, newBase string) error           { return w.Link(base, newBase) }
func (w *walked) symlink(target, base string) error         { return w.Symlink(target, base) }

func (w *walked) chmod(base string, mode fs.FileMode) error {
	if err := w.refuseLink(base); err != nil {
		return err
	}
	return w.Chmod(base, mode)
}

func (w *walked) chtimes(base string, mtime time.Time) error {
	if err := w.refuseLink(base); err != nil {
		return err
	}
	return w.Chtimes(base, time.Time{}, mtime)
}

// rename uses the names in the whole root if to is another directory: os.Root renames
// nothing from one root to another. Nor does os.Root replace an empty directory.
func (w *walked) rename(base string, to parent, toBase string) error {
	other := to.(*walked)
	from, name := path.Join(w.dir, base), path.Join(other.dir, toBase)
	rename := func() error {
		if other == w {
			return w.Rename(base, toBase)
		}
		return w.whole.Rename(from, name)
	}
	info, err := w.Lstat(base)
	if err != nil {
		return err
	}
	there, err := other.Lstat(toBase)
	switch {
	case err == nil && there.IsDir() && from == name:
		return nil
	case err == nil && info.IsDir() && !there.IsDir():
		return syscall.ENOTDIR // os.Root on Windows would replace the file
	case err != nil || !there.IsDir() || os.SameFile(info, there):
		return rename()
	case !info.IsDir():
		return syscall.EISDIR
	case strings.HasPrefix(name, from+"/"):
		return syscall.EINVAL
	}
	if err := other.Remove(toBase); err != nil {
		return err
	}
	if err = rename(); err != nil {
		other.Mkdir(toBase, there.Mode().Perm())
	}
	return err
}

func (w *walked) renameNew(string, parent, string) error { return errors.ErrUnsupported }
func (w *walked) hasDefaultACL() bool                    { return false }
