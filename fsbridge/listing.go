package fsbridge

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"syscall"

	"wasiftp/wasi"
)

// Listing is an open directory whose entries are being read, by one goroutine at a time.
type Listing struct {
	Info fs.FileInfo // of the directory

	access    *Access
	entries   entries
	name      string
	namesOnly bool
	uneven    bool // rules tell entries apart
	passage   bool // only what leads to files with rights is shown
	denied    uint32
}

// Entry is an entry of a directory.
type Entry struct {
	Stat   wasi.Stat // zero if the listing is one of names only
	Name   string
	Target string // where a symbolic link leads, "" for any other entry
}

// entries are the entries of an open directory, one after the other.
type entries interface {
	// next is the name of the next entry; the error is [io.EOF] behind the last. After an
	// error, every further call returns it again.
	next() (name string, err error)

	// describe describes the entry whose name next has returned last. It does not follow
	// a symbolic link.
	describe(name string) (wasi.Stat, error)

	Close() error
}

// List opens a directory to list it. With namesOnly, Next has the storage describe
// nothing.
func (a *Access) List(name string, namesOnly bool) (*Listing, error) {
	uneven, passage, err := a.lists(name)
	if err != nil {
		return nil, err
	}
	info, err := fs.Stat(a.FS, name)
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return nil, a.veiled(name, err)
	}
	file, err := a.FS.Open(name)
	if err != nil {
		return nil, err
	}
	read, ok := entriesOf(file)
	if !ok {
		file.Close()
		return nil, errors.ErrUnsupported
	}
	l := &Listing{Info: info, access: a, entries: read, name: name, namesOnly: namesOnly, uneven: uneven, passage: passage}
	if a.Rules != nil && !uneven {
		l.denied = a.denied(name)
	}
	return l, nil
}

// lists checks that a directory may be listed. uneven says that not one rule, or none, holds
// for all entries; passage, that the account has no right to the directory itself.
func (a *Access) lists(name string) (uneven, passage bool, err error) {
	if a.Rules == nil {
		return false, false, a.may(wasi.RightList, name)
	}
	if err := a.mayFollow(0, name); err != nil {
		return false, false, a.veiled(name, err)
	}
	rights := a.RightsTo(name)
	passage = rights == 0
	if rights&wasi.RightList == 0 && !(passage && a.leads(name, wasi.RightList)) {
		return false, false, fs.ErrPermission
	}
	return passage || !a.uniform(name), passage, nil
}

// entriesOf reads an open directory; ok is false if file is none. The directory of a [Dir]
// makes no object for each of its entries.
func entriesOf(file fs.File) (read entries, ok bool) {
	switch dir := file.(type) {
	case entries:
		return dir, true
	case fs.ReadDirFile:
		return &pages{ReadDirFile: dir}, true
	}
	return nil, false
}

// Close closes the directory.
func (l *Listing) Close() error { return l.entries.Close() }

// Next reads the next entry; the error is [io.EOF] behind the last. It leaves out an entry
// that cannot be described: that has vanished, or is the mount of a dead disk.
func (l *Listing) Next() (Entry, error) {
	for {
		name, err := l.entries.next()
		if err != nil {
			return Entry{}, err
		}
		shown, onlyFolder := l.shows(name)
		if !shown {
			continue
		}
		if l.namesOnly && !onlyFolder {
			return Entry{Name: name}, nil
		}
		stat, err := l.entries.describe(name)
		if err != nil || onlyFolder && stat.Mode&wasi.TypeMask != wasi.TypeDir {
			continue
		}
		if l.namesOnly {
			return Entry{Name: name}, nil
		}
		stat.Mode |= l.deniedTo(name)
		entry := Entry{Stat: stat, Name: name}
		if stat.Mode&wasi.TypeMask == wasi.TypeLink {
			l.follow(&entry)
		}
		return entry, nil
	}
}

// shows reports whether the listing shows an entry, and whether only if that is a directory.
func (l *Listing) shows(name string) (shown, onlyFolder bool) {
	switch {
	case !l.uneven:
		return true, false
	case l.passage:
		return l.access.listed(path.Join(l.name, name))
	}
	return l.access.shown(path.Join(l.name, name))
}

func (l *Listing) deniedTo(name string) uint32 {
	if !l.uneven {
		return l.denied
	}
	return l.access.denied(path.Join(l.name, name))
}

// follow asks the storage where a symbolic link leads. An account with rules does not learn
// it: the target may be hidden.
func (l *Listing) follow(link *Entry) {
	if l.access.Rules != nil {
		return
	}
	name := path.Join(l.name, link.Name)
	if links, ok := l.access.FS.(fs.ReadLinkFS); ok {
		link.Target, _ = links.ReadLink(name)
	}
	if l.access.FollowLinks {
		if end, err := fs.Stat(l.access.FS, name); err == nil {
			link.Stat = StatOf(end)
		}
	}
}

// pages are the [entries] of any storage's directory, read a few hundred at a time.
type pages struct {
	fs.ReadDirFile
	page []fs.DirEntry // read, and not yet returned by next
	last fs.DirEntry   // returned by next
	err  error         // how reading ended
}

func (p *pages) next() (string, error) {
	if len(p.page) == 0 && p.err == nil {
		p.page, p.err = p.ReadDir(256)
		if len(p.page) == 0 && p.err == nil {
			p.err = io.ErrNoProgress
		}
	}
	if len(p.page) == 0 {
		return "", p.err
	}
	p.last, p.page = p.page[0], p.page[1:]
	return p.last.Name(), nil
}

func (p *pages) describe(string) (wasi.Stat, error) {
	info, err := p.last.Info()
	if err != nil {
		return wasi.Stat{}, err
	}
	return StatOf(info), nil
}
