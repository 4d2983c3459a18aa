package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"wasiftp/fsbridge"
)

// folders are the open folders of the accounts that are logged in. Logins share a folder, and
// the last one that leaves closes it: thousands of sessions need one descriptor.
type folders struct {
	check func(path string) error // is called before a folder is opened

	mu   sync.Mutex
	open map[folderKey]*openFolder
}

type folderKey struct {
	path    string
	options fsbridge.DirOptions
}

// openFolder is the folder of some logins.
type openFolder struct {
	dir    *fsbridge.Dir
	at     inode // what its path led to before it was opened
	logins int
}

// enter opens the folder at path for one login, which calls leave at its end. A folder that
// is open already is shared only if it still is the one at path: a disk mounted or a folder
// moved there counts from the next login on.
func (f *folders) enter(path string, options fsbridge.DirOptions) (dir *fsbridge.Dir, leave func() error, err error) {
	at, err := inodeOf(path)
	if err != nil {
		return nil, nil, err
	}
	key := folderKey{path, options}
	shared := f.share(key, at)
	if shared == nil {
		if err := f.check(path); err != nil {
			return nil, nil, err
		}
		if dir, err = folderAt(path, options); err != nil {
			return nil, nil, err
		}
		shared = &openFolder{dir: dir, at: at, logins: 1}
		f.keep(key, shared)
	}
	return shared.dir, func() error { return f.leave(key, shared) }, nil
}

// keep has later logins share a folder.
func (f *folders) keep(key folderKey, own *openFolder) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil {
		f.open = map[folderKey]*openFolder{}
	}
	f.open[key] = own
}

// share counts one more login to the folder of a key. It returns nil if that is not open, or
// another one by now.
func (f *folders) share(key folderKey, at inode) *openFolder {
	f.mu.Lock()
	defer f.mu.Unlock()
	shared := f.open[key]
	if shared == nil || !shared.at.same(at) {
		return nil
	}
	shared.logins++
	return shared
}

func (f *folders) leave(key folderKey, left *openFolder) error {
	f.mu.Lock()
	left.logins--
	last := left.logins == 0
	if last && f.open[key] == left {
		delete(f.open, key)
	}
	f.mu.Unlock()
	if last {
		return left.dir.Close()
	}
	return nil
}

// folderAt opens a folder of an account.
func folderAt(path string, options fsbridge.DirOptions) (*fsbridge.Dir, error) {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s is a file and no folder", path)
	}
	if err != nil {
		return nil, unopened(path, err)
	}
	dir, err := fsbridge.OpenDir(path, options)
	if err != nil {
		return nil, unopened(path, err)
	}
	return dir, nil
}

func unopened(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no folder %s", path)
	}
	return fmt.Errorf("cannot open the folder: %w", err)
}
