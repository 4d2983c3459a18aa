package fsbridge

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"wasiftp/wasi"
)

// Access is a storage with the rights of one account. A session uses the storage through
// Access only: a method of Access checks names, rights and the file that is there, and
// then calls one method of FS. So a storage may embed another one and override some of its
// methods: no call goes past an override.
//
// Besides the errors of FS, a method returns [fs.ErrPermission] if a right is missing,
// [fs.ErrInvalid] for a name that is not a [ValidName], and [errors.ErrUnsupported] if FS
// lacks the method.
//
// With Rules, a file to which the account has no right at all is hidden: the error is
// [fs.ErrNotExist], whether there is one or not. Only the folders that lead to a file with
// rights can be entered and, if that has the right to list, be listed: such a listing shows
// nothing else. An account with Rules goes through no symbolic link, and makes none.
type Access struct {
	FS     fs.FS       // must not be nil
	Rights wasi.Rights // where no rule holds; zero allows Stat and Enter of directories only
	Rules  *Rules      // nil for none

	// FollowLinks makes listings describe the targets of symbolic links.
	FollowLinks bool

	// Quota bounds what the account stores; nil bounds nothing. What no call of Access
	// changes is not counted.
	Quota Quota
}

// ask returns the storage as a T, or ErrUnsupported, if err, the result of a check, is nil.
func ask[T fs.FS](a *Access, err error) (T, error) {
	var storage T
	if err != nil {
		return storage, err
	}
	storage, ok := a.FS.(T)
	if !ok {
		return storage, errors.ErrUnsupported
	}
	return storage, nil
}

// Able is what the storage can do besides being read. Only a call of Space tells whether
// it knows how much room there is; its type tells the rest.
func (a *Access) Able() wasi.Abilities {
	able := ability[CreateFS](a, wasi.AbleUpload) | ability[MkdirFS](a, wasi.AbleMkdir) |
		ability[ChtimesFS](a, wasi.AbleTimes) | ability[ChmodFS](a, wasi.AbleModes|wasi.AbleUmask) |
		ability[RemoveFS](a, wasi.AbleTree)
	if a.Rules == nil {
		able |= ability[SymlinkFS](a, wasi.AbleSymlink)
	}
	if c, ok := a.FS.(CreatedFS); ok && c.TellsCreated() {
		able |= wasi.AbleCreated
	}
	if a.tellsSpace() {
		able |= wasi.AbleSpace
	}
	return able
}

func (a *Access) tellsSpace() bool {
	if a.Anywhere()&wasi.RightWrite == 0 {
		return false
	}
	if d, ok := a.FS.(*Dir); ok { // which has asked the disk already
		if a.Quota == nil || d.counted {
			return d.counted
		}
	}
	storage, err := ask[SpaceFS](a, nil)
	if err == nil {
		_, err = storage.Space(".")
	}
	_, err = a.space(0, err)
	return !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrPermission)
}

func ability[T fs.FS](a *Access, able wasi.Abilities) wasi.Abilities {
	if _, ok := a.FS.(T); ok {
		return able
	}
	return 0
}

// Stat describes a file; with link, a symbolic link itself. It describes directories to
// every account, for CWD, but files only to one that may list or read.
func (a *Access) Stat(name string, link bool) (fs.FileInfo, error) {
	check := a.may
	if !link {
		check = a.mayFollow
	}
	if err := check(0, name); err != nil {
		return nil, a.veiled(name, err)
	}
	info, err := a.describe(name, link)
	switch {
	case err != nil:
		return nil, a.veiled(name, err)
	case !info.IsDir() && a.RightsTo(name)&(wasi.RightList|wasi.RightRead) == 0:
		return nil, a.veiled(name, fs.ErrPermission)
	}
	return info, nil
}

// describe is Stat without a check of rights.
func (a *Access) describe(name string, link bool) (fs.FileInfo, error) {
	if l, ok := a.FS.(fs.ReadLinkFS); ok && link {
		return l.Lstat(name)
	}
	return fs.Stat(a.FS, name)
}

// Enter describes a directory that can become the current one.
func (a *Access) Enter(name string) (fs.FileInfo, error) {
	info, err := a.Stat(name, false)
	switch e, ok := a.FS.(EnterFS); {
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, syscall.ENOTDIR
	case ok:
		return info, e.Enter(name)
	}
	return info, nil
}

// Open opens a file for a download that begins at offset, in bytes.
func (a *Access) Open(name string, offset int64) (file fs.File, info fs.FileInfo, err error) {
	if err := a.mayFollow(wasi.RightRead, name); err != nil {
		return nil, nil, err
	}
	opened, err := a.FS.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer func() { // also when the storage panics
		if file == nil {
			opened.Close()
		}
	}()
	info, err = opened.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = syscall.EISDIR
	case !info.Mode().IsRegular():
		err = fs.ErrPermission
	case offset > 0:
		err = skip(opened, offset)
	}
	if err != nil {
		return nil, nil, err
	}
	return opened, info, nil
}

// skip moves to an offset. It reads up to there if the file cannot seek.
func skip(file fs.File, offset int64) error {
	if seeker, ok := file.(io.Seeker); ok {
		_, err := seeker.Seek(offset, io.SeekStart)
		return err
	}
	_, err := io.CopyN(io.Discard, file, offset)
	return err
}

// Create opens an upload as [CreateFS] does. there describes the file that is there
// already, nil for none. Without the right to delete, an upload makes a new file or adds
// to the end of an old one, but neither replaces nor overwrites anything. An offset beyond
// the end of the file is [syscall.EINVAL]. A name that a rule refuses is [fs.ErrInvalid]. A
// Write past a rule's largest size is [syscall.EFBIG], and so is a Commit after it.
func (a *Access) Create(name string, flag int, offset int64, perm *fs.FileMode) (upload Upload, there fs.FileInfo, err error) {
	if a.Quota == nil {
		return a.create(name, flag, offset, perm)
	}
	a.Quota.Lock() // two that begin at once must not both take the file for one that was there
	defer a.Quota.Unlock()
	upload, there, err = a.create(name, flag, offset, perm)
	if err == nil {
		upload, err = a.counted(upload, there, name, flag, offset)
	}
	return upload, there, err
}

// create is Create without a quota.
func (a *Access) create(name string, flag int, offset int64, perm *fs.FileMode) (upload Upload, there fs.FileInfo, err error) {
	storage, err := ask[CreateFS](a, a.mayFollow(wasi.RightWrite, name))
	if err != nil {
		return nil, nil, err
	}
	rights, rule := a.rule(name)
	if err := a.takes(rule, name); err != nil {
		return nil, nil, err
	}
	deletes := rights&wasi.RightDelete != 0
	if d, ok := a.FS.(*Dir); ok && deletes {
		upload, there, err = d.create(name, flag, offset, perm) // it sees what is there, and there is nothing to forbid
		return rule.within(upload, flag, offset, there, err)
	}
	var size int64
	if info, err := fs.Stat(a.FS, name); err == nil {
		if there, size = info, max(info.Size(), 0); info.IsDir() {
			return nil, there, syscall.EISDIR
		}
	}
	onlyNew := flag == os.O_TRUNC && !deletes
	switch {
	case onlyNew:
		flag = os.O_EXCL
	case flag == os.O_APPEND:
		offset = 0
	case flag == 0 && offset > size:
		return nil, there, syscall.EINVAL
	case flag == 0 && offset < size && !deletes:
		return nil, there, fs.ErrPermission
	}
	upload, err = storage.Create(name, flag, offset, perm)
	switch {
	case onlyNew && errors.Is(err, fs.ErrExist):
		err = fs.ErrPermission
	case err == nil && upload == nil:
		err = errNoUpload
	}
	return rule.within(upload, flag, offset, there, err)
}

var errNoUpload = errors.New("the storage made no upload")

// Mkdir makes a directory.
func (a *Access) Mkdir(name string, perm *fs.FileMode) error {
	storage, err := ask[MkdirFS](a, a.may(wasi.RightMkdir, name))
	if err != nil {
		return err
	}
	return a.makes(func() error { return storage.Mkdir(name, perm) })
}

// Symlink makes a symbolic link. An account with Rules may make none: others would follow it
// to what is hidden from the account.
func (a *Access) Symlink(target, name string) error {
	storage, err := ask[SymlinkFS](a, a.may(wasi.RightWrite, target, name))
	switch {
	case err != nil:
		return err
	case a.Rules != nil:
		return fs.ErrPermission
	case target == "." || name == ".":
		return fs.ErrInvalid
	}
	return a.makes(func() error { return storage.Symlink(target, name) })
}

// Remove removes a file or, with dir, an empty directory. It removes a symbolic link, not
// its target.
func (a *Access) Remove(name string, dir bool) error {
	storage, err := a.removes(name, dir)
	if err != nil {
		return err
	}
	return storage.Remove(name)
}

// RemoveTree removes a directory and all that is in it, one by one. It stops when ctx ends
// or the storage refuses to remove a file: what has been removed by then is gone. It needs
// the right to delete each file, and stops at the first without. A hidden file stays: its
// directory is then not empty.
func (a *Access) RemoveTree(ctx context.Context, name string) error {
	storage, err := a.removes(name, true)
	if err != nil {
		return err
	}
	return a.removeTree(ctx, storage, name)
}

// removes checks that a file or, with dir, a directory may be removed. RemoveFS makes no
// difference between them. An account that may delete a file may learn its type.
func (a *Access) removes(name string, dir bool) (RemoveFS, error) {
	storage, err := ask[RemoveFS](a, a.may(wasi.RightDelete, name))
	if err != nil {
		return nil, err
	}
	info, err := a.describe(name, true)
	switch {
	case err != nil:
		return nil, err
	case name == ".":
		return nil, fs.ErrPermission
	case dir && !info.IsDir():
		return nil, syscall.ENOTDIR
	case !dir && info.IsDir():
		return nil, syscall.EISDIR
	}
	if a.Quota != nil {
		return removing{storage, a}, nil
	}
	return storage, nil
}

func (a *Access) removeTree(ctx context.Context, storage RemoveFS, name string) error {
	entries, err := fs.ReadDir(storage, name)
	for _, entry := range entries {
		if err != nil || ctx.Err() != nil {
			break
		}
		below := path.Join(name, entry.Name())
		if err = a.may(wasi.RightDelete, below); err != nil {
			// It stays.
		} else if entry.Type().IsDir() {
			err = a.removeTree(ctx, storage, below)
		} else {
			err = storage.Remove(below)
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = nil // removed meanwhile, or hidden
		}
	}
	if err = cmp.Or(err, ctx.Err()); err != nil {
		return err
	}
	return storage.Remove(name)
}

// Rename renames a file or a directory. Without the right to delete, it replaces nothing.
// It moves a file to another disk only with all the rights to read, write and delete.
//
// With Rules, the right to rename is needed to both names. The new name must have no right
// that the old one lacks, and its rule must take the file. A directory
// is moved only where no rule names anything below its old or its new name, other than
// rules such as "/**/*.jpg" which hold wherever it is.
func (a *Access) Rename(ctx context.Context, from, to string) error {
	storage, err := ask[RenameFS](a, a.may(wasi.RightRename, from, to))
	switch {
	case err != nil:
		return err
	case from == "." || to == ".":
		return fs.ErrInvalid
	}
	if _, err := a.describe(to, true); err == nil && a.RightsTo(to)&wasi.RightDelete == 0 && from != to {
		return fs.ErrPermission
	}
	if err := a.renames(from, to); err != nil {
		return err
	}
	const all = wasi.RightRead | wasi.RightWrite | wasi.RightDelete
	if a.RightsTo(from)&a.RightsTo(to)&all != all {
		ended, end := context.WithCancel(ctx)
		end()
		ctx = ended
	}
	return a.rename(ctx, storage, from, to)
}

// Chtimes sets a file's modification time.
func (a *Access) Chtimes(name string, mtime time.Time) error {
	storage, err := ask[ChtimesFS](a, a.mayFollow(wasi.RightWrite, name))
	if err != nil {
		return err
	}
	return storage.Chtimes(name, mtime)
}

// Chmod sets a file's permission bits.
func (a *Access) Chmod(name string, mode fs.FileMode) error {
	storage, err := ask[ChmodFS](a, a.mayFollow(wasi.RightWrite, name))
	if err != nil {
		return err
	}
	return storage.Chmod(name, mode)
}

// Space is how many bytes an upload to a directory could have.
func (a *Access) Space(name string) (int64, error) {
	storage, err := ask[SpaceFS](a, a.mayFollow(wasi.RightWrite, name))
	if err != nil {
		return a.space(0, err)
	}
	n, err := storage.Space(name)
	return a.space(max(n, 0), err)
}
