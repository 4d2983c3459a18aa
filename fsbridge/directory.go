package fsbridge

import (
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// sortedEntries is how many entries a directory may have to be listed by name.
const sortedEntries = 1000

// directory is an open directory of a [Dir], without unfinished uploads. Files
// that vanish while it is read are left out.
type directory struct {
	file  *os.File
	begun bool
	ahead []fs.DirEntry // read and not yet returned
	err   error         // of the last read; io.EOF at the end
}

func (d *directory) Stat() (fs.FileInfo, error) { return d.file.Stat() }
func (d *directory) Read(p []byte) (int, error) { return d.file.Read(p) }
func (d *directory) Close() error               { return d.file.Close() }

// ReadDir is that of [fs.ReadDirFile].
func (d *directory) ReadDir(n int) ([]fs.DirEntry, error) {
	if !d.begun {
		d.begun = true
		d.readAhead(sortedEntries + 1)
		if d.err == io.EOF && len(d.ahead) <= sortedEntries {
			slices.SortFunc(d.ahead, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
		}
	}
	if n <= 0 {
		for d.err == nil {
			d.readAhead(len(d.ahead) + sortedEntries)
		}
		page := d.ahead
		d.ahead = nil
		if d.err == io.EOF {
			return page, nil
		}
		return page, d.err
	}
	if len(d.ahead) == 0 {
		d.readAhead(n)
	}
	page := d.ahead[:min(n, len(d.ahead))]
	d.ahead = d.ahead[len(page):]
	if len(page) == 0 {
		return nil, d.err
	}
	return page, nil
}

// readAhead reads until n entries are there, or an error is.
func (d *directory) readAhead(n int) {
	for d.err == nil && len(d.ahead) < n {
		var entries []fs.DirEntry
		entries, d.err = d.file.ReadDir(n - len(d.ahead))
		for _, entry := range entries {
			if !hiddenName(entry.Name()) {
				d.ahead = append(d.ahead, typedEntry(entry))
			}
		}
	}
}
