// Package fsbridge has storages that keep a file server inside one tree of
// files: [Dir], a directory of the operating system; [Memory], which needs no
// disk; and [ReadOnly], which takes from another what would change it.
//
// Names are those of [io/fs], with "/" between elements and "." for the root,
// but may hold any byte except NUL. A name of another form is refused with an
// error that is [fs.ErrInvalid]. The errors of a storage's methods are
// *[fs.PathError]s that name what is inside the root only, to be told apart with
// [errors.Is]; those of files and uploads may name more.
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

// checkChange refuses what checkName does, and the root, which is not changed.
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
