package fsbridge

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
)

// RenamableUpload is an [Upload] that Commit can give another name than Create got.
type RenamableUpload interface {
	Upload

	// Rename has Commit make the file to, and not from. It is called between the last Write and
	// Commit; a later call replaces an earlier one, and the name from undoes it. It fails with
	// [fs.ErrExist] when there is a file called to, and so does a Commit, which then aborts the
	// upload: it replaces nothing.
	//
	// A hidden upload leaves the file called from as it is. One in place moves that file, which
	// has the bytes already, and no link that leads to it.
	//
	// from is the name that the caller of Create knows. If that is not what this storage's Create
	// got, another storage in between has its own names, and to would be one of those: the error
	// is [errors.ErrUnsupported].
	Rename(from, to string) error
}

// renameUpload is Rename of an upload that may have none.
func renameUpload(up Upload, from, to string) error {
	if r, ok := up.(RenamableUpload); ok {
		return r.Rename(from, to)
	}
	return errors.ErrUnsupported
}

// Rename implements [RenamableUpload].
func (u *limitedUpload) Rename(from, to string) error { return renameUpload(u.Upload, from, to) }

// Rename implements [RenamableUpload]. An upload that leaves what it was to replace takes the room
// of a whole new file.
func (u *countedUpload) Rename(from, to string) error {
	if u.settled {
		return fs.ErrClosed
	}
	if u.place == nil && !u.apart {
		var kept int64
		if !u.cuts {
			kept = u.base
		}
		if err := u.quota.Reserve(kept, 1-u.made); err != nil {
			return err
		}
		u.took, u.made, u.apart = u.took+kept, 1, true
	}
	err := renameUpload(u.Upload, from, to)
	if err == nil {
		u.name = to
	}
	return err
}

// Rename implements [RenamableUpload].
func (u *upload) Rename(from, to string) error {
	switch err := cmp.Or(checkChange("rename", to), checkHidden("rename", to)); {
	case u.ended:
		return fs.ErrClosed
	case from != u.name:
		return errors.ErrUnsupported
	case err != nil:
		return err
	}
	if to == u.name {
		u.forgetTarget()
		return nil
	}
	folder, base, err := u.dir.parent(to)
	if err != nil {
		return u.dir.fault("rename", to, err)
	}
	if _, err = folder.lstat(base); err == nil {
		err = fs.ErrExist
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil && u.temporary == "" {
		err = u.findName()
	}
	if err != nil {
		folder.Close()
		return u.dir.fault("rename", to, err)
	}
	u.forgetTarget()
	u.target, u.targetBase = folder, base
	return nil
}

// findName holds the folder of an upload in place, and checks that the upload's file has its name
// there: a link to it is not moved.
func (u *upload) findName() (err error) {
	if u.folder == nil {
		if u.folder, u.base, err = u.dir.parent(u.name); err != nil {
			return err
		}
	}
	mine, err := u.file.Stat()
	if err != nil {
		return err
	}
	named, err := u.folder.lstat(u.base)
	switch {
	case err != nil:
		return err
	case named.Mode().Type() == fs.ModeSymlink:
		return errors.ErrUnsupported
	case !os.SameFile(mine, named):
		return errMoved
	}
	return nil
}

// forgetTarget undoes Rename.
func (u *upload) forgetTarget() {
	if u.target != nil {
		u.target.Close()
		u.target = nil
	}
}

// moveInPlace gives the file of an upload in place the name that Rename got.
func (u *upload) moveInPlace() error {
	if u.target == nil {
		return nil
	}
	if err := u.findName(); err != nil {
		return err
	}
	return moveNew(u.folder, u.base, u.target, u.targetBase)
}

// named is the folder in which the file has its name after Commit.
func (u *upload) named() parent {
	if u.target != nil {
		return u.target
	}
	return u.folder
}

// moveNew renames a file, and replaces none: it tries the calls that cannot, the best one first.
func moveNew(from parent, base string, to parent, toBase string) error {
	err := from.renameNew(base, to, toBase)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if from == to {
		if err = from.link(base, toBase); err == nil {
			return from.remove(base)
		}
		if errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	// This disk has no hard links. A file that is made between these two calls is lost.
	if _, err := to.lstat(toBase); err == nil {
		return fs.ErrExist
	}
	return from.rename(base, to, toBase)
}
