package fsbridge

import (
	"cmp"
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
	// committed, and removes it when it is aborted. Its bytes go to a file in the
	// same directory whose name no Dir lists or opens. If the process ends first,
	// [Dir.Sweep] removes that file. An upload that overwrites a file from an
	// offset on, or adds to its end, is written in place all the same.
	Atomic bool

	// Sync makes Commit wait until the file and its name are on the disk. The methods
	// that make, rename or remove a file wait in the same way. Their work outlasts a
	// power failure then; that of Chmod and Chtimes alone may not.
	//
	// Without Sync, a power failure may take from a file that was written in place the
	// bytes of the last half minute or so. A hidden upload is on the disk before its
	// file gets its name: a power failure leaves the whole new file or the old one.
	Sync bool

	// FilePerm and FolderPerm are the permissions of new files and folders for which none
	// are asked, whatever the process's umask. 0 is 0o666 and 0o777 less that umask. If
	// the directory has a default access control list, that decides instead.
	FilePerm, FolderPerm fs.FileMode

	// NoLinks refuses names that go through a symbolic link, with an error that is
	// [fs.ErrPermission]. Links can still be described, made, renamed and removed. An
	// account with [Rules] goes through no link of any storage: with NoLinks, looking
	// for links costs nothing, and on Linux no link that somebody makes during a call is
	// followed either.
	NoLinks bool
}

// Dir is a directory of the operating system, and nothing outside it.
//
// Symbolic links are followed as after chroot: one whose target begins with "/"
// begins at the root of the Dir, so that it names nothing outside. A relative one
// that climbs out of the root is refused with an error that is [fs.ErrPermission],
// and so is opening a pipe, a device or a socket. A link that somebody changes during
// a call does not lead out either.
//
// Its methods may be called from many goroutines.
type Dir struct {
	way
	options DirOptions
	outside error // os.Root's error for a name that leads out; nil without an os.Root
	created bool  // the file system of the root knows when files were made
	counted bool  // that file system knows how much room it has
	folds   bool  // that file system takes names without regard to case

	// The system calls of uploads; tests replace them.
	flock               func(file *os.File, exclusive bool) error
	syncFile, closeFile func(*os.File) error
}

// way resolves names inside the root: as os.Root does, or faster and without the right
// to read the directories on the way to the file.
type way interface {
	open(name string, flag int, perm fs.FileMode) (*os.File, error)
	stat(name string) (fs.FileInfo, error)
	lstat(name string) (fs.FileInfo, error)
	readlink(name string) (string, error)
	chmod(name string, mode fs.FileMode) error
	chtimes(name string, mtime time.Time) error
	parent(dir string) (parent, error)

	// withoutLinks is the same way, which fails with errLinked instead of following a
	// symbolic link.
	withoutLinks() way

	// list lists a directory. file is the same one, open for reading; closing the lister
	// does not close it.
	list(name string, file *os.File) (lister, error)

	close() error
}

// parent is a directory that is held open to work on its entries, wherever it is moved
// meanwhile. base is the name of an entry; if that is a symbolic link, it is never
// followed. A parent is for one goroutine at a time.
type parent interface {
	openFile(base string, flag int, perm fs.FileMode) (*os.File, error)
	lstat(base string) (fs.FileInfo, error)
	mkdir(base string, perm fs.FileMode) error
	remove(base string) error // a file or an empty directory
	rename(base string, to parent, toBase string) error
	renameNew(base string, to parent, toBase string) error // replaces no file; not every system can do it
	link(base, newBase string) error
	symlink(target, base string) error
	chmod(base string, mode fs.FileMode) error
	chtimes(base string, mtime time.Time) error

	// hasDefaultACL says whether a default ACL, and not the process's umask, decides
	// the permissions of new files.
	hasDefaultACL() bool

	Close() error
}

var (
	errOutside = refusal("leads out of the root")
	errLinked  = refusal("goes through a symbolic link")
	errThrough = refusal("its directory is reached through a symbolic link")
	errSpecial = refusal("neither a file nor a directory")
)

// refusal is an error that is [fs.ErrPermission]. It makes do without fmt, which
// would make a module large.
type refusal string

func (r refusal) Error() string { return string(r) }
func (refusal) Unwrap() error   { return fs.ErrPermission }

// OpenDir opens the directory root.
func OpenDir(root string, options DirOptions) (*Dir, error) { return openDir(root, options, true) }

// openDir is OpenDir. Without fast, the way is that of os.Root on every system.
func openDir(name string, options DirOptions, fast bool) (*Dir, error) {
	d := &Dir{options: options, flock: flock, syncFile: (*os.File).Sync, closeFile: (*os.File).Close}
	if err := d.findWay(name, fast); err != nil {
		return nil, err
	}
	if options.NoLinks {
		d.way = d.way.withoutLinks()
	}
	d.folds = foldsNames(name)
	info, err := d.stat(".")
	d.created = err == nil && createdOf(info) != 0
	_, err = d.Space(".")
	d.counted = !errors.Is(err, errors.ErrUnsupported)
	return d, nil
}

func (d *Dir) findWay(name string, fast bool) error {
	root, err := os.OpenRoot(name)
	if fast && errors.Is(err, fs.ErrPermission) {
		if d.way = openUnreadable(name); d.way != nil {
			return nil
		}
	}
	if err != nil {
		return err
	}
	// os.Root does not export its error for a name that leads out.
	var escape *fs.PathError
	if _, err := root.Lstat(".."); errors.As(err, &escape) {
		d.outside = escape.Err
	}
	d.way = walk{root: root}
	if fast {
		d.way = fastWay(root)
	}
	return nil
}

// Close closes the directory. Files and uploads that are open stay so.
func (d *Dir) Close() error { return d.way.close() }

// Open opens a file, as an *[os.File], or a directory, as an [fs.ReadDirFile]. The
// entries of a directory are sorted by name if there are no more than 1,000, else in
// the order of the disk.
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
	entries, err := d.list(name, file)
	if err != nil {
		file.Close()
		return nil, d.fault("open", name, err)
	}
	return &directory{lister: entries, dir: d, name: name, file: file}, nil
}

// openFile opens a file or a directory and nothing else. It never waits for the other
// end of a pipe.
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

// Stat describes the file that name leads to. On Linux, the descriptions by Stat, Lstat and
// the entries of directories have a method Created() time.Time, and only [SameFile] can
// compare them, not [os.SameFile].
func (d *Dir) Stat(name string) (fs.FileInfo, error) { return d.describe("stat", name, d.stat) }

// Lstat describes the file name, which may be a symbolic link.
func (d *Dir) Lstat(name string) (fs.FileInfo, error) { return d.describe("lstat", name, d.lstat) }

// TellsCreated is true on Linux if the file system of the root knows when files were made.
// One that is mounted below may know it or not, whatever that of the root does.
func (d *Dir) TellsCreated() bool { return d.created }

// NoLinks is that of [DirOptions].
func (d *Dir) NoLinks() bool { return d.options.NoLinks }

// FoldsNames is true on Windows and macOS, and on Linux for a root on FAT, NTFS, HFS or a
// disk of Windows on the network. Disks that are mounted below the root do not count, nor do
// single folders of ext4 that ignore case.
func (d *Dir) FoldsNames() bool { return d.folds }

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

// ReadLink is the target of the symbolic link name, as it is stored: it may be outside.
func (d *Dir) ReadLink(name string) (string, error) {
	if err := check("readlink", name); err != nil {
		return "", err
	}
	target, err := d.readlink(name)
	return target, d.fault("readlink", name, err)
}

// Enter fails with an error that is [fs.ErrPermission] if the process may not search the
// directory name, so that nothing in it can be reached. The right to list it is not
// needed.
func (d *Dir) Enter(name string) error {
	if err := check("enter", name); err != nil {
		return err
	}
	_, err := d.stat(name + "/.") // the system searches the directory for this
	return d.fault("enter", name, err)
}

// Mkdir makes a directory. perm are its permissions, as in [Dir.Create]; nil is those of
// [DirOptions], else 0o777 less the process's umask.
func (d *Dir) Mkdir(name string, perm *fs.FileMode) error {
	perm = asked(perm, &d.options.FolderPerm)
	return d.changeIn("mkdir", name, func(p parent, base string) error {
		wanted := permissions(perm, 0o777)
		err := p.mkdir(base, wanted)
		if err != nil || perm == nil || p.hasDefaultACL() {
			return err
		}
		// Set again what the umask has taken. A disk without permissions may refuse that.
		if info, err := p.lstat(base); err == nil && info.IsDir() {
			p.chmod(base, permitted(wanted, info.Mode()))
		}
		return nil
	})
}

// Remove removes a file, an empty directory or a symbolic link, never the link's
// target. A directory that holds an unfinished upload is not empty. A directory that
// holds only leftovers of uploads (see [Dir.Sweep]) is removed with them.
func (d *Dir) Remove(name string) error {
	return d.changeIn("remove", name, func(p parent, base string) error {
		err := p.remove(base)
		if errors.Is(err, fs.ErrExist) && d.clear(name) {
			err = p.remove(base)
		}
		if errors.Is(err, fs.ErrExist) { // Windows and some network disks have other errors for a full directory
			err = syscall.ENOTEMPTY
		}
		return err
	})
}

// Symlink makes the symbolic link name to the file target, which is a name like any
// other, of a file that may be missing. The link is stored as a relative one, so that it
// leads to target wherever the root is mounted. If the directory of name is itself
// reached through a link, Symlink fails: a relative link there would lead elsewhere.
func (d *Dir) Symlink(target, name string) error {
	if err := cmp.Or(checkChange("symlink", target), checkHidden("symlink", target)); err != nil {
		return err
	}
	return d.change("symlink", name, func() error {
		dir := path.Dir(name)
		if err := d.refuseLinks(dir); err != nil {
			return err
		}
		text, err := filepath.Rel(filepath.FromSlash(dir), filepath.FromSlash(target))
		if err != nil {
			return err
		}
		return d.inParent(name, func(p parent, base string) error { return p.symlink(text, base) })
	})
}

// refuseLinks fails if an element of dir is a symbolic link.
func (d *Dir) refuseLinks(dir string) error {
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

// rename is Rename without copying from one disk to another.
func (d *Dir) rename(from, to string) error {
	if err := cmp.Or(checkChange("rename", to), checkHidden("rename", to)); err != nil {
		return err
	}
	return d.changeIn("rename", from, func(p parent, base string) error {
		toParent, toBase, err := d.parent(to)
		if err != nil {
			return err
		}
		defer toParent.Close()
		err = p.rename(base, toParent, toBase)
		if errors.Is(err, fs.ErrExist) && d.clear(to) {
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
		if _, err := d.statNotRoot(name); err != nil {
			return err
		}
		return d.chtimes(name, mtime)
	})
}

// Chmod sets the nine permission bits and, of a directory, set-group-ID and sticky. A
// directory that has set-group-ID keeps it, as with chmod(1). A file gets none of the
// upper three bits: a program that one user stores must not run as another user.
func (d *Dir) Chmod(name string, mode fs.FileMode) error {
	return d.change("chmod", name, func() error {
		info, err := d.statNotRoot(name)
		if err != nil {
			return err
		}
		return d.chmod(name, permitted(mode, info.Mode()))
	})
}

// permitted is the mode that Chmod gives a file or directory of mode old.
func permitted(mode, old fs.FileMode) fs.FileMode {
	if !old.IsDir() {
		return mode.Perm()
	}
	return mode.Perm() | mode&fs.ModeSticky | (mode|old)&fs.ModeSetgid
}

// statNotRoot describes a file. It fails if name leads to the root, through a link.
func (d *Dir) statNotRoot(name string) (fs.FileInfo, error) {
	info, err := d.stat(name)
	if err != nil {
		return nil, err
	}
	root, err := d.stat(".")
	if err == nil && SameFile(info, root) {
		err = fs.ErrPermission
	}
	return info, err
}

// change calls do, which changes the file name. name must not be the root's.
func (d *Dir) change(op, name string, do func() error) error {
	if err := cmp.Or(checkChange(op, name), checkHidden(op, name)); err != nil {
		return err
	}
	return d.fault(op, name, do())
}

// changeIn is change for what is done in the directory that holds the file.
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

// check refuses the names that no method of a Dir takes.
func check(op, name string) error { return cmp.Or(checkName(op, name), checkHidden(op, name)) }

// checkHidden refuses the names of unfinished uploads, as if there were no such files.
func checkHidden(op, name string) error {
	if hiddenName(name) {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return nil
}

// fault is err without any path outside the root; nil if err is nil.
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
