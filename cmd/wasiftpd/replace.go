package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// newPrefix begins the names of our files that are not complete yet.
const newPrefix = ".new-"

// replaceFile writes a file at once or not at all: whoever opens it finds the old one or
// the new one, after a power loss too. It keeps the old file's mode and owner; a file that
// was not there is readable to us alone.
func replaceFile(file string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), newPrefix+"*") // made with 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	old, err := os.Stat(file)
	switch {
	case err == nil:
		err = errors.Join(giveTo(f, old), f.Chmod(old.Mode().Perm()))
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err == nil {
		_, err = f.Write(content)
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// giveTo gives f the owner and the group of another file.
func giveTo(f *os.File, other fs.FileInfo) error {
	uid, gid, known := owners(other)
	mine, err := f.Stat()
	if err != nil || !known {
		return err
	}
	if ourUID, ourGID, _ := owners(mine); ourUID == uid && ourGID == gid {
		return nil
	}
	return f.Chown(uid, gid)
}
