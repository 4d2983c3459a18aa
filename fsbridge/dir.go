package fsbridge

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"
)

// DirOptions says how a [Dir] treats files. Its zero value is safe.
type DirOptions struct {
	// Atomic hides an upload that makes or replaces a file until it is
	// committed, and removes it when it is aborted. It is written under a name
	// of its own in the same directory, which nobody can list or reach through
	// a Dir; [Dir.Sweep] removes it if the process ends first. An upload that goes
	// on in a file, or adds to its end, is written in place all the same.
	Atomic bool

	// Sync makes Commit wait until the file and its name are on the disk, and what
	// makes, renames or removes a file until that is: all this is still so after the
	// power has failed. A permission or a time that was set alone may not be.
	//
	// Without it a file that was written in place may lose what came in the last
	// half minute or so. One that was hidden is on the disk before it gets its
	// name: after a power failure there is the whole new file, or what there was
	// before.
	Sync bool
}

// Dir is a directory of the operating system, and nothing outside it.
//
// Symbolic links are followed as after chroot: one whose target begins with "/"
// begins at the root of the Dir, so that it names nothing outside. A relative one
// that climbs out of the root is refused with an error that is [fs.ErrPermission],
// and so is opening what is neither a file nor a directory: a pipe, a device, a
// socket. A link that is changed at the same time does not lead out either.
//
// Its methods may be called from many goroutines.
type Dir struct {
	way
	options DirOptions
	outside error // what os.Root says to a name that leads out

	// What uploads ask of the system; tests look on.
	flock               func(file *os.File, against bool) error
	syncFile, closeFile func(*os.File) error
}

// way is how a Dir comes to a file by its name: as os.Root does, or faster and
// without the right to read the directories that the name goes through.
type way interface {
	open(name string, flag int, perm fs.FileMode) (*os.File, error)
	stat(name string) (fs.FileInfo, error)
	lstat(name string) (fs.FileInfo, error)
	readlink(name string) (string, error)
	chmod(name string, mode fs.FileMode) error
	chtimes(name string, mtime time.Time) error

	// parent opens the directory dir for what is done to the files right in it.
	parent(dir string) (parent, error)

	// list gives the open directory as a root, to describe its entries.
	list(name string, file *os.File) (*os.Root, error)

	close() error
}

// parent is a directory that is held open for what is done to the files right in
// it, wherever it is moved meanwhile. base is the name of such a file; a symbolic
// link of that name is never followed. Those who use a parent are in one
// goroutine at a time.
type parent interface {
	openFile(base string, flag int, perm fs.FileMode) (*os.File, error)
	lstat(base string) (fs.FileInfo, error)
	mkdir(base string, perm fs.FileMode) error
	remove(base string) error // a file or an empty directory
	rename(base string, to parent, toBase string) error
	renameNew(base, newBase string) error // replaces no file; not every system can do it
	link(base, newBase string) error
	symlink(target, base string) error
	chmod(base string, mode fs.FileMode) error
	chtimes(base string, mtime time.Time) error

	// ruled is whether its default ACL says the permissions of what is made in
	// it, and the process's umask does not.
	ruled() bool

	Close() error
}

var (
	errOutside = refusal("leads out of the root")
	errThrough = refusal("its directory is reached through a symbolic link")
	errSpecial = refusal("neither a file nor a directory")
)

// refusal is an error that is [fs.ErrPermission], without the weight that fmt
// has in a module.
type refusal string

func (r refusal) Error() string { return string(r) }
func (refusal) Unwrap() error   { return fs.ErrPermission }

// OpenDir opens the directory root.
func OpenDir(root string, options DirOptions) (*Dir, error) {
	return openDir(root, options, true)
}

func openDir(name string, options DirOptions, fast bool) (*Dir, error) {
	d := &Dir{options: options, flock: flock, syncFile: (*os.File).Sync, closeFile: (*os.File).Close}
	root, err := os.OpenRoot(name)
	if err != nil {
		if fast && errors.Is(err, fs.ErrPermission) {
			d.way = unread(name)
		}
		if d.way == nil {
			return nil, err
		}
		return d, nil
	}
	// os.Root has an error of its own for this and does not export it.
	var escape *fs.PathError
	if _, err := root.Lstat(".."); errors.As(err, &escape) {
		d.outside = escape.Err
	}
	d.way = walk{root}
	if fast {
		d.way = accelerated(root)
	}
	return d, nil
}

// Close closes the directory. Files and uploads that are open stay so.
func (d *Dir) Close() error { return d.way.close() }

// Open opens a file, which is then an *[os.File], or a directory, which is then
// an [fs.ReadDirFile]: its pages come in the order of the directory or, when
// that has no more than 1,000 entries, sorted by name.
func (d *Dir) Open(name string) (fs.File, error) {
	if err := check("open", name); err != nil {
		return nil, err
	}
	file, info, err := d.openFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, d.fault("open", name, err)
	}
	if !info.IsDir() {
		return file, nil
	}
	root, err := d.list(name, file)
	if err != nil {
		file.Close()
		return nil, d.fault("open", name, err)
	}
	return &directory{dir: d, name: name, file: file, root: root}, nil
}

// openFile opens a file or a directory and nothing else, and never waits for
// the other end of a pipe.
func (d *Dir) openFile(name string, flag int, perm fs.FileMode) (*os.File, fs.FileInfo, error) {
	if statFirst {
		if info, err := d.stat(name); err == nil && special(typed(info)) {
			return nil, nil, errSpecial
		}
	}
	file, err := d.openLeased(name, flag|openFlags, perm)
	if errors.Is(err, syscall.ENXIO) || errors.Is(err, syscall.EOPNOTSUPP) {
		return nil, nil, errSpecial // a socket, or a pipe that nobody reads
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && special(typed(info)) {
		err = errSpecial
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

func special(info fs.FileInfo) bool { return !info.Mode().IsRegular() && !info.IsDir() }

// Stat describes the file that name leads to.
func (d *Dir) Stat(name string) (fs.FileInfo, error) { return d.describe("stat", name, d.stat) }

// Lstat describes the file name, which may be a symbolic link.
func (d *Dir) Lstat(name string) (fs.FileInfo, error) { return d.describe("lstat", name, d.lstat) }

func (d *Dir) describe(op, name string, stat func(string) (fs.FileInfo, error)) (fs.FileInfo, error) {
	if err := check(op, name); err != nil {
		return nil, err
	}
	info, err := stat(name)
	if err != nil {
		return nil, d.fault(op, name, err)
	}
	return typed(info), nil
}

// ReadLink is where the symbolic link name points to, inside or not.
func (d *Dir) ReadLink(name string) (string, error) {
	if err := check("readlink", name); err != nil {
		return "", err
	}
	target, err := d.readlink(name)
	return target, d.fault("readlink", name, err)
}

// Mkdir makes a directory. perm are its permissions, as those of [Dir.Create].
func (d *Dir) Mkdir(name string, perm *fs.FileMode) error {
	return d.changeIn("mkdir", name, func(p parent, base string) error {
		if perm == nil {
			return p.mkdir(base, 0o777)
		}
		err := p.mkdir(base, perm.Perm())
		if err == nil && !p.ruled() {
			unmask(p, base, perm.Perm())
		}
		return err
	})
}

// unmask gives a new directory the permissions that the process's umask has taken
// of it. Where that cannot be, on disks without permissions, it has fewer.
func unmask(p parent, base string, perm fs.FileMode) {
	if info, err := p.lstat(base); err == nil && info.IsDir() {
		p.chmod(base, permitted(perm, info.Mode()))
	}
}

// Remove removes a file, an empty directory or a symbolic link, never what that
// points to. A directory that holds an unfinished upload is not empty; leftovers of
// uploads (see [Dir.Sweep]) go with it.
func (d *Dir) Remove(name string) error {
	return d.changeIn("remove", name, func(p parent, base string) error {
		err := p.remove(base)
		if errors.Is(err, fs.ErrExist) && d.clear(name) {
			err = p.remove(base)
		}
		if errors.Is(err, syscall.EEXIST) { // what some network disks say of a full directory
			err = syscall.ENOTEMPTY
		}
		return err
	})
}

// Symlink makes the symbolic link name to the file target, which is a name like
// any other, and may be missing. The link is relative, so that it leads there from
// wherever the root is mounted; a directory that is itself reached through a link
// cannot hold it, for it would lead elsewhere.
func (d *Dir) Symlink(target, name string) error {
	if err := visible("symlink", target, checkChange("symlink", target)); err != nil {
		return err
	}
	return d.change("symlink", name, func() error {
		dir := path.Dir(name)
		if err := d.straight(dir); err != nil {
			return err
		}
		text, err := filepath.Rel(filepath.FromSlash(dir), filepath.FromSlash(target))
		if err != nil {
			return err
		}
		return d.inParent(name, func(p parent, base string) error { return p.symlink(text, base) })
	})
}

// straight refuses a directory that is reached through a link.
func (d *Dir) straight(dir string) error {
	for end := range len(dir) + 1 {
		if end < len(dir) && dir[end] != '/' {
			continue
		}
		info, err := d.lstat(dir[:end])
		if err != nil {
			return err
		}
		if info.Mode().Type() == fs.ModeSymlink {
			return errThrough
		}
	}
	return nil
}

// rename is Rename on one disk.
func (d *Dir) rename(from, to string) error {
	if err := visible("rename", to, checkChange("rename", to)); err != nil {
		return err
	}
	return d.changeIn("rename", from, func(p parent, base string) error {
		toParent, toBase, err := d.parent(to)
		if err != nil {
			return err
		}
		defer toParent.Close()
		err = p.rename(base, toParent, toBase)
		if errors.Is(err, syscall.ENOTEMPTY) && d.clear(to) {
			err = p.rename(base, toParent, toBase)
		}
		if err != nil || !d.options.Sync {
			return err
		}
		return d.flushNames(toParent, nil)
	})
}

// Chtimes sets the modification time.
func (d *Dir) Chtimes(name string, mtime time.Time) error {
	return d.change("chtimes", name, func() error {
		if !time.Unix(0, mtime.UnixNano()).Equal(mtime) {
			return syscall.EINVAL // os counts nanoseconds in 64 bits and would wrap
		}
		if _, err := d.below(name); err != nil {
			return err
		}
		return d.chtimes(name, mtime)
	})
}

// Chmod sets the nine permission bits and, of a directory, those that make what is
// in it belong to its group and keep others from removing it (02000 and 01000). The
// first of these two stays with a directory that has it, as chmod(1) lets it. A
// file gets none of the upper three: what somebody stores must not run as
// somebody else.
func (d *Dir) Chmod(name string, mode fs.FileMode) error {
	return d.change("chmod", name, func() error {
		info, err := d.below(name)
		if err != nil {
			return err
		}
		return d.chmod(name, permitted(mode, info.Mode()))
	})
}

// permitted is what of a mode a file or directory that has the mode old gets.
func permitted(mode, old fs.FileMode) fs.FileMode {
	if !old.IsDir() {
		return mode.Perm()
	}
	return mode.Perm() | mode&fs.ModeSticky | (mode|old)&fs.ModeSetgid
}

// below describes a file that is not the root by another name.
func (d *Dir) below(name string) (fs.FileInfo, error) {
	info, err := d.stat(name)
	if err != nil {
		return nil, err
	}
	root, err := d.stat(".")
	if err == nil && os.SameFile(info, root) {
		err = fs.ErrPermission
	}
	return info, err
}

func (d *Dir) change(op, name string, do func() error) error {
	if err := visible(op, name, checkChange(op, name)); err != nil {
		return err
	}
	return d.fault(op, name, do())
}

// changeIn does something to a file in the directory that holds it.
func (d *Dir) changeIn(op, name string, do func(p parent, base string) error) error {
	return d.change(op, name, func() error { return d.inParent(name, do) })
}

func (d *Dir) inParent(name string, do func(p parent, base string) error) error {
	p, base, err := d.parent(name)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := do(p, base); err != nil || !d.options.Sync {
		return err
	}
	return d.flushNames(p, nil)
}

// check refuses what no method of a Dir takes.
func check(op, name string) error { return visible(op, name, checkName(op, name)) }

// visible is err or, where there is none, that of an unfinished upload's name.
func visible(op, name string, err error) error {
	if err == nil && hiddenName(name) {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return err
}

// fault is err with nothing in it about what is outside the root.
func (d *Dir) fault(op, name string, err error) error {
	if err == nil {
		return nil
	}
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case d.leadsOut(err):
		err = errOutside
	case errors.As(err, &path):
		err = path.Err
	case errors.As(err, &link):
		err = link.Err
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}
