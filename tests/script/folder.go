package script

import (
	"cmp"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Folder is a directory of the disk that a server serves.
type Folder struct {
	Network
	Root string

	// Lacks are needs that this server does not meet, although the system could.
	Lacks []string
}

// HasIPv6 says whether this machine has an IPv6 loopback.
var HasIPv6 = sync.OnceValue(func() bool {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err == nil {
		l.Close()
	}
	return err == nil
})

// Has implements [World].
func (f Folder) Has(need string) bool {
	if slices.Contains(f.Lacks, need) {
		return false
	}
	switch need {
	case "links", "modes":
		return runtime.GOOS != "windows"
	case "bytes", "space":
		return runtime.GOOS == "linux"
	case "ipv6":
		return HasIPv6()
	case "created":
		return tellsCreated(f.Root)
	}
	return true
}

// path is the path of name on the disk. Its parent directory is made.
func (f Folder) path(name string) (string, error) {
	p := filepath.Join(f.Root, filepath.FromSlash(name))
	return p, os.MkdirAll(filepath.Dir(p), 0o755)
}

// WriteFile implements [World].
func (f Folder) WriteFile(name string, content []byte, mtime time.Time) error {
	p, err := f.path(name)
	if err == nil {
		err = os.WriteFile(p, content, 0o644)
	}
	return cmp.Or(err, os.Chtimes(p, time.Time{}, mtime))
}

// Mkdir implements [World].
func (f Folder) Mkdir(name string) error {
	p, err := f.path(name)
	return cmp.Or(err, os.Mkdir(p, 0o755))
}

// Symlink implements [World].
func (f Folder) Symlink(target, name string) error {
	p, err := f.path(name)
	return cmp.Or(err, os.Symlink(target, p))
}

// ReadFile implements [World].
func (f Folder) ReadFile(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(f.Root, filepath.FromSlash(name)))
}

// Stat implements [World].
func (f Folder) Stat(name string) (fs.FileInfo, error) {
	return os.Stat(filepath.Join(f.Root, filepath.FromSlash(name)))
}

// Empty removes everything in the directory.
func (f Folder) Empty() error {
	entries, err := os.ReadDir(f.Root)
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(f.Root, e.Name())); err != nil {
			return err
		}
	}
	return err
}
