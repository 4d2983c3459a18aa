package fsbridge

import (
	"os"
	"slices"
	"syscall"
)

// locked are the files that are being uploaded to. WASI has no locks, but one
// thread and no other process.
var locked []upheld

type upheld struct {
	file *os.File
	info os.FileInfo
}

// lock takes the file for one upload until unlock, or is EBUSY.
func lock(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(locked, func(u upheld) bool { return os.SameFile(u.info, info) }) {
		return syscall.EBUSY
	}
	locked = append(locked, upheld{file, info})
	return nil
}

func unlock(file *os.File) {
	locked = slices.DeleteFunc(locked, func(u upheld) bool { return u.file == file })
}
