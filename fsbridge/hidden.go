package fsbridge

import (
	"cmp"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// createHidden is [Dir.Create] for a hidden upload.
func (d *Dir) createHidden(name string, flag int, _ int64, perm *fs.FileMode) (*upload, error) {
	old, err := d.replaceable(name, flag)
	if err != nil {
		return nil, err
	}
	u := &upload{dir: d, name: name, there: old, perm: perm, exclusive: flag == os.O_EXCL}
	if u.folder, u.base, err = d.parent(name); err != nil {
		return nil, err
	}
	return u, u.hideLike(old)
}

// hideLike makes the hidden file with the permissions and the owner of old, if that is
// not nil. When it fails, nothing of the upload is left.
func (u *upload) hideLike(old fs.FileInfo) error {
	err := u.hide(u.permissions(old))
	if err != nil {
		u.folder.Close()
		return err
	}
	if err = u.setMode(old); err == nil && old != nil {
		err = u.setOwner(old)
	}
	if err != nil {
		u.drop()
	}
	return err
}

// replaceable fails where an upload in place would fail: the file may not be written or,
// with os.O_EXCL, is there. It describes the file that is there, nil for none.
func (d *Dir) replaceable(name string, flag int) (info fs.FileInfo, err error) {
	if flag == os.O_EXCL {
		if _, err = d.lstat(name); err == nil {
			err = fs.ErrExist
		}
	} else {
		var file *os.File
		if file, info, err = d.openForWriting(name, 0, 0); err == nil {
			file.Close()
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return info, err
}

// hide makes a file of a hidden name, and locks it. If a sweep removes or locks the file
// between the two, hide makes another.
func (u *upload) hide(perm fs.FileMode) (err error) {
	for range createTries {
		u.temporary = hiddenPrefix + rand.Text()
		u.file, err = u.folder.openFile(u.temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
		if err != nil {
			return err
		}
		u.hold, err = u.dir.lock(u.file)
		if err == nil && u.hold.unlinked(func() (fs.FileInfo, error) { return u.folder.lstat(u.temporary) }) {
			err = errGone
			u.hold.release()
		}
		if err == nil {
			return nil
		}
		u.file.Close()
		u.folder.remove(u.temporary)
		if err != errGone && err != syscall.EBUSY {
			return err
		}
	}
	return syscall.EBUSY
}

// setOwner gives the file the owner and the group of the old one, as far as the process
// may. If it may not give it to the group, it takes from the group of the process the
// permissions that others do not have.
func (u *upload) setOwner(old fs.FileInfo) error {
	if chownLike(u.file, u.hold.info, old) {
		return nil
	}
	perm := old.Mode().Perm()
	if others := perm & 0o007; perm>>3&0o007&^others != 0 {
		return u.file.Chmod(perm&^0o070 | perm&(others<<3))
	}
	return nil
}

// drop closes and removes the file, also if closing it fails.
func (u *upload) drop() error {
	u.hold.release()
	err := u.dir.closeFile(u.file)
	if e := u.folder.remove(u.temporary); !errors.Is(e, fs.ErrNotExist) {
		err = errors.Join(err, e)
	}
	u.folder.Close()
	return err
}

// reveal gives the file its name once all of it is on the disk: a disk may write the
// name first, and the power fail before it writes the content. The file is closed
// before that too, as some file systems report only then what they could not write. A
// second descriptor keeps the lock, so that no sweep takes the file for a leftover.
func (u *upload) reveal() error {
	defer u.folder.Close()
	err := cmp.Or(u.dir.flush(u.file), u.hold.keep(), u.dir.closeFile(u.file)) // calls all three
	if err == nil {
		err = u.rename()
	}
	if err != nil {
		u.folder.remove(u.temporary)
	} else if u.dir.options.Sync {
		err = u.dir.flushNames(u.named(), u.hold.copied)
	}
	u.hold.release()
	return err
}

// rename gives the file its name. With os.O_EXCL, or a name of Rename, it must replace no file.
func (u *upload) rename() error {
	switch {
	case u.target != nil:
		return moveNew(u.folder, u.temporary, u.target, u.targetBase)
	case u.exclusive:
		return moveNew(u.folder, u.temporary, u.folder, u.base)
	}
	return u.folder.rename(u.temporary, u.folder, u.base)
}
