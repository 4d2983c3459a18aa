package fsbridge

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOpenDirOfWhatIsNone(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	_, err := OpenDir(file, DirOptions{})
	assert.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	_, err = OpenDir(file, DirOptions{})
	assert.Error(t, err)
}

func TestDirWithoutUse(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		put(t, d, "file", "content")
		file, err := d.Open("file")
		require.NoError(t, err)
		defer file.Close()
		require.NoError(t, d.Close())
		_, err = d.Open("file")
		assert.ErrorIs(t, err, fs.ErrClosed)
		_, err = d.Stat("file")
		assert.ErrorIs(t, err, fs.ErrClosed)
		assert.ErrorIs(t, d.Remove("file"), fs.ErrClosed)
		n, err := file.Read(make([]byte, 100))
		require.NoError(t, err)
		assert.Equal(t, 7, n, "what is open stays so")
	})
}

func TestDirOpensSystemFiles(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		put(t, d, "file", "content")
		file, err := d.Open("file")
		require.NoError(t, err)
		defer file.Close()
		assert.IsType(t, (*os.File)(nil), file, "for sendfile")
	})
}

func TestDirErrorsNameOnlyWhatIsInside(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		put(t, d, "file", "")
		_, open := d.Open("missing")
		_, stat := d.Stat("file/x")
		_, create := d.Create("missing/x", os.O_TRUNC, 0, nil)
		for _, err := range []error{open, stat, create, d.Mkdir("file", nil), d.Remove("missing"),
			d.Rename(t.Context(), "missing", "x"), d.Chmod("missing", 0), d.Chtimes("missing", time.Now())} {
			var path *fs.PathError
			require.True(t, errors.As(err, &path))
			assert.NotContains(t, err.Error(), root)
			assert.NotContains(t, path.Err.Error(), "missing", "named once")
		}
	})
}

func TestDirectoryIsSortedUpToALimit(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	d := testDir(t, root, DirOptions{}, true)
	var want []string
	add := func() {
		name := fmt.Sprintf("%x", math.MaxUint16-len(want)*37)
		require.NoError(t, os.WriteFile(filepath.Join(root, name), nil, 0o644))
		want = append(want, name)
	}
	for len(want) < sortedEntries {
		add()
	}
	slices.Sort(want)
	assert.Equal(t, want, fileNames(t, d, "."))
	add()
	require.NoError(t, os.WriteFile(filepath.Join(root, hiddenPrefix), nil, 0o644))
	assert.ElementsMatch(t, want, fileNames(t, d, "."))

	file, err := d.Open(".")
	require.NoError(t, err)
	defer file.Close()
	var got []string
	for {
		page, err := file.(fs.ReadDirFile).ReadDir(64)
		if err != nil {
			break
		}
		for _, entry := range page {
			got = append(got, entry.Name())
		}
	}
	assert.ElementsMatch(t, want, got)
}

func TestDirectoryLeavesOutWhatVanished(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		for i := range 20 {
			put(t, d, fmt.Sprint(i), "")
		}
		file, err := d.Open(".")
		require.NoError(t, err)
		defer file.Close()
		entries, err := file.(fs.ReadDirFile).ReadDir(1)
		require.NoError(t, err)
		for i := range 20 {
			require.NoError(t, d.Remove(fmt.Sprint(i)))
		}
		rest, err := file.(fs.ReadDirFile).ReadDir(-1)
		require.NoError(t, err)
		for _, entry := range append(entries, rest...) {
			if _, err := entry.Info(); err != nil {
				assert.ErrorIs(t, err, fs.ErrNotExist)
			}
		}
	})
}

func TestDirTakesNoTimeThatTheSystemCannotHold(t *testing.T) {
	t.Parallel()
	d := testDir(t, t.TempDir(), DirOptions{}, true)
	put(t, d, "file", "")
	for _, mtime := range []time.Time{{}, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		assert.ErrorIs(t, d.Chtimes("file", mtime), syscall.EINVAL)
	}
}

func TestDirModes(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	d := testDir(t, root, DirOptions{}, true)
	file, dir := 0o600|fs.ModeSetuid, fs.FileMode(0o700)
	up, err := d.Create("file", os.O_EXCL, 0, &file)
	require.NoError(t, err)
	require.NoError(t, up.Commit())
	require.NoError(t, d.Mkdir("dir", &dir))
	for name, want := range map[string]fs.FileMode{"file": 0o600, "dir": fs.ModeDir | 0o700} {
		info, err := d.Stat(name)
		require.NoError(t, err)
		assert.Zero(t, info.Mode()&^want&^0o066, name) // Windows has no such bits
	}
}

func TestDirTakesNoArgumentsOfOtherSystems(t *testing.T) {
	t.Parallel()
	d := testDir(t, t.TempDir(), DirOptions{}, true)
	put(t, d, "file", "content")
	for _, create := range []struct {
		flag   int
		offset int64
	}{{0, -1}, {os.O_TRUNC, 1}, {os.O_EXCL, 1}, {os.O_TRUNC | os.O_EXCL, 0}, {os.O_RDWR, 0}, {os.O_SYNC, 0}} {
		_, err := d.Create("file", create.flag, create.offset, nil)
		assert.ErrorIs(t, err, syscall.EINVAL, "%+v", create)
	}
	_, err := d.Open(strings.Repeat("x", 300))
	assert.Error(t, err)
	assert.Equal(t, "content", get(t, d, "file"))
}

func BenchmarkOpen(b *testing.B) {
	root := b.TempDir()
	require.NoError(b, os.MkdirAll(filepath.Join(root, "a/b/c"), 0o755))
	for depth, name := range map[string]string{"depth 1": "file", "depth 4": "a/b/c/file"} {
		require.NoError(b, os.WriteFile(filepath.Join(root, name), nil, 0o644))
		fast, slow := testDir(b, root, DirOptions{}, true), testDir(b, root, DirOptions{}, false)
		path := filepath.Join(root, name)
		for way, open := range map[string]func() (fs.File, error){
			"os.Open": func() (fs.File, error) { return os.Open(path) },
			"openat2": func() (fs.File, error) { return fast.Open(name) },
			"os.Root": func() (fs.File, error) { return slow.Open(name) },
		} {
			b.Run(depth+"/"+way, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					file, err := open()
					if err != nil {
						b.Fatal(err)
					}
					file.Close()
				}
			})
		}
		for way, stat := range map[string]func() (fs.FileInfo, error){
			"os.Stat":      func() (fs.FileInfo, error) { return os.Stat(path) },
			"openat2 Stat": func() (fs.FileInfo, error) { return fast.Stat(name) },
			"os.Root Stat": func() (fs.FileInfo, error) { return slow.Stat(name) },
		} {
			b.Run(depth+"/"+way, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := stat(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkReadDir(b *testing.B) {
	root := b.TempDir()
	for i := range 10_000 {
		require.NoError(b, os.WriteFile(filepath.Join(root, fmt.Sprintf("file%05d", i)), nil, 0o644))
	}
	d := testDir(b, root, DirOptions{}, true)
	for b.Loop() {
		file, err := d.Open(".")
		require.NoError(b, err)
		for {
			page, err := file.(fs.ReadDirFile).ReadDir(256)
			if err != nil {
				break
			}
			for _, entry := range page {
				if _, err := entry.Info(); err != nil {
					b.Fatal(err)
				}
			}
		}
		file.Close()
	}
}
