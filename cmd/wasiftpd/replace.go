package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// newPrefix begins the names of our files that are not complete yet.
const newPrefix = ".new-"

// errChanged is the error of a change of a file that others change all the time.
var errChanged = errors.New("others change the file all the time")

// changesTried is how often changeFile begins anew.
const changesTried = 5

// changeFile changes the text of a file, "" if it is not there. The file is there as a whole
// at all times, and a new one is readable to us alone. If others have changed the file
// meanwhile, it begins anew with what they wrote.
func changeFile(file string, change func(text string) (string, error)) error {
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real // the link stays
	}
	for range changesTried {
		old, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		text, err := change(string(old))
		if err != nil {
			return err
		}
		same := func() error {
			if now, err := os.ReadFile(file); !bytes.Equal(now, old) || err != nil && !errors.Is(err, fs.ErrNotExist) {
				return errChanged
			}
			return nil
		}
		if err := swapFile(file, []byte(text), same); err != errChanged {
			return err
		}
	}
	return errChanged
}

// replaceFile writes a file at once or not at all: whoever opens it finds the old one or
// the new one, after a power loss too. It keeps the old file's mode and owner; a file that
// was not there is readable to us alone.
func replaceFile(file string, content []byte) error {
	return swapFile(file, content, func() error { return nil })
}

// swapFile is replaceFile, unless ready fails at the last moment.
func swapFile(file string, content []byte, ready func() error) error {
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
	if err := ready(); err != nil {
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
