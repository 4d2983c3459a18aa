package fsbridge

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"syscall"
)

func (d *Dir) createHidden(name string, flag int, _ int64, perm *fs.FileMode) (*upload, error) {
	old, err := d.replaceable(name, flag)
	if err != nil {
		return nil, err
	}
	u := &upload{dir: d, perm: perm, exclusive: flag == os.O_EXCL}
	if u.folder, u.base, err = d.parent(name); err != nil {
		return nil, err
	}
	if err := u.hideLike(old); err != nil {
		return nil, err
	}
	return u, nil
}

// hideLike makes the file with the permissions and the owner of old, if that is not
// nil. When it fails, nothing of the upload is left.
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

// replaceable asks what writing in place would: is there a file, and may it be
// written? It describes the file, if there is one.
func (d *Dir) replaceable(name string, flag int) (fs.FileInfo, error) {
	if flag == os.O_EXCL {
		if _, err := d.lstat(name); !errors.Is(err, fs.ErrNotExist) {
			if err == nil {
				err = fs.ErrExist
			}
			return nil, err
		}
		return nil, nil
	}
	file, info, err := d.openFile(name, os.O_WRONLY, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	file.Close()
	if info.IsDir() {
		return nil, syscall.EISDIR
	}
	return info, nil
}

// hide makes the file under a name of its own, and locks it. A file whose name or
// lock was lost to a sweep that came between the two is given up for another.
func (u *upload) hide(perm fs.FileMode) (err error) {
	for range createTries {
		u.temporary = hiddenPrefix + rand.Text()
		u.file, err = u.folder.openFile(u.temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL|openFlags, perm)
		if err != nil {
			return err
		}
		u.hold, err = u.dir.lock(u.file)
		if err == nil && u.hold.nameless(func() (fs.FileInfo, error) { return u.folder.lstat(u.temporary) }) {
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

// setOwner gives the file away to the owner and the group of the old one, as far as
// the process may.
func (u *upload) setOwner(old fs.FileInfo) error {
	if giveAway(u.file, u.hold.info, old) {
		return nil
	}
	perm := old.Mode().Perm()
	if others := perm & 0o007; perm>>3&0o007&^others != 0 {
		return u.file.Chmod(perm&^0o070 | perm&(others<<3)) // it is not for another group
	}
	return nil
}

// drop removes the file, whatever closing it says.
func (u *upload) drop() error {
	u.hold.release()
	err := u.dir.closeFile(u.file)
	if e := u.folder.remove(u.temporary); !errors.Is(e, fs.ErrNotExist) {
		err = errors.Join(err, e)
	}
	u.folder.Close()
	return err
}

// reveal gives the file its name once all of it is on the disk: a disk may take the
// name first, and the power go before it takes the rest. Closing comes before, too,
// for some file systems tell only there what could not be written. A second
// descriptor keeps the lock, so that nobody takes the file for a leftover.
func (u *upload) reveal() error {
	defer u.folder.Close()
	err := u.dir.flush(u.file)
	if e := u.hold.keep(); err == nil {
		err = e
	}
	if e := u.dir.closeFile(u.file); err == nil {
		err = e
	}
	if err == nil {
		err = u.rename()
	}
	if err != nil {
		u.folder.remove(u.temporary)
	} else if u.dir.options.Sync {
		err = u.dir.flushNames(u.folder, u.hold.copied)
	}
	u.hold.release()
	return err
}

func (u *upload) rename() error {
	if !u.exclusive {
		return u.folder.rename(u.temporary, u.folder, u.base)
	}
	err := u.folder.renameNew(u.temporary, u.base)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	err = u.folder.link(u.temporary, u.base)
	if err == nil {
		return u.folder.remove(u.temporary)
	}
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	// No hard links here. Whoever makes the file between these two loses it.
	if _, err := u.folder.lstat(u.base); err == nil {
		return fs.ErrExist
	}
	return u.folder.rename(u.temporary, u.folder, u.base)
}
