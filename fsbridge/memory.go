package fsbridge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Memory is a tree of files in memory, without symbolic links. Its methods may
// be called from many goroutines.
type Memory struct {
	// Capacity is how many bytes it holds; 0 is no limit. Each file, directory
	// and upload counts 512 besides its content. A call for which there is no
	// room fails with an error that is [syscall.ENOSPC]. Set it before any call.
	Capacity int64

	mu   sync.RWMutex
	used int64
	root node
}

const (
	nodeCost    = 512 // the bytes that a file takes besides its content
	elementSize = 255 // the bytes that an element of a name may have
)

// node is a file or a directory. The bytes of data below its length never change, so
// that they are read without a lock.
type node struct {
	mode     fs.FileMode
	mtime    time.Time
	created  time.Time
	data     []byte
	children map[string]*node // nil: a file
}

// NewMemory makes an empty tree.
func NewMemory() *Memory { return &Memory{root: newDirectory(0o755)} }

func newDirectory(perm fs.FileMode) node {
	now := time.Now()
	return node{mode: fs.ModeDir | perm, mtime: now, created: now, children: map[string]*node{}}
}

// Open opens a file, as an [io.Seeker] and [io.ReaderAt], or a directory, as an
// [fs.ReadDirFile] sorted by name. Later changes do not show in either.
func (m *Memory) Open(name string) (fs.File, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n, err := m.find("open", name)
	if err != nil {
		return nil, err
	}
	info := n.info(path.Base(name))
	if n.children == nil {
		return &memoryFile{bytes.NewReader(n.data), info}, nil
	}
	entries := make([]fs.DirEntry, 0, len(n.children))
	for name, child := range n.children {
		entries = append(entries, fs.FileInfoToDirEntry(child.info(name)))
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return &memoryDirectory{entries, info}, nil
}

// Stat describes a file.
func (m *Memory) Stat(name string) (fs.FileInfo, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n, err := m.find("stat", name)
	if err != nil {
		return nil, err
	}
	return n.info(path.Base(name)), nil
}

// Mkdir makes a directory. perm are its permissions; nil is 0o755.
func (m *Memory) Mkdir(name string, perm *fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	parent, base, err := m.parent("mkdir", name)
	if err != nil {
		return err
	}
	if parent.children[base] != nil {
		return &fs.PathError{Op: "mkdir", Path: name, Err: syscall.EEXIST}
	}
	if err := m.take(nodeCost); err != nil {
		return &fs.PathError{Op: "mkdir", Path: name, Err: err}
	}
	made := newDirectory(permissions(perm, 0o755))
	parent.put(base, &made)
	return nil
}

// Remove removes a file or an empty directory.
func (m *Memory) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	parent, base, err := m.parent("remove", name)
	if err != nil {
		return err
	}
	n := parent.children[base]
	switch {
	case n == nil:
		err = syscall.ENOENT
	case len(n.children) > 0:
		err = syscall.ENOTEMPTY
	}
	if err != nil {
		return &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	m.used -= nodeCost + int64(len(n.data))
	parent.put(base, nil)
	return nil
}

// Rename moves a file or a directory. A file replaces a file, a directory an empty
// directory.
func (m *Memory) Rename(_ context.Context, from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	oldParent, oldBase, err := m.parent("rename", from)
	if err != nil {
		return err
	}
	newParent, newBase, err := m.parent("rename", to)
	if err != nil {
		return err
	}
	moved, replaced := oldParent.children[oldBase], newParent.children[newBase]
	switch {
	case moved == nil:
		err = syscall.ENOENT
	case moved == replaced:
		return nil
	case strings.HasPrefix(to, from+"/"):
		err = syscall.EINVAL // into itself
	case replaced == nil:
	case len(replaced.children) > 0:
		err = syscall.ENOTEMPTY
	case replaced.children != nil && moved.children == nil:
		err = syscall.EISDIR
	case replaced.children == nil && moved.children != nil:
		err = syscall.ENOTDIR
	}
	if err != nil {
		return &fs.PathError{Op: "rename", Path: from, Err: err}
	}
	if replaced != nil {
		m.used -= nodeCost + int64(len(replaced.data))
	}
	oldParent.put(oldBase, nil)
	newParent.put(newBase, moved)
	return nil
}

// Chtimes sets the modification time.
func (m *Memory) Chtimes(name string, mtime time.Time) error {
	return m.change("chtimes", name, func(n *node) { n.mtime = mtime })
}

// Chmod sets the bits that [Dir.Chmod] sets. They are only shown: Memory checks none.
func (m *Memory) Chmod(name string, mode fs.FileMode) error {
	return m.change("chmod", name, func(n *node) { n.mode = n.mode.Type() | permitted(mode, n.mode) })
}

func (m *Memory) change(op, name string, do func(*node)) error {
	if err := checkChange(op, name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find(op, name)
	if err != nil {
		return err
	}
	do(n)
	return nil
}

// Space is how many bytes an upload could have, of those that are left of Capacity. If
// Capacity is 0, it fails with an error that is [errors.ErrUnsupported].
func (m *Memory) Space(name string) (int64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if _, err := m.find("space", name); err != nil {
		return 0, err
	}
	if m.Capacity == 0 {
		return 0, &fs.PathError{Op: "space", Path: name, Err: errors.ErrUnsupported}
	}
	return max(m.Capacity-m.used-nodeCost, 0), nil
}

func (m *Memory) find(op, name string) (*node, error) {
	if err := checkName(op, name); err != nil {
		return nil, err
	}
	n := &m.root
	if name == "." {
		return n, nil
	}
	for element := range strings.SplitSeq(name, "/") {
		if n.children == nil {
			return nil, &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
		}
		if n = n.children[element]; n == nil {
			return nil, &fs.PathError{Op: op, Path: name, Err: syscall.ENOENT}
		}
	}
	return n, nil
}

// parent finds the directory of the file name, which need not exist. It also returns
// the last element of name.
func (m *Memory) parent(op, name string) (*node, string, error) {
	if err := checkChange(op, name); err != nil {
		return nil, "", err
	}
	dir, base := path.Dir(name), path.Base(name)
	n, err := m.find(op, dir)
	switch {
	case err != nil:
	case n.children == nil:
		err = &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
	case len(base) > elementSize:
		err = &fs.PathError{Op: op, Path: name, Err: syscall.ENAMETOOLONG}
	}
	return n, base, err
}

// take counts bytes as used, or fails if fewer are left.
func (m *Memory) take(bytes int64) error {
	if m.Capacity > 0 && bytes > m.Capacity-m.used {
		return syscall.ENOSPC
	}
	m.used += bytes
	return nil
}

// put sets an entry of a directory, or removes it if child is nil.
func (n *node) put(base string, child *node) {
	if n.mtime = time.Now(); child == nil {
		delete(n.children, base)
	} else {
		n.children[base] = child
	}
}

func (n *node) info(name string) memoryInfo {
	return memoryInfo{name, int64(len(n.data)), n.mode, n.mtime, n.created}
}

// TellsCreated is true: the [fs.FileInfo]s of a Memory have a method Created() time.Time.
func (m *Memory) TellsCreated() bool { return true }

type memoryInfo struct {
	name    string
	size    int64
	mode    fs.FileMode
	mtime   time.Time
	created time.Time
}

func (i memoryInfo) Name() string       { return i.name }
func (i memoryInfo) Size() int64        { return i.size }
func (i memoryInfo) Mode() fs.FileMode  { return i.mode }
func (i memoryInfo) ModTime() time.Time { return i.mtime }

// Created is when the file was made.
func (i memoryInfo) Created() time.Time { return i.created }
func (i memoryInfo) IsDir() bool        { return i.mode.IsDir() }
func (i memoryInfo) Sys() any           { return nil }

type memoryFile struct {
	*bytes.Reader
	info memoryInfo
}

func (f *memoryFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *memoryFile) Close() error               { return nil }

type memoryDirectory struct {
	entries []fs.DirEntry
	info    memoryInfo
}

func (d *memoryDirectory) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *memoryDirectory) Close() error               { return nil }
func (d *memoryDirectory) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.name, Err: syscall.EISDIR}
}

// ReadDir implements [fs.ReadDirFile].
func (d *memoryDirectory) ReadDir(n int) ([]fs.DirEntry, error) {
	if n > 0 && len(d.entries) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(d.entries) {
		n = len(d.entries)
	}
	page := d.entries[:n]
	d.entries = d.entries[n:]
	return page, nil
}
