package fsbridge

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"
	"time"
)

// Create opens an upload. flag and offset are those of [Dir.Create]. The upload is
// hidden until it is committed, and nothing remains of it when it is aborted. Commit
// applies it as a whole to the file of that moment, so that two uploads to one file do
// not mix. With os.O_EXCL, Commit fails if the file has been made meanwhile. perm are
// the permissions of a new file; nil is 0o644.
func (m *Memory) Create(name string, flag int, offset int64, perm *fs.FileMode) (Upload, error) {
	if err := checkUpload(name, flag, offset); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	u := &memoryUpload{memory: m, name: name, flag: flag, offset: offset, perm: permissions(perm, 0o644)}
	if _, _, err := u.target(); err != nil {
		return nil, err
	}
	if err := m.take(nodeCost); err != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: err}
	}
	return u, nil
}

type memoryUpload struct {
	memory *Memory
	name   string
	as     string // the name that Rename got; "" for none
	flag   int
	offset int64
	perm   fs.FileMode // of a new file
	data   []byte
	ended  bool
}

func (u *memoryUpload) Write(p []byte) (int, error) {
	u.memory.mu.Lock()
	defer u.memory.mu.Unlock()
	err := fs.ErrClosed
	if !u.ended {
		err = u.memory.take(int64(len(p)))
	}
	if err != nil {
		return 0, &fs.PathError{Op: "write", Path: u.name, Err: err}
	}
	u.data = append(u.data, p...)
	return len(p), nil
}

func (u *memoryUpload) Commit() error {
	u.memory.mu.Lock()
	defer u.memory.mu.Unlock()
	if u.ended {
		return fs.ErrClosed
	}
	if u.as != "" {
		return u.commitAs()
	}
	defer u.end()
	parent, old, err := u.target()
	if err != nil {
		return err
	}
	n := &node{mode: u.perm, created: time.Now()}
	if old != nil {
		n = old
	}
	before := n.data
	n.data = u.content(before)
	n.mtime = time.Now()
	u.memory.used += int64(len(n.data) - len(before))
	if old == nil {
		u.memory.used += nodeCost
		parent.put(path.Base(u.name), n)
	}
	return nil
}

// Rename implements [RenamableUpload].
func (u *memoryUpload) Rename(from, to string) error {
	u.memory.mu.Lock()
	defer u.memory.mu.Unlock()
	switch {
	case u.ended:
		return fs.ErrClosed
	case from != u.name:
		return errors.ErrUnsupported
	case to == u.name:
		u.as = ""
		return nil
	}
	_, err := u.memory.room(to)
	if err == nil {
		u.as = to
	}
	return err
}

// commitAs is Commit for a name that Rename got. The file of the first name stays as it is.
func (u *memoryUpload) commitAs() error {
	parent, err := u.memory.room(u.as)
	var old *node
	if err == nil {
		_, old, err = u.target()
	}
	if err != nil {
		u.end()
		return err
	}
	var before []byte
	if old != nil {
		before = slices.Clip(old.data)
	}
	n := &node{mode: u.perm, created: time.Now(), mtime: time.Now(), data: u.content(before)}
	u.end()
	if err := u.memory.take(nodeCost + int64(len(n.data))); err != nil {
		return &fs.PathError{Op: "rename", Path: u.as, Err: err}
	}
	parent.put(path.Base(u.as), n)
	return nil
}

// room is the directory for a new file. It fails if there is one of that name.
func (m *Memory) room(name string) (*node, error) {
	parent, base, err := m.parent("rename", name)
	if err == nil && parent.children[base] != nil {
		err = &fs.PathError{Op: "rename", Path: name, Err: syscall.EEXIST}
	}
	return parent, err
}

// content is what becomes of a file with the content before.
func (u *memoryUpload) content(before []byte) []byte {
	switch u.flag {
	case os.O_APPEND:
		return append(before, u.data...)
	case 0:
		tail := min(u.offset+int64(len(u.data)), int64(len(before)))
		return slices.Concat(before[:u.offset], u.data, before[tail:])
	}
	return u.data
}

// Open implements [ReadableUpload].
func (u *memoryUpload) Open() (io.ReadCloser, error) {
	u.memory.mu.Lock()
	defer u.memory.mu.Unlock()
	if u.ended {
		return nil, fs.ErrClosed
	}
	_, old, err := u.target()
	if err != nil {
		return nil, err
	}
	var before []byte
	if old != nil {
		before = slices.Clip(old.data)
	}
	return io.NopCloser(bytes.NewReader(u.content(before))), nil
}

func (u *memoryUpload) Abort() error {
	u.memory.mu.Lock()
	defer u.memory.mu.Unlock()
	if u.ended {
		return fs.ErrClosed
	}
	u.end()
	return nil
}

// end gives back the bytes that the upload itself takes.
func (u *memoryUpload) end() {
	u.ended = true
	u.memory.used -= nodeCost + int64(len(u.data))
	u.data = nil
}

// target finds the directory of the file and, unless it is nil, the file that is there.
// It fails if the upload cannot go on to that file.
func (u *memoryUpload) target() (parent, old *node, err error) {
	parent, base, err := u.memory.parent("create", u.name)
	if err != nil {
		return nil, nil, err
	}
	var size int64
	if old = parent.children[base]; old != nil {
		size = int64(len(old.data))
	}
	switch {
	case old != nil && u.flag == os.O_EXCL:
		err = syscall.EEXIST
	case old != nil && old.children != nil:
		err = syscall.EISDIR
	case old == nil && u.flag == 0 && u.offset > 0:
		err = syscall.ENOENT
	case u.flag == 0 && u.offset > size:
		err = syscall.EINVAL
	}
	if err != nil {
		return nil, nil, &fs.PathError{Op: "create", Path: u.name, Err: err}
	}
	return parent, old, nil
}
