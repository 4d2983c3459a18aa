package fsbridge

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"sync"
)

// sortedEntries is how many entries a directory may have to be listed in order of name.
const sortedEntries = 1000

// lister reads the names in an open directory and describes the entries.
type lister interface {
	entries

	// lstat is describe for any entry. Unlike the other methods it may be called from many
	// goroutines. Its error is [fs.ErrClosed] once the directory is closed.
	lstat(name string) (fs.FileInfo, error)
}

// directory is an open directory of a [Dir], without unfinished uploads. ReadDir
// reads names only: an entry that cannot be described, because it is the mount of a
// dead disk, is an entry all the same.
type directory struct {
	lister
	dir   *Dir
	name  string
	file  *os.File
	begun bool
	ahead []string // names, read and not yet returned
	err   error    // how reading ended, io.EOF at the end
}

func (d *directory) Stat() (fs.FileInfo, error) { return d.file.Stat() }
func (d *directory) Read(p []byte) (int, error) { return d.file.Read(p) }
func (d *directory) Close() error               { return errors.Join(d.file.Close(), d.lister.Close()) }

// ReadDir implements [fs.ReadDirFile].
func (d *directory) ReadDir(n int) (page []fs.DirEntry, err error) {
	for n <= 0 || len(page) < n {
		name, err := d.next()
		switch {
		case err == nil:
			page = append(page, &dirEntry{directory: d, name: name})
		case n <= 0 && err == io.EOF, n > 0 && len(page) > 0:
			return page, nil
		default:
			return page, err
		}
	}
	return page, nil
}

// next implements [entries].
func (d *directory) next() (string, error) {
	if !d.begun {
		d.begun = true
		d.begin()
	}
	if len(d.ahead) > 0 {
		name := d.ahead[0]
		d.ahead = d.ahead[1:]
		return name, nil
	}
	return d.read()
}

// begin reads the entries that are sorted if there are no more.
func (d *directory) begin() {
	for len(d.ahead) <= sortedEntries {
		name, err := d.read()
		if err != nil {
			break
		}
		d.ahead = append(d.ahead, name)
	}
	if d.err == io.EOF {
		slices.Sort(d.ahead)
	}
}

// read reads the next name that is not that of an unfinished upload.
func (d *directory) read() (name string, err error) {
	for d.err == nil {
		if name, d.err = d.lister.next(); d.err == nil && !hiddenElement(name) {
			return name, nil
		}
	}
	return "", d.err
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
		info, err := e.directory.lstat(e.name)
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
