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
type Access struct {
	FS     fs.FS       // must not be nil
	Rights wasi.Rights // zero allows Stat and Enter of directories only

	// FollowLinks makes listings describe the targets of symbolic links.
	FollowLinks bool
}

// may checks that the account has a right, and that the names are valid.
func (a *Access) may(right wasi.Rights, names ...string) error {
	if !a.has(right) {
		return fs.ErrPermission
	}
	for _, name := range names {
		if !ValidName(name) {
			return fs.ErrInvalid
		}
	}
	return nil
}

func (a *Access) has(right wasi.Rights) bool { return a.Rights&right == right }

// ask is may for a method of T. It returns the storage as a T, or ErrUnsupported.
func ask[T fs.FS](a *Access, right wasi.Rights, names ...string) (storage T, err error) {
	if err := a.may(right, names...); err != nil {
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
		ability[SymlinkFS](a, wasi.AbleSymlink) | ability[RemoveFS](a, wasi.AbleTree)
	if c, ok := a.FS.(CreatedFS); ok && c.TellsCreated() {
		able |= wasi.AbleCreated
	}
	if a.tellsSpace() {
		able |= wasi.AbleSpace
	}
	return able
}

func (a *Access) tellsSpace() bool {
	if d, ok := a.FS.(*Dir); ok { // which has asked the disk already
		return d.counted && a.has(wasi.RightWrite)
	}
	_, err := a.Space(".")
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
	if err := a.may(0, name); err != nil {
		return nil, err
	}
	info, err := a.describe(name, link)
	if err == nil && !info.IsDir() && !a.has(wasi.RightList) && !a.has(wasi.RightRead) {
		return nil, fs.ErrPermission
	}
	return info, err
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
	if err := a.may(wasi.RightRead, name); err != nil {
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
// the end of the file is [syscall.EINVAL].
func (a *Access) Create(name string, flag int, offset int64, perm *fs.FileMode) (upload Upload, there fs.FileInfo, err error) {
	storage, err := ask[CreateFS](a, wasi.RightWrite, name)
	if err != nil {
		return nil, nil, err
	}
	if d, ok := a.FS.(*Dir); ok && a.has(wasi.RightDelete) {
		return d.create(name, flag, offset, perm) // it sees what is there, and there is nothing to forbid
	}
	var size int64
	if info, err := fs.Stat(a.FS, name); err == nil {
		if there, size = info, max(info.Size(), 0); info.IsDir() {
			return nil, there, syscall.EISDIR
		}
	}
	onlyNew := flag == os.O_TRUNC && !a.has(wasi.RightDelete)
	switch {
	case onlyNew:
		flag = os.O_EXCL
	case flag == os.O_APPEND:
		offset = 0
	case flag == 0 && offset > size:
		return nil, there, syscall.EINVAL
	case flag == 0 && offset < size && !a.has(wasi.RightDelete):
		return nil, there, fs.ErrPermission
	}
	upload, err = storage.Create(name, flag, offset, perm)
	switch {
	case onlyNew && errors.Is(err, fs.ErrExist):
		err = fs.ErrPermission
	case err == nil && upload == nil:
		err = errNoUpload
	}
	return upload, there, err
}

var errNoUpload = errors.New("the storage made no upload")

// Mkdir makes a directory.
func (a *Access) Mkdir(name string, perm *fs.FileMode) error {
	storage, err := ask[MkdirFS](a, wasi.RightMkdir, name)
	if err != nil {
		return err
	}
	return storage.Mkdir(name, perm)
}

// Symlink makes a symbolic link.
func (a *Access) Symlink(target, name string) error {
	storage, err := ask[SymlinkFS](a, wasi.RightWrite, target, name)
	switch {
	case err != nil:
		return err
	case target == "." || name == ".":
		return fs.ErrInvalid
	}
	return storage.Symlink(target, name)
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
// or the storage refuses to remove a file: what has been removed by then is gone.
func (a *Access) RemoveTree(ctx context.Context, name string) error {
	storage, err := a.removes(name, true)
	if err != nil {
		return err
	}
	return removeTree(ctx, storage, name)
}

// removes checks that a file or, with dir, a directory may be removed. RemoveFS makes no
// difference between them. An account that may delete a file may learn its type.
func (a *Access) removes(name string, dir bool) (RemoveFS, error) {
	storage, err := ask[RemoveFS](a, wasi.RightDelete, name)
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
	return storage, nil
}

func removeTree(ctx context.Context, storage RemoveFS, name string) error {
	entries, err := fs.ReadDir(storage, name)
	for _, entry := range entries {
		if err != nil || ctx.Err() != nil {
			break
		}
		if below := path.Join(name, entry.Name()); entry.Type().IsDir() {
			err = removeTree(ctx, storage, below)
		} else {
			err = storage.Remove(below)
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = nil // removed meanwhile
		}
	}
	if err = cmp.Or(err, ctx.Err()); err != nil {
		return err
	}
	return storage.Remove(name)
}

// Rename renames a file or a directory. Without the right to delete, it replaces nothing.
// It moves a file to another disk only with all the rights to read, write and delete.
func (a *Access) Rename(ctx context.Context, from, to string) error {
	storage, err := ask[RenameFS](a, wasi.RightRename, from, to)
	switch {
	case err != nil:
		return err
	case from == "." || to == ".":
		return fs.ErrInvalid
	}
	if _, err := a.describe(to, true); err == nil && !a.has(wasi.RightDelete) && from != to {
		return fs.ErrPermission
	}
	if !a.has(wasi.RightRead | wasi.RightWrite | wasi.RightDelete) {
		ended, end := context.WithCancel(ctx)
		end()
		ctx = ended
	}
	return storage.Rename(ctx, from, to)
}

// Chtimes sets a file's modification time.
func (a *Access) Chtimes(name string, mtime time.Time) error {
	storage, err := ask[ChtimesFS](a, wasi.RightWrite, name)
	if err != nil {
		return err
	}
	return storage.Chtimes(name, mtime)
}

// Chmod sets a file's permission bits.
func (a *Access) Chmod(name string, mode fs.FileMode) error {
	storage, err := ask[ChmodFS](a, wasi.RightWrite, name)
	if err != nil {
		return err
	}
	return storage.Chmod(name, mode)
}

// Space is how many bytes an upload to a directory could have.
func (a *Access) Space(name string) (int64, error) {
	storage, err := ask[SpaceFS](a, wasi.RightWrite, name)
	if err != nil {
		return 0, err
	}
	n, err := storage.Space(name)
	return max(n, 0), err
}
