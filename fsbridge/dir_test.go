package fsbridge

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/wasi"
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

// A listing describes entries as Lstat does, on each way, whatever their kind and name.
func TestListingDescribesAsLstatDoes(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		names := []string{"dir", "empty", "file", "old", "private"}
		put(t, d, "file", "content")
		put(t, d, "empty", "")
		put(t, d, "old", "")
		require.NoError(t, d.Chtimes("old", time.Unix(-1e9, 5)))
		put(t, d, "private", "")
		require.NoError(t, d.Chmod("private", 0o600))
		require.NoError(t, d.Mkdir("dir", nil))
		require.NoError(t, os.WriteFile(filepath.Join(root, hiddenPrefix+"x"), nil, 0o644))
		if runtime.GOOS == "linux" {
			for _, name := range []string{"\xff\xfe", strings.Repeat("x", 255), " ", "\n", "-*"} {
				put(t, d, name, "")
				names = append(names, name)
			}
			require.NoError(t, os.Symlink("dir/nothing", filepath.Join(root, "link")))
			require.NoError(t, os.Symlink("dir", filepath.Join(root, "to dir")))
			names = append(names, "link", "to dir")
			require.NoError(t, d.Chmod("dir", 0o3711))
		}
		slices.Sort(names)
		for _, follows := range []bool{false, true} {
			files := &Access{FS: d, Rights: wasi.RightList, FollowLinks: follows}
			listing, err := files.List(".", false)
			require.NoError(t, err)
			defer listing.Close()
			for _, name := range names {
				entry, err := listing.Next()
				require.NoError(t, err, name)
				info, err := d.Lstat(name)
				require.NoError(t, err)
				want := Entry{Name: name, Stat: StatOf(info)}
				if info.Mode().Type() == fs.ModeSymlink {
					want.Target, err = d.ReadLink(name)
					require.NoError(t, err)
				}
				if end, err := d.Stat(name); err == nil && follows {
					want.Stat = StatOf(end)
				}
				assert.Equal(t, want, entry)
				info, err = os.Lstat(filepath.Join(root, name))
				require.NoError(t, err)
				if want.Target == "" {
					want.Stat.Created = 0 // package os does not tell it
					assert.Equal(t, StatOf(info), want.Stat)
				}
			}
			for range 2 {
				_, err = listing.Next()
				assert.Equal(t, io.EOF, err)
			}
		}
	})
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

// manyFiles fills a directory with empty files.
func manyFiles(t testing.TB, root string, count int) {
	for i := range count {
		require.NoError(t, os.WriteFile(filepath.Join(root, fmt.Sprintf("file%05d", i)), nil, 0o644))
	}
}

// listAll lists a directory and returns how many entries it has.
func listAll(t testing.TB, files *Access, name string) (count int) {
	listing, err := files.List(name, false)
	require.NoError(t, err)
	defer listing.Close()
	for {
		if _, err = listing.Next(); err != nil {
			require.Equal(t, io.EOF, err)
			return count
		}
		count++
	}
}

func BenchmarkList(b *testing.B) {
	const count = 10_000
	root := b.TempDir()
	manyFiles(b, root, count)
	for way, fast := range map[string]bool{"fast": true, "os.Root": false} {
		b.Run(way, func(b *testing.B) {
			files := &Access{FS: testDir(b, root, DirOptions{}, fast), Rights: wasi.RightList}
			b.ReportAllocs()
			for b.Loop() {
				if n := listAll(b, files, "."); n != count {
					b.Fatal(n)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/count, "ns/entry")
		})
	}
}
