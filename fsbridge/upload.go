package fsbridge

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Create opens an upload that begins at offset. flag is os.O_TRUNC to replace a
// file, os.O_EXCL to make a new one (an error that is [fs.ErrExist] when there
// is one), os.O_APPEND to add to its end, whatever offset is, or 0 to overwrite
// it from offset on, which keeps what it has behind the last byte written. The
// file is made when missing. offset beyond its end is an error.
//
// An upload in place is seen by others while it goes on, and what came stays
// when it is aborted, so that the client can resume. What the file held before is
// there until the first byte or Commit; an upload that is aborted before the first
// byte changes nothing, and leaves no file that it has made. It holds a lock: a
// second one to the same file, also from another process, fails with an error that
// is [syscall.EBUSY]. Where the file system has no locks, only one of this process
// does. It stays with its file when that is renamed or removed.
//
// An upload that is hidden until complete (see [DirOptions]) needs no such lock:
// the last to commit wins whole, or, with os.O_EXCL, the first. It keeps the
// permissions of the file it replaces, and its owner and group if the process may
// give files away; where the group cannot be kept, its members get no more than
// everybody. Access control lists, extended attributes and hard links go with the
// old file. A symbolic link is itself replaced.
//
// perm are the permissions of a file that is made, whatever the process's umask. nil
// leaves them to the umask: 0o666 less what it takes. Where the directory has a default
// access control list, that decides.
//
// The upload is an [io.ReaderFrom] that lets the kernel move the bytes.
func (d *Dir) Create(name string, flag int, offset int64, perm *fs.FileMode) (Upload, error) {
	if err := visible("create", name, checkUpload(name, flag, offset)); err != nil {
		return nil, err
	}
	create := d.createInPlace
	if d.options.Atomic && (flag == os.O_TRUNC || flag == os.O_EXCL) {
		create = d.createHidden
	}
	up, err := create(name, flag, offset, perm)
	if err != nil {
		return nil, d.fault("create", name, err)
	}
	return up, nil
}

// upload is an [Upload] to a file of the operating system.
type upload struct {
	dir       *Dir
	file      *os.File
	hold      *hold        // nil until the file is locked
	perm      *fs.FileMode // of a new file; nil for what the process's umask leaves
	cut       bool         // what the file holds goes with the first byte
	folder    parent       // that the file is in, held open: it may be renamed; nil where it is not needed
	base      string       // the name of the complete file in folder
	temporary string       // the name until then; "" is an upload in place
	made      bool         // in place: by this upload
	exclusive bool         // hidden: replaces nothing
	ended     bool
}

// firstPiece is how much of an upload is read at once before the old content is
// taken away. It is a page, so that the kernel can share blocks behind it.
const firstPiece = 4 << 10

func (u *upload) Write(p []byte) (int, error) {
	if len(p) > 0 {
		if err := u.begin(); err != nil {
			return 0, err
		}
	}
	return u.file.Write(p)
}

// begin takes the old content away.
func (u *upload) begin() error {
	if !u.cut {
		return nil
	}
	err := u.file.Truncate(0)
	u.cut = err != nil
	return err
}

// ReadFrom is that of *[os.File], but for the first bytes that replace others: they
// are waited for.
func (u *upload) ReadFrom(r io.Reader) (n int64, err error) {
	if u.cut {
		n, err = u.readFirst(r)
	}
	if err == io.EOF {
		return n, nil
	}
	if err != nil {
		return n, err
	}
	more, err := u.file.ReadFrom(r)
	return n + more, err
}

func (u *upload) readFirst(r io.Reader) (int64, error) {
	var n int
	var end error
	piece := make([]byte, firstPiece)
	for n == 0 && end == nil {
		n, end = r.Read(piece)
	}
	n, err := u.Write(piece[:n])
	if err == nil {
		err = end
	}
	return int64(n), err
}

// createTries bounds how often a file is opened that another removes before it is
// locked.
const createTries = 100

var errGone = errors.New("removed before it was locked")

func (d *Dir) createInPlace(name string, flag int, offset int64, perm *fs.FileMode) (u *upload, err error) {
	for range createTries {
		if u, err = d.openInPlace(name, flag, offset, perm); err != nil {
			return nil, err
		}
		if err = u.place(name, flag, offset); err == nil {
			return u, nil
		}
		if err == syscall.EBUSY {
			u.close() // the file is another's, who was quicker
		} else {
			u.leave()
		}
		if err != errGone {
			return nil, err
		}
	}
	return nil, syscall.EBUSY
}

// openInPlace opens the file as it is, or makes it. Neither os.O_TRUNC nor
// os.O_APPEND are given to the system: the first would act before the lock is had,
// and splice refuses a file that has the second.
func (d *Dir) openInPlace(name string, flag int, offset int64, perm *fs.FileMode) (*upload, error) {
	u := &upload{dir: d, perm: perm}
	err := fs.ErrNotExist
	if flag != os.O_EXCL {
		u.file, err = d.openWritten(name, 0, 0)
	}
	if errors.Is(err, fs.ErrNotExist) && (flag != 0 || offset == 0) {
		err = u.make(name)
		if errors.Is(err, fs.ErrExist) && flag != os.O_EXCL {
			// By another meanwhile, or there is a link to what is not there yet.
			u.file, err = d.openWritten(name, os.O_CREATE, u.permissions(nil))
		}
	}
	if err == nil && u.folder == nil && d.options.Sync {
		u.folder, u.base, err = d.parent(name)
	}
	if err != nil {
		u.close()
		return nil, err
	}
	return u, nil
}

func (d *Dir) openWritten(name string, flag int, perm fs.FileMode) (*os.File, error) {
	file, info, err := d.openFile(name, os.O_WRONLY|flag, perm)
	if err == nil && info.IsDir() {
		file.Close()
		return nil, syscall.EISDIR
	}
	return file, err
}

// make makes the file.
func (u *upload) make(name string) (err error) {
	if u.folder, u.base, err = u.dir.parent(name); err != nil {
		return err
	}
	u.file, err = u.folder.openFile(u.base, os.O_WRONLY|os.O_CREATE|os.O_EXCL|openFlags, u.permissions(nil))
	u.made = err == nil
	return err
}

// place locks the file and brings it to where the upload begins.
func (u *upload) place(name string, flag int, offset int64) (err error) {
	if u.hold, err = u.dir.lock(u.file); err != nil {
		return err
	}
	if u.hold.nameless(func() (fs.FileInfo, error) { return u.dir.stat(name) }) {
		return errGone
	}
	if u.made {
		return u.setMode(nil)
	}
	switch flag {
	case os.O_TRUNC:
		u.cut = true
	case os.O_APPEND:
		_, err = u.file.Seek(0, io.SeekEnd)
	case 0:
		if offset > u.hold.info.Size() {
			return syscall.EINVAL
		}
		_, err = u.file.Seek(offset, io.SeekStart)
	}
	return err
}

// permissions are those of the file that the upload makes, in the place of old or
// of none.
func (u *upload) permissions(old fs.FileInfo) fs.FileMode {
	switch {
	case old != nil:
		return old.Mode().Perm()
	case u.perm != nil:
		return u.perm.Perm()
	}
	return 0o666
}

// setMode gives a new file its permissions where the process's umask must not have
// its way. A file system that has none is no failure.
func (u *upload) setMode(old fs.FileInfo) error {
	perm := u.permissions(old)
	switch {
	case old == nil && u.perm == nil, u.hold.info.Mode().Perm() == perm:
		return nil
	case old == nil && u.folder.ruled():
		return nil
	}
	err := u.file.Chmod(perm)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
		return nil
	}
	return err
}

// Hidden says whether nobody sees the upload before it is committed.
func (u *upload) Hidden() bool { return u.temporary != "" }

// close closes all that the upload has open, and ends its lock.
func (u *upload) close() (err error) {
	if u.hold != nil {
		u.hold.release()
	}
	if u.file != nil {
		err = u.dir.closeFile(u.file)
	}
	if u.folder != nil {
		u.folder.Close()
	}
	return err
}

func (u *upload) end() error {
	if u.ended {
		return fs.ErrClosed
	}
	u.ended = true
	return nil
}

func (u *upload) Commit() error {
	if err := u.end(); err != nil {
		return err
	}
	if u.temporary != "" {
		return u.reveal()
	}
	err := u.begin()
	if err == nil && u.dir.options.Sync {
		err = u.dir.flush(u.file)
	}
	if err == nil && u.dir.options.Sync {
		err = u.dir.flushNames(u.folder, u.file)
	}
	if e := u.close(); err == nil {
		err = e
	}
	return err
}

func (u *upload) Abort() error {
	if err := u.end(); err != nil {
		return err
	}
	if u.temporary != "" {
		return u.drop()
	}
	return u.leave()
}

// leave gives up an upload in place.
func (u *upload) leave() error {
	if u.made {
		u.unmake()
	}
	return u.close()
}

// unmake removes a file that was made for bytes which did not come. The lock is
// still held, so that nobody writes to it.
func (u *upload) unmake() {
	info, err := u.file.Stat()
	if err != nil || info.Size() > 0 {
		return
	}
	if there, err := u.folder.lstat(u.base); err == nil && os.SameFile(info, there) {
		u.folder.remove(u.base)
	}
}
