package tests

import (
	"cmp"
	"io/fs"
	"net"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

var hasIPv6 = sync.OnceValue(func() bool {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err == nil {
		l.Close()
	}
	return err == nil
})

// folder is a directory of the disk that a server serves.
type folder struct {
	script.Network
	root string
}

func (f folder) Has(need string) bool {
	switch need {
	case "links", "modes":
		return runtime.GOOS != "windows"
	case "bytes", "space":
		return runtime.GOOS == "linux"
	case "ipv6":
		return hasIPv6()
	}
	return need == "anonymous" || need == "deflate"
}

// path makes the directories that name needs.
func (f folder) path(name string) (string, error) {
	p := filepath.Join(f.root, filepath.FromSlash(name))
	return p, os.MkdirAll(filepath.Dir(p), 0o755)
}

func (f folder) WriteFile(name string, content []byte, mtime time.Time) error {
	p, err := f.path(name)
	if err == nil {
		err = os.WriteFile(p, content, 0o644)
	}
	return cmp.Or(err, os.Chtimes(p, time.Time{}, mtime))
}

func (f folder) Mkdir(name string) error {
	p, err := f.path(name)
	return cmp.Or(err, os.Mkdir(p, 0o755))
}

func (f folder) Symlink(target, name string) error {
	p, err := f.path(name)
	return cmp.Or(err, os.Symlink(target, p))
}

func (f folder) ReadFile(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(f.root, filepath.FromSlash(name)))
}

func (f folder) Stat(name string) (fs.FileInfo, error) {
	return os.Stat(filepath.Join(f.root, filepath.FromSlash(name)))
}

// dirPlace is a folder served by the common server.
func dirPlace(t testing.TB) script.World {
	root := t.TempDir()
	dir, err := fsbridge.OpenDir(root, fsbridge.DirOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { dir.Close() })
	return folder{serveFiles(t, dir), root}
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
	case "bytes", "modes", "anonymous", "deflate", "created":
		return true
	case "ipv6":
		return hasIPv6()
	}
	return false
}

func (m memory) WriteFile(name string, content []byte, mtime time.Time) error {
	if err := m.parents(name); err != nil {
		return err
	}
	return putFile(m.files, name, content, mtime)
}

// putFile makes a file in any storage.
func putFile(files interface {
	host.CreateFS
	host.ChtimesFS
}, name string, content []byte, mtime time.Time) error {
	upload, err := files.Create(name, os.O_TRUNC, 0)
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
	return cmp.Or(m.parents(dir), m.files.Mkdir(dir))
}

func (m memory) Mkdir(name string) error {
	return cmp.Or(m.parents(name), m.files.Mkdir(name))
}

func (m memory) Symlink(string, string) error          { return fs.ErrInvalid }
func (m memory) ReadFile(name string) ([]byte, error)  { return fs.ReadFile(m.files, name) }
func (m memory) Stat(name string) (fs.FileInfo, error) { return m.files.Stat(name) }
