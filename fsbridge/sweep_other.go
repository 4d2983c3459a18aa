//go:build !linux

package fsbridge

import "os"

// folderAhead is empty: package os keeps what is read ahead.
type folderAhead struct{}

// read reads up to n entries; the error is [io.EOF] after the last.
func (f *folder) read(n int) (entries []entry, err error) {
	names, err := f.file.Readdirnames(n)
	for _, name := range names {
		entries = append(entries, f.describe(name))
	}
	return entries, err
}

// onLocalDisk is false: no call tells here.
func onLocalDisk(*os.File) bool { return false }
