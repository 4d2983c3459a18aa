package fsbridge

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
)

// Create opens an upload that begins at offset. flag is os.O_TRUNC to replace a
// file, os.O_EXCL to make a new one (an error that is [fs.ErrExist] when there
// is one), os.O_APPEND to add to its end, whatever offset is, or 0 to overwrite
// it from offset on, which keeps what it has behind the last byte written. The
// file is made when missing. offset beyond its end is an error.
//
// An upload in place is seen by others while it goes on, and what came stays
// when it is aborted, so that the client can resume. It holds a lock: a second
// one to the same file, also from another process, fails with an error that is
// [syscall.EBUSY]. It stays with its file when that is renamed or removed.
//
// An upload that is hidden until complete (see [DirOptions]) needs no lock: the
// last to commit wins whole, or, with os.O_EXCL, the first. It keeps the
// permissions of the file it replaces; a symbolic link is itself replaced.
//
// The upload is an [io.ReaderFrom] that lets the kernel move the bytes.
func (d *Dir) Create(name string, flag int, offset int64) (Upload, error) {
	if err := visible("create", name, checkUpload(name, flag, offset)); err != nil {
		return nil, err
	}
	create := d.createInPlace
	if d.options.Atomic && (flag == os.O_TRUNC || flag == os.O_EXCL) {
		create = d.createHidden
	}
	up, err := create(name, flag, offset)
	if err != nil {
		return nil, d.fault("create", name, err)
	}
	return up, nil
}

func (d *Dir) createInPlace(name string, flag int, offset int64) (*upload, error) {
	mode := os.O_WRONLY
	if offset == 0 || flag == os.O_APPEND {
		mode |= os.O_CREATE
	}
	file, info, err := d.openUpload(name, mode|flag&os.O_EXCL)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		file.Close()
		return nil, syscall.EISDIR
	}
	if err := place(file, flag, offset); err != nil {
		file.Close()
		return nil, err
	}
	return &upload{file: file, sync: d.options.Sync}, nil
}

// openUpload opens a file to write. Under a mask, one that is new gets exactly the
// permissions that the mask leaves.
func (d *Dir) openUpload(name string, flag int) (*os.File, fs.FileInfo, error) {
	perm := d.options.FileMode.Perm()
	if !d.masked || flag&os.O_CREATE == 0 {
		return d.openFile(name, flag, perm)
	}
	file, info, err := d.openFile(name, flag|os.O_EXCL, perm)
	if errors.Is(err, fs.ErrExist) && flag&os.O_EXCL == 0 {
		return d.openFile(name, flag, perm)
	}
	if err != nil {
		return nil, nil, err
	}
	if err := file.Chmod(perm); err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

// place locks the file and brings it to where the upload begins. Neither
// os.O_TRUNC nor os.O_APPEND are given to the system: the first would act
// before the lock is had, and splice refuses a file that has the second.
func place(file *os.File, flag int, offset int64) error {
	if err := lock(file); err != nil {
		return err
	}
	if flag == os.O_TRUNC {
		return file.Truncate(0)
	}
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil || flag == os.O_APPEND {
		return err
	}
	if offset > end {
		return syscall.EINVAL
	}
	_, err = file.Seek(offset, io.SeekStart)
	return err
}

func (d *Dir) createHidden(name string, flag int, _ int64) (*upload, error) {
	perm, keep, err := d.replaceable(name, flag)
	if err != nil {
		return nil, err
	}
	// "dir/." because OpenRoot("pipe") would wait for a writer.
	parent, err := d.root.OpenRoot(path.Dir(name) + "/.")
	if err != nil {
		return nil, err
	}
	u := &upload{sync: d.options.Sync, hidden: &hidden{
		parent: parent, temporary: hiddenPrefix + rand.Text(), name: path.Base(name), exclusive: flag == os.O_EXCL,
	}}
	u.file, err = parent.OpenFile(u.hidden.temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		parent.Close()
		return nil, err
	}
	if keep || d.masked {
		if err := u.file.Chmod(perm); err != nil { // what the process's umask took
			u.Abort()
			return nil, err
		}
	}
	return u, nil
}

// replaceable asks what writing in place would: is there a file, and may it be
// written? It returns the permissions for the new one and whether they are
// those of the old.
func (d *Dir) replaceable(name string, flag int) (perm fs.FileMode, keep bool, err error) {
	if flag == os.O_EXCL {
		if _, err = d.lstat(name); err == nil {
			err = fs.ErrExist
		}
	} else {
		var file *os.File
		var info fs.FileInfo
		if file, info, err = d.openFile(name, os.O_WRONLY, 0); err == nil {
			file.Close()
			if info.IsDir() {
				err = syscall.EISDIR
			}
			return info.Mode().Perm(), true, err
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return d.options.FileMode.Perm(), false, err
}

// upload is an [Upload] to a file of the operating system.
type upload struct {
	file   *os.File
	sync   bool
	hidden *hidden // nil: written in place
}

// hidden is where an upload goes when it is complete. The directory is held
// open: it may be renamed meanwhile.
type hidden struct {
	parent          *os.Root
	temporary, name string
	exclusive       bool
}

func (u *upload) Write(p []byte) (int, error) { return u.file.Write(p) }

// Hidden says whether nobody sees the upload before it is committed.
func (u *upload) Hidden() bool { return u.hidden != nil }

// ReadFrom is that of *[os.File].
func (u *upload) ReadFrom(r io.Reader) (int64, error) { return u.file.ReadFrom(r) }

func (u *upload) close() error {
	unlock(u.file)
	return u.file.Close()
}

func (u *upload) Commit() error {
	var err error
	if u.sync {
		err = u.file.Sync()
	}
	if e := u.close(); err == nil {
		err = e
	}
	if u.hidden == nil {
		return err
	}
	return u.hidden.end(err, u.sync)
}

func (u *upload) Abort() error {
	err := u.close()
	if u.hidden == nil || err != nil {
		return err
	}
	defer u.hidden.parent.Close()
	return u.hidden.parent.Remove(u.hidden.temporary)
}

// end gives the file its name, or removes it when err is not nil.
func (h *hidden) end(err error, sync bool) error {
	defer h.parent.Close()
	if err == nil {
		err = h.rename()
	}
	if err != nil {
		h.parent.Remove(h.temporary)
		return err
	}
	if sync {
		// The name, too, has to reach the disk. Not every system can do it.
		if dir, err := h.parent.Open("."); err == nil {
			dir.Sync()
			dir.Close()
		}
	}
	return nil
}

func (h *hidden) rename() error {
	if !h.exclusive {
		return h.parent.Rename(h.temporary, h.name)
	}
	err := h.parent.Link(h.temporary, h.name)
	if err == nil {
		h.parent.Remove(h.temporary)
		return nil
	}
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	// No hard links here. Whoever makes the file between these two loses it.
	if _, err := h.parent.Lstat(h.name); err == nil {
		return fs.ErrExist
	}
	return h.parent.Rename(h.temporary, h.name)
}
