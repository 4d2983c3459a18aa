package fsbridge

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// Create opens an upload that begins at offset. flag is os.O_TRUNC to replace a
// file, os.O_EXCL to make a new one (an error that is [fs.ErrExist] when there
// is one), os.O_APPEND to add to its end, whatever offset is, or 0 to overwrite
// it from offset on and keep the bytes behind the last one written. A missing file
// is made. An offset beyond the end of the file is an error.
//
// Others see an upload in place while it goes on. When it is aborted, the bytes that
// came stay, so that the client can resume. The file keeps its old content until the
// first byte or Commit. An upload that is aborted before the first byte changes
// nothing, and removes the file that it has made. It locks the file: a second upload
// to it, also from another process, fails with an error that is [syscall.EBUSY]. If
// the file system has no locks, only a second upload of this process fails. The
// upload stays with its file when that is renamed or removed.
//
// A hidden upload (see [DirOptions]) keeps out no other: the last to commit wins, as a
// whole, or, with os.O_EXCL, the first. The new file gets the permissions of the one it
// replaces, and its owner and group if the process may give files away. If it may not,
// the group of the process gets no right that others do not have. Access control
// lists, extended attributes and hard links go with the old file. A symbolic link is
// itself replaced.
//
// perm are the permissions of a new file, whatever the process's umask; nil is those of
// [DirOptions], else 0o666 less the umask. If the directory has a default access control list, that decides instead.
//
// The upload is an [io.ReaderFrom] that lets the kernel move the bytes.
func (d *Dir) Create(name string, flag int, offset int64, perm *fs.FileMode) (Upload, error) {
	up, _, err := d.create(name, flag, offset, perm)
	return up, err
}

// create is Create. there describes the file that is there already, nil for none.
func (d *Dir) create(name string, flag int, offset int64, perm *fs.FileMode) (_ Upload, there fs.FileInfo, err error) {
	if err := cmp.Or(checkUpload(name, flag, offset), checkHidden("create", name)); err != nil {
		return nil, nil, err
	}
	perm = asked(perm, &d.options.FilePerm)
	create := d.createInPlace
	if d.options.Atomic && (flag == os.O_TRUNC || flag == os.O_EXCL) {
		create = d.createHidden
	}
	up, err := create(name, flag, offset, perm)
	if err != nil {
		return nil, nil, d.fault("create", name, err)
	}
	return up, up.there, nil
}

// upload is an [Upload] to a file of the operating system.
type upload struct {
	dir        *Dir
	name       string // that Create got
	file       *os.File
	hold       *hold        // nil until the file is locked
	there      fs.FileInfo  // the file before the upload; nil for none
	perm       *fs.FileMode // of a new file; nil for what the process's umask leaves
	truncates  bool         // the first byte removes the old content
	folder     parent       // of the file, held open as it may be renamed; nil if not needed
	base       string       // the name of the complete file in folder
	target     parent       // of the name that Rename got; nil for none
	targetBase string
	temporary  string // the name in folder until Commit; "" for an upload in place
	made       bool   // in place: this upload has made the file
	removed    bool   // in place: and removed it again
	perhaps    bool   // in place: this upload may have made the file
	exclusive  bool   // hidden: it must replace no file
	ended      bool
}

// firstPiece is how many bytes of an upload are read before the old content is removed. It
// is a page, so that the kernel can share blocks behind it.
const firstPiece = 4 << 10

func (u *upload) Write(p []byte) (int, error) {
	if len(p) > 0 {
		if err := u.truncate(); err != nil {
			return 0, err
		}
	}
	return u.file.Write(p)
}

// truncate removes the old content, if that is still to be done.
func (u *upload) truncate() error {
	if !u.truncates {
		return nil
	}
	err := u.file.Truncate(0)
	u.truncates = err != nil
	return err
}

// ReadFrom is that of *[os.File]. If the upload replaces a file, it first waits for some
// bytes: until they come, the old content must stay.
func (u *upload) ReadFrom(r io.Reader) (n int64, err error) {
	if u.truncates {
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
	return int64(n), cmp.Or(err, end)
}

// createTries is how often Create opens a file anew because somebody has removed it
// before it was locked.
const createTries = 100

var errGone = errors.New("removed before it was locked")

// createInPlace is [Dir.Create] for an upload in place.
func (d *Dir) createInPlace(name string, flag int, offset int64, perm *fs.FileMode) (u *upload, err error) {
	for range createTries {
		if u, err = d.openInPlace(name, flag, offset, perm); err != nil {
			return nil, err
		}
		if err = u.lockAndSeek(name, flag, offset); err == nil {
			return u, nil
		}
		if err == syscall.EBUSY {
			u.close() // another upload has the file: do not remove it
		} else {
			u.leave()
		}
		if err != errGone {
			return nil, err
		}
	}
	return nil, syscall.EBUSY
}

// openInPlace opens the file as it is, or makes it. It gives the system neither
// os.O_TRUNC, which would act before the file is locked, nor os.O_APPEND, which splice
// refuses.
func (d *Dir) openInPlace(name string, flag int, offset int64, perm *fs.FileMode) (*upload, error) {
	u := &upload{dir: d, name: name, perm: perm}
	err := fs.ErrNotExist
	if flag != os.O_EXCL {
		u.file, _, err = d.openForWriting(name, 0, 0)
	}
	if errors.Is(err, fs.ErrNotExist) && (flag != 0 || offset == 0) {
		err = u.make(name)
		if errors.Is(err, fs.ErrExist) && flag != os.O_EXCL {
			// Somebody has made it meanwhile, or name is a link to a missing file.
			u.file, _, err = d.openForWriting(name, os.O_CREATE, u.permissions(nil))
			u.perhaps = true
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

// openForWriting is openFile for writing. It fails for a directory.
func (d *Dir) openForWriting(name string, flag int, perm fs.FileMode) (*os.File, fs.FileInfo, error) {
	file, info, err := d.openFile(name, os.O_WRONLY|flag, perm)
	if err == nil && info.IsDir() {
		file.Close()
		return nil, nil, syscall.EISDIR
	}
	return file, info, err
}

// make makes the file, under its final name.
func (u *upload) make(name string) (err error) {
	if u.folder, u.base, err = u.dir.parent(name); err != nil {
		return err
	}
	u.file, err = u.folder.openFile(u.base, os.O_WRONLY|os.O_CREATE|os.O_EXCL, u.permissions(nil))
	u.made = err == nil
	return err
}

// lockAndSeek locks the file and moves to the offset at which the upload begins.
func (u *upload) lockAndSeek(name string, flag int, offset int64) (err error) {
	if u.hold, err = u.dir.lock(u.file); err != nil {
		return err
	}
	if u.hold.unlinked(func() (fs.FileInfo, error) { return u.dir.stat(name) }) {
		return errGone
	}
	if u.made {
		return u.setMode(nil)
	}
	u.there = u.hold.info
	switch flag {
	case os.O_TRUNC:
		u.truncates = true
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

// permissions are those of the file that the upload makes. It replaces the file old; nil
// is none.
func (u *upload) permissions(old fs.FileInfo) fs.FileMode {
	if old != nil {
		return old.Mode().Perm()
	}
	return permissions(u.perm, 0o666)
}

// setMode gives a new file the permissions that the process's umask has taken, unless the
// umask or a default ACL is to decide. It does not fail on a file system without
// permissions.
func (u *upload) setMode(old fs.FileInfo) error {
	perm := u.permissions(old)
	switch {
	case old == nil && u.perm == nil, u.hold.info.Mode().Perm() == perm:
		return nil
	case old == nil && u.folder.hasDefaultACL():
		return nil
	}
	err := u.file.Chmod(perm)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
		return nil
	}
	return err
}

// Open implements [ReadableUpload]. The reader is an [*os.File] unless the upload is empty and
// replaces a file, which has its old content until Commit.
func (u *upload) Open() (io.ReadCloser, error) {
	switch {
	case u.ended:
		return nil, fs.ErrClosed
	case u.truncates:
		return io.NopCloser(strings.NewReader("")), nil
	}
	file, err := u.reopen()
	if err != nil {
		return nil, u.dir.fault("open", u.name, err)
	}
	return file, nil
}

// reopen opens the file of the upload for reading.
func (u *upload) reopen() (file *os.File, err error) {
	if u.temporary != "" {
		file, err = u.folder.openFile(u.temporary, os.O_RDONLY, 0)
	} else {
		file, _, err = u.dir.openFile(u.name, os.O_RDONLY, 0)
	}
	if err != nil {
		return nil, err
	}
	mine, err := u.file.Stat()
	if err == nil {
		var info fs.FileInfo
		if info, err = file.Stat(); err == nil && !os.SameFile(mine, info) {
			err = errMoved
		}
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

var errMoved = errors.New("the file of the upload was moved or removed meanwhile")

// Hidden says whether nobody sees the upload before it is committed.
func (u *upload) Hidden() bool { return u.temporary != "" }

// close unlocks the file, and closes everything that the upload has open.
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

// end fails if Commit or Abort has been called before.
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
	defer u.forgetTarget()
	if u.temporary != "" {
		return u.reveal()
	}
	err := cmp.Or(u.truncate(), u.moveInPlace())
	if err == nil && u.dir.options.Sync {
		if err = u.dir.flush(u.file); err == nil {
			err = u.dir.flushNames(u.named(), u.file)
		}
	}
	return cmp.Or(err, u.close())
}

// InPlace says whether an upload is that of a [Dir], and others see it while it goes on. Then
// it takes bytes without waiting for anything but the disk.
func InPlace(of Upload) bool {
	u, ok := of.(interface{ inPlace() bool })
	return ok && u.inPlace()
}

func (u *upload) inPlace() bool { return u.temporary == "" }

func (u *upload) Abort() error {
	if err := u.end(); err != nil {
		return err
	}
	u.forgetTarget()
	if u.temporary != "" {
		return u.drop()
	}
	return u.leave()
}

// leave gives up an upload in place.
func (u *upload) leave() error {
	if u.made {
		u.removeEmpty()
	}
	return u.close()
}

// removeEmpty removes the file that the upload has made, if no byte has come. The file is
// still locked, so that no other upload writes to it.
func (u *upload) removeEmpty() {
	info, err := u.file.Stat()
	if err != nil || info.Size() > 0 {
		return
	}
	if there, err := u.folder.lstat(u.base); err == nil && os.SameFile(info, there) {
		u.removed = u.folder.remove(u.base) == nil
	}
}

// replaced implements [sized]. Where it is not known it says that there was no file, so that
// too much is counted rather than too little.
func (u *upload) replaced() fs.FileInfo {
	if u.perhaps {
		return nil
	}
	return u.there
}

func (u *upload) leftNothing() bool { return u.removed }

func (u *upload) sizeNow() (size int64, linked bool) {
	info, err := u.file.Stat()
	if err != nil {
		return 0, false
	}
	return info.Size(), linksOf(info) > 0
}

// flushAhead has the bytes of a hidden upload on the disk before Commit, which has then
// little to do.
func (u *upload) flushAhead() {
	if u.temporary != "" {
		u.dir.flush(u.file)
	}
}
