//go:build !linux

package fsbridge

import "os"

// read reads some entries; io.EOF comes after the last.
func (f *folder) read(n int) (entries []entry, err error) {
	names, err := f.file.Readdirnames(n)
	for _, name := range names {
		entries = append(entries, f.describe(name))
	}
	return entries, err
}

// ofThisMachine is not known here.
func ofThisMachine(*os.File) bool { return false }
