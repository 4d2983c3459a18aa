package fsbridge

import (
	"context"
	"io"
	"io/fs"
	"time"
)

// A storage is an [fs.FS]. What else it can do is found by type assertion:
// [fs.StatFS], [fs.ReadLinkFS] (Lstat and ReadLink), and the interfaces below. A file that
// Open returns may be an [io.Seeker], to be read from an offset, and an *os.File, to be
// sent by the kernel alone.
//
// Methods are called from many goroutines and may take their time: only the session that
// asks waits. Errors are told apart with [errors.Is]: the [fs] sentinels and the
// [syscall.Errno] values. Their texts never reach a client.

// EnterFS is a storage whose directories may be closed to the account. In the others
// every directory can become the current one.
type EnterFS interface {
	fs.FS

	// Enter fails with [fs.ErrPermission] when nothing in the directory name can be
	// reached, as that of CWD (RFC 959 §4.1.1) must not succeed then.
	Enter(name string) error
}

// CreateFS is a storage that takes uploads.
type CreateFS interface {
	fs.FS

	// Create opens an upload that begins at offset. flag is os.O_TRUNC to replace a
	// file, os.O_EXCL to make a new one (an error that is [fs.ErrExist] when there is
	// one), os.O_APPEND to add to its end, or 0 to overwrite it from offset on. The
	// file is made when missing. [Access] has checked that offset is not beyond the
	// end. What the file holds should stay until the first byte or Commit: many an
	// upload begins whose data connection never comes. perm are the permissions of a
	// file that is made, nil for those that the storage chooses.
	Create(name string, flag int, offset int64, perm *fs.FileMode) (Upload, error)
}

// Upload is a file that is being written. It has two ends, of which exactly one is
// called. It may be an [io.ReaderFrom], to be filled by the kernel alone.
type Upload = interface {
	io.Writer

	// Commit makes the upload final.
	Commit() error

	// Abort gives it up. What then remains of it is the storage's choice.
	Abort() error
}

// HiddenUpload is an [Upload] that may be seen by nobody before it is committed. Its end
// is then looked at more closely: what a client that has died leaves must not look whole.
type HiddenUpload interface {
	Upload
	Hidden() bool
}

// MkdirFS is a storage that makes directories. Mkdir fails with [fs.ErrExist] when there
// is such a file. perm are the permissions of the directory, nil for those that the
// storage chooses.
type MkdirFS interface {
	fs.FS
	Mkdir(name string, perm *fs.FileMode) error
}

// RemoveFS is a storage that removes a file or an empty directory.
type RemoveFS interface {
	fs.FS
	Remove(name string) error
}

// RenameFS is a storage that renames files and directories. A file replaces a file;
// whether a directory replaces an empty one is for the storage to say. What takes its
// time, as copying to another disk does, ends with ctx, and then all should be as it was
// before. When ctx has ended already, as for an account that may rename and not copy or
// delete, it is not begun: that is an error that is [syscall.EXDEV].
type RenameFS interface {
	fs.FS
	Rename(ctx context.Context, from, to string) error
}

// ChtimesFS is a storage that sets modification times.
type ChtimesFS interface {
	fs.FS
	Chtimes(name string, mtime time.Time) error
}

// ChmodFS is a storage that sets permission bits. mode may have [fs.ModeSetuid],
// [fs.ModeSetgid] and [fs.ModeSticky]: which of them a file or a directory gets is for
// the storage to say, and no error.
type ChmodFS interface {
	fs.FS
	Chmod(name string, mode fs.FileMode) error
}

// SpaceFS is a storage that knows how many bytes an upload to a directory could have.
type SpaceFS interface {
	fs.FS
	Space(name string) (int64, error)
}

// CreatedFS is a storage that may know when files were created. The method Created()
// time.Time of its [fs.FileInfo]s tells; the zero time is not known.
type CreatedFS interface {
	fs.FS
	TellsCreated() bool
}

// SymlinkFS is a storage that makes symbolic links.
type SymlinkFS interface {
	fs.FS

	// Symlink makes the link name to the file target, which is a name like any other,
	// of a file that may be missing. It fails with [fs.ErrExist] when there is a file
	// called name.
	Symlink(target, name string) error
}
