package fsbridge

import (
	"context"
	"io"
	"io/fs"
	"time"
)

// A storage is an [fs.FS]. Type assertions find its other abilities: [fs.StatFS],
// [fs.ReadLinkFS] (Lstat and ReadLink), and the interfaces below. A file that Open
// returns may be an [io.Seeker], so that a download may begin at an offset, and an
// *os.File, so that the kernel alone sends it.
//
// Methods are called from many goroutines and may take their time: only the session that
// asks waits. Errors are the [fs] sentinels and the [syscall.Errno] values, told apart
// with [errors.Is]. Their texts never reach a client.

// EnterFS is a storage some of whose directories cannot be entered. In a storage without
// Enter every directory can become the current one.
type EnterFS interface {
	fs.FS

	// Enter fails with [fs.ErrPermission] when nothing in the directory name can be
	// reached. CWD (RFC 959 §4.1.1) must not succeed then.
	Enter(name string) error
}

// CreateFS is a storage that takes uploads.
type CreateFS interface {
	fs.FS

	// Create opens an upload that begins at offset. flag is os.O_TRUNC to replace a
	// file, os.O_EXCL to make a new one (an error that is [fs.ErrExist] when there is
	// one), os.O_APPEND to add to its end, or 0 to overwrite it from offset on. A
	// missing file is made. [Access] has checked that offset is not beyond the end. The
	// file should keep its content until the first byte or Commit: the data connection
	// of many an upload never comes. perm are the permissions of a new file; if nil, the
	// storage chooses them.
	Create(name string, flag int, offset int64, perm *fs.FileMode) (Upload, error)
}

// Upload is a file that is being written. It ends with exactly one call of Commit or
// Abort. It may be an [io.ReaderFrom], so that the kernel alone fills it.
type Upload = interface {
	io.Writer

	// Commit makes the upload final.
	Commit() error

	// Abort gives the upload up. The storage decides how much of it remains.
	Abort() error
}

// HiddenUpload is an [Upload] that nobody can see before Commit if Hidden returns true.
// The host then looks more closely at how the upload ends: a part of a file, from a
// client that has died, must not look like the whole one.
type HiddenUpload interface {
	Upload
	Hidden() bool
}

// ReadableUpload is an [Upload] whose content can be read before Commit: what the file will
// be, with the bytes of before that an upload to a part of it keeps. Open is called between
// two calls of Write or before Commit, and the reader closed before the next.
type ReadableUpload interface {
	Upload
	Open() (io.ReadCloser, error)
}

// MkdirFS is a storage that makes directories. Mkdir fails with [fs.ErrExist] when there
// is a file or directory of that name. perm are the permissions of the directory; if
// nil, the storage chooses them.
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
// whether a directory replaces an empty one is for the storage to say. Work that takes
// its time, such as a copy to another disk, stops when ctx ends, and then all should be
// as it was before. If ctx has ended before the call, a rename that needs a copy fails at
// once, with an error that is [syscall.EXDEV]: this account may not copy and delete.
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

// SpaceFS is a storage that knows how many bytes an upload to the directory name could
// have.
type SpaceFS interface {
	fs.FS
	Space(name string) (int64, error)
}

// CreatedFS is a storage that may know when files were created. If TellsCreated is true,
// the [fs.FileInfo]s of Stat, Lstat and directory entries have a method Created()
// time.Time; the zero time means not known.
type CreatedFS interface {
	fs.FS
	TellsCreated() bool
}

// NoLinksFS is a storage whose methods go through no symbolic link if NoLinks is true.
type NoLinksFS interface {
	fs.FS
	NoLinks() bool
}

// SymlinkFS is a storage that makes symbolic links.
type SymlinkFS interface {
	fs.FS

	// Symlink makes the link name to the file target. target is a name like any other,
	// and its file may be missing. Symlink fails with [fs.ErrExist] when there is a
	// file called name.
	Symlink(target, name string) error
}
