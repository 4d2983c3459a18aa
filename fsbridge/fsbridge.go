// Package fsbridge has storages that keep a file server inside one tree of
// files: [Dir], a directory of the operating system; [Memory], which needs no
// disk; and [ReadOnly], which hides the methods of a storage that change it.
//
// Names are those of [io/fs], with "/" between elements and "." for the root,
// but may hold any byte except NUL. A name of another form is refused with an
// error that is [fs.ErrInvalid]. The methods of a storage return *[fs.PathError]s
// that never name a path outside the root; tell them apart with [errors.Is]. The
// methods of files and uploads may return errors that do.
package fsbridge

import (
	"io/fs"
	"os"
	"syscall"
)

// checkUpload refuses the arguments of Create that no storage takes.
func checkUpload(name string, flag int, offset int64) error {
	if err := checkChange("create", name); err != nil {
		return err
	}
	switch {
	case flag == os.O_TRUNC && offset == 0, flag == os.O_EXCL && offset == 0, flag == os.O_APPEND, flag == 0 && offset >= 0:
		return nil
	}
	return &fs.PathError{Op: "create", Path: name, Err: syscall.EINVAL}
}

// checkChange refuses the names that checkName refuses, and the root: no method
// changes it.
func checkChange(op, name string) error {
	err := checkName(op, name)
	if err != nil || name != "." {
		return err
	}
	switch op {
	case "create":
		err = syscall.EISDIR
	case "mkdir":
		err = syscall.EEXIST
	default:
		err = fs.ErrPermission
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// asked is perm or, if none is asked for, own; nil if that is 0.
func asked(perm, own *fs.FileMode) *fs.FileMode {
	if perm == nil && *own != 0 {
		return own
	}
	return perm
}

// permissions are those of a new file or directory: *perm or, if perm is nil, usual.
func permissions(perm *fs.FileMode, usual fs.FileMode) fs.FileMode {
	if perm == nil {
		return usual
	}
	return perm.Perm()
}
