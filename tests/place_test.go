package tests

import (
	"cmp"
	"io/fs"
	"os"
	"path"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/tests/script"
)

var hasIPv6 = script.HasIPv6

// folder is a directory of the disk that a server serves.
type folder = script.Folder

// dirPlace is a folder served by the common server.
func dirPlace(t testing.TB) script.World {
	root := t.TempDir()
	dir, err := fsbridge.OpenDir(root, fsbridge.DirOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { dir.Close() })
	return folder{Network: serveFiles(t, dir), Root: root}
}

// memory is a tree in memory that the common server serves.
type memory struct {
	script.Network
	files *fsbridge.Memory
}

func memoryPlace(t testing.TB) script.World {
	files := fsbridge.NewMemory()
	return memory{serveFiles(t, files), files}
}

func (m memory) Has(need string) bool {
	switch need {
	case "links", "space":
		return false
	case "ipv6":
		return hasIPv6()
	}
	return true
}

func (m memory) WriteFile(name string, content []byte, mtime time.Time) error {
	if err := m.parents(name); err != nil {
		return err
	}
	return putFile(m.files, name, content, mtime)
}

// putFile makes a file in any storage.
func putFile(files interface {
	fsbridge.CreateFS
	fsbridge.ChtimesFS
}, name string, content []byte, mtime time.Time) error {
	upload, err := files.Create(name, os.O_TRUNC, 0, nil)
	if err != nil {
		return err
	}
	if _, err := upload.Write(content); err != nil {
		return err
	}
	return cmp.Or(upload.Commit(), files.Chtimes(name, mtime))
}

func (m memory) parents(name string) error {
	dir := path.Dir(name)
	if _, err := m.files.Stat(dir); err == nil {
		return nil
	}
	return cmp.Or(m.parents(dir), m.files.Mkdir(dir, nil))
}

func (m memory) Mkdir(name string) error {
	return cmp.Or(m.parents(name), m.files.Mkdir(name, nil))
}

func (m memory) Symlink(string, string) error          { return fs.ErrInvalid }
func (m memory) ReadFile(name string) ([]byte, error)  { return fs.ReadFile(m.files, name) }
func (m memory) Stat(name string) (fs.FileInfo, error) { return m.files.Stat(name) }
