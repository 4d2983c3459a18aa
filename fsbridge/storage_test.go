package fsbridge

import (
	"io"
	"io/fs"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge/fscontract"
)

// ways are the kinds of Dir that tests run on.
var ways = map[string]struct {
	options DirOptions
	fast    bool
}{
	"atomic":           {DirOptions{Atomic: true}, true},
	"in place":         {DirOptions{}, true},
	"synced":           {DirOptions{Atomic: true, Sync: true}, true},
	"atomic os.Root":   {DirOptions{Atomic: true}, false},
	"in place os.Root": {DirOptions{}, false},
}

// eachWay runs a test on an empty Dir of each kind. path is its directory.
func eachWay(t *testing.T, test func(t *testing.T, d *Dir, path string)) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := t.TempDir()
			test(t, testDir(t, path, way.options, way.fast), path)
		})
	}
}

func testDir(t testing.TB, path string, options DirOptions, fast bool) *Dir {
	d, err := openDir(path, options, fast)
	require.NoError(t, err)
	d.syncFile = func(*os.File) error { return nil } // few tests look at the disk itself
	t.Cleanup(func() { d.Close() })
	return d
}

func TestDirContract(t *testing.T) {
	t.Parallel()
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fscontract.Run(t, func(t *testing.T) fscontract.FS {
				return testDir(t, t.TempDir(), way.options, way.fast)
			})
		})
	}
}

// A Dir that goes through no link keeps the contract, on either way.
func TestNoLinksContract(t *testing.T) {
	t.Parallel()
	for name, fast := range map[string]bool{"openat2": true, "os.Root": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fscontract.Run(t, func(t *testing.T) fscontract.FS {
				return testDir(t, t.TempDir(), DirOptions{NoLinks: true}, fast)
			})
		})
	}
}

func TestMemoryContract(t *testing.T) {
	t.Parallel()
	fscontract.Run(t, func(*testing.T) fscontract.FS { return NewMemory() })
}

func TestReadOnlyContract(t *testing.T) {
	t.Parallel()
	for name, storage := range map[string]func(t *testing.T) fscontract.FS{
		"memory":    func(*testing.T) fscontract.FS { return NewMemory() },
		"directory": func(t *testing.T) fscontract.FS { return testDir(t, t.TempDir(), DirOptions{}, true) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fscontract.RunRead(t, func(t *testing.T) fs.FS {
				s := storage(t)
				fscontract.Seed(t, s)
				return ReadOnly(s)
			})
		})
	}
}

func TestReadOnlyHasNothingThatChanges(t *testing.T) {
	t.Parallel()
	fsys := ReadOnly(NewMemory())
	_, ok := fsys.(CreateFS)
	assert.False(t, ok)
	_, ok = fsys.(MkdirFS)
	assert.False(t, ok)
	_, ok = fsys.(RemoveFS)
	assert.False(t, ok)
	_, ok = fsys.(RenameFS)
	assert.False(t, ok)
	_, ok = fsys.(SymlinkFS)
	assert.False(t, ok)
	_, ok = fsys.(ChtimesFS)
	assert.False(t, ok)
	_, ok = fsys.(ChmodFS)
	assert.False(t, ok)
}

// write uploads a file and returns the first error.
func write(fsys fscontract.FS, name string, flag int, content string) error {
	up, err := fsys.Create(name, flag, 0, nil)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(up, content); err != nil {
		up.Abort()
		return err
	}
	return up.Commit()
}

func put(t testing.TB, fsys fscontract.FS, name, content string) {
	t.Helper()
	require.NoError(t, write(fsys, name, os.O_TRUNC, content))
}

func get(t testing.TB, fsys fs.FS, name string) string {
	t.Helper()
	content, err := fs.ReadFile(fsys, name)
	require.NoError(t, err)
	return string(content)
}

func fileNames(t testing.TB, fsys fs.FS, dir string) (names []string) {
	t.Helper()
	file, err := fsys.Open(dir)
	require.NoError(t, err)
	defer file.Close()
	entries, err := file.(fs.ReadDirFile).ReadDir(-1)
	require.NoError(t, err)
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}
