package fsbridge

import (
	"errors"
	"io/fs"
	"path"
	"syscall"

	"wasiftp/wasi"
)

// Listing is an open directory whose entries are being read.
type Listing struct {
	Info fs.FileInfo // of the directory

	access    *Access
	dir       fs.ReadDirFile
	name      string
	namesOnly bool
}

// List opens a directory to list it. With namesOnly, Describe asks the storage nothing.
func (a *Access) List(name string, namesOnly bool) (*Listing, error) {
	if err := a.may(wasi.RightList, name); err != nil {
		return nil, err
	}
	info, err := fs.Stat(a.FS, name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, syscall.ENOTDIR
	}
	file, err := a.FS.Open(name)
	if err != nil {
		return nil, err
	}
	dir, ok := file.(fs.ReadDirFile)
	if !ok {
		file.Close()
		return nil, errors.ErrUnsupported
	}
	return &Listing{info, a, dir, name, namesOnly}, nil
}

// Close closes the directory.
func (l *Listing) Close() error { return l.dir.Close() }

// Next reads the next entries, a few hundred at most. The error is [io.EOF] at the end.
func (l *Listing) Next() ([]fs.DirEntry, error) { return l.dir.ReadDir(256) }

// Describe describes an entry. target is where a symbolic link leads, "" for any other
// entry. After an error the entry should be left out: it has vanished, or cannot be
// described.
func (l *Listing) Describe(entry fs.DirEntry) (stat wasi.Stat, target string, err error) {
	if l.namesOnly {
		return stat, "", nil
	}
	info, err := entry.Info()
	if err != nil {
		return stat, "", err
	}
	if info.Mode().Type() == fs.ModeSymlink {
		name := path.Join(l.name, entry.Name())
		if links, ok := l.access.FS.(fs.ReadLinkFS); ok {
			target, _ = links.ReadLink(name)
		}
		if l.access.FollowLinks {
			if end, err := fs.Stat(l.access.FS, name); err == nil {
				info = end
			}
		}
	}
	return StatOf(info), target, nil
}
