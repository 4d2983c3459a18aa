package fsbridge

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
)

// sortedEntries is how many entries a directory may have to be listed in order of name.
const sortedEntries = 1000

// directory is an open directory of a [Dir], without unfinished uploads. ReadDir
// reads names only: an entry that cannot be described, because it is the mount of a
// dead disk, is an entry all the same.
type directory struct {
	dir   *Dir
	name  string
	file  *os.File
	root  *os.Root // the same directory
	begun bool
	ahead []fs.DirEntry // read and not yet returned
	err   error         // of the last read; io.EOF at the end
}

func (d *directory) Stat() (fs.FileInfo, error) { return d.file.Stat() }
func (d *directory) Read(p []byte) (int, error) { return d.file.Read(p) }
func (d *directory) Close() error               { return errors.Join(d.file.Close(), d.root.Close()) }

// ReadDir implements [fs.ReadDirFile].
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

// readAhead reads until d.ahead has n entries or d.err is an error.
func (d *directory) readAhead(n int) {
	for d.err == nil && len(d.ahead) < n {
		var names []string
		names, d.err = d.file.Readdirnames(n - len(d.ahead))
		for _, name := range names {
			if !hiddenElement(name) {
				d.ahead = append(d.ahead, &dirEntry{directory: d, name: name})
			}
		}
	}
}

// dirEntry is an entry of a directory. The first call of Info describes it.
type dirEntry struct {
	directory *directory
	name      string
	once      sync.Once
	info      fs.FileInfo
	err       error
}

func (e *dirEntry) Name() string   { return e.name }
func (e *dirEntry) IsDir() bool    { return e.Type().IsDir() }
func (e *dirEntry) String() string { return fs.FormatDirEntry(e) }

// Type is [fs.ModeIrregular] if the entry cannot be described.
func (e *dirEntry) Type() fs.FileMode {
	info, err := e.Info()
	if err != nil {
		return fs.ModeIrregular
	}
	return info.Mode().Type()
}

func (e *dirEntry) Info() (fs.FileInfo, error) {
	e.once.Do(func() {
		info, err := e.directory.root.Lstat(e.name)
		if err == nil {
			e.info = typed(info)
			return
		}
		name := path.Join(e.directory.name, e.name)
		if errors.Is(err, fs.ErrClosed) {
			e.info, e.err = e.directory.dir.Lstat(name)
			return
		}
		e.err = e.directory.dir.fault("lstat", name, err)
	})
	return e.info, e.err
}
