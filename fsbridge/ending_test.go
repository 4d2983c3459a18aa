package fsbridge

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// record notes in which order a Dir syncs and closes files, and whether the file name
// exists at that moment.
func record(d *Dir, root, name string) *[]string {
	calls := &[]string{}
	named := func() string {
		if _, err := os.Lstat(filepath.Join(root, name)); err != nil {
			return "unnamed"
		}
		return "named"
	}
	d.syncFile = func(file *os.File) error {
		what := "file"
		if info, err := file.Stat(); err == nil && info.IsDir() {
			what = "folder"
		}
		*calls = append(*calls, fmt.Sprintf("sync %s, %s", what, named()))
		return file.Sync()
	}
	d.closeFile = func(file *os.File) error {
		*calls = append(*calls, "close, "+named())
		return file.Close()
	}
	return calls
}

// Data reach the disk before the name does: else a power failure between the two
// leaves an empty file, after the reply 226.
func TestDataReachesTheDiskBeforeTheName(t *testing.T) {
	t.Parallel()
	for _, flag := range []int{os.O_TRUNC, os.O_EXCL} {
		root := t.TempDir()
		d := testDir(t, root, DirOptions{Atomic: true}, true)
		calls := record(d, root, "new")
		require.NoError(t, write(d, "new", flag, "content"))
		assert.Equal(t, []string{"sync file, unnamed", "close, unnamed"}, *calls)
	}
}

func TestSyncedUploadIsOnTheDisk(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("folders cannot be brought to the disk there")
	}
	for _, atomic := range []bool{true, false} {
		for _, flag := range []int{os.O_TRUNC, os.O_EXCL, os.O_APPEND, 0} {
			for _, old := range []bool{false, true} {
				root := t.TempDir()
				d := testDir(t, root, DirOptions{Atomic: atomic, Sync: true}, true)
				require.NoError(t, d.Mkdir("dir", nil))
				if old && flag != os.O_EXCL {
					put(t, d, "dir/file", "old")
				}
				calls := record(d, root, "dir/file")
				require.NoError(t, write(d, "dir/file", flag, "content"))
				want := []string{"sync file, named", "sync folder, named", "close, named"}
				if atomic && (flag == os.O_TRUNC || flag == os.O_EXCL) {
					before := "unnamed"
					if old && flag != os.O_EXCL {
						before = "named"
					}
					want = []string{"sync file, " + before, "close, " + before, "sync folder, named"}
				}
				assert.Equal(t, want, *calls, "atomic %v, flag %x, old %v", atomic, flag, old)
			}
		}
	}
}

// A name that is made, renamed or removed reaches the disk before the reply, too: if a
// folder's name is lost, so are the files in it.
func TestSyncedNamesAreOnTheDisk(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("folders cannot be brought to the disk there")
	}
	root := t.TempDir()
	d := testDir(t, root, DirOptions{Sync: true}, true)
	folders := 0
	d.syncFile = func(file *os.File) error {
		if info, err := file.Stat(); err == nil && info.IsDir() {
			folders++
		}
		return nil
	}
	for _, c := range []struct {
		what    string
		do      func() error
		folders int
	}{
		{"Mkdir", func() error { return d.Mkdir("dir", nil) }, 1},
		{"Mkdir below", func() error { return d.Mkdir("dir/below", nil) }, 1},
		{"Rename", func() error { return d.Rename(t.Context(), "dir/below", "below") }, 2},
		{"Symlink", func() error { return d.Symlink("below", "link") }, 1},
		{"Remove", func() error { return d.Remove("link") }, 1},
		{"no Mkdir", func() error { d.Mkdir("dir", nil); return nil }, 0},
	} {
		folders = 0
		require.NoError(t, c.do(), c.what)
		assert.Equal(t, c.folders, folders, c.what)
	}
}

// An upload does not fail because the file system cannot sync, but it does if a sync
// fails.
func TestFailureToReachTheDisk(t *testing.T) {
	t.Parallel()
	for fault, fails := range map[syscall.Errno]bool{
		syscall.EIO: true, syscall.ENOSPC: true, syscall.EDQUOT: true,
		syscall.EINVAL: false, syscall.ENOSYS: false, syscall.EOPNOTSUPP: false, syscall.EROFS: false,
	} {
		for way, options := range map[string]DirOptions{
			"atomic": {Atomic: true}, "synced": {Sync: true}, "both": {Atomic: true, Sync: true},
		} {
			root := t.TempDir()
			d := testDir(t, root, options, true)
			put(t, d, "file", "old")
			d.syncFile = func(*os.File) error { return &fs.PathError{Op: "sync", Path: "file", Err: fault} }
			err := write(d, "file", os.O_TRUNC, "new")
			if !fails {
				assert.NoError(t, err, "%v %s", fault, way)
				assert.Equal(t, "new", get(t, d, "file"))
				continue
			}
			assert.ErrorIs(t, err, fault, way)
			if options.Atomic {
				assert.Equal(t, "old", get(t, d, "file"), "%v %s", fault, way)
			}
			assert.Equal(t, 1, seen(t, root), "%v %s: nothing hidden is left", fault, way)
		}
	}
}

// A network file system tells some failures only when a file is closed.
func TestFailureToClose(t *testing.T) {
	t.Parallel()
	for way, options := range map[string]DirOptions{"atomic": {Atomic: true}, "in place": {}} {
		for _, fault := range []error{syscall.EIO, syscall.ENOSPC, syscall.EDQUOT} {
			root := t.TempDir()
			d := testDir(t, root, options, true)
			put(t, d, "file", "old")
			closed := 0
			d.closeFile = func(file *os.File) error {
				closed++
				return errors.Join(fault, file.Close())
			}
			assert.ErrorIs(t, write(d, "file", os.O_TRUNC, "new"), fault, way)
			assert.ErrorIs(t, write(d, "unheard", os.O_EXCL, ""), fault, way)
			up, err := d.Create("file", os.O_TRUNC, 0, nil)
			require.NoError(t, err)
			up.Abort()
			up = begin(t, d, "file", os.O_TRUNC, 0, "newer")
			up.Abort()
			assert.Equal(t, 4, closed)
			names := []string{"file", "unheard"}
			if options.Atomic {
				names = names[:1]
				assert.Equal(t, "old", get(t, d, "file"))
			}
			assert.Equal(t, names, fileNames(t, d, "."), way)
			assert.Equal(t, len(names), seen(t, root), "%s: nothing hidden is left", way)
		}
	}
}

// If the file system has no locks, uploads of this process still keep out one another.
func TestUploadsWithoutLocks(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		lockedBy(d, noLocks)
		other := lockedBy(testDir(t, root, DirOptions{}, true), noLocks)
		up := begin(t, d, "file", os.O_APPEND, 0, "content")
		for _, flag := range []int{os.O_TRUNC, os.O_APPEND, 0} {
			_, err := other.Create("file", flag, 0, nil)
			assert.ErrorIs(t, err, syscall.EBUSY)
		}
		require.NoError(t, up.Commit())
		assert.Equal(t, "content", get(t, d, "file"))
		require.NoError(t, begin(t, other, "file", os.O_TRUNC, 0, "again").Abort())
		put(t, d, "file", "free")
		assert.Equal(t, "free", get(t, other, "file"))
		assert.Equal(t, 1, seen(t, root))
	})
}

// An upload that cannot lock its file leaves no hidden file.
func TestUploadThatCannotBeLocked(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		lockedBy(d, func(*os.File, bool) error { return syscall.EIO })
		for _, flag := range []int{os.O_TRUNC, os.O_EXCL} {
			_, err := d.Create("file", flag, 0, nil)
			assert.ErrorIs(t, err, syscall.EIO)
		}
		entries, err := os.ReadDir(root)
		require.NoError(t, err)
		for _, e := range entries {
			assert.False(t, hiddenName(e.Name()), e.Name())
		}
	})
}

// An upload opens another file if a sweep, or an upload that was given up, has removed
// the file before it was locked.
func TestFileThatGoesBeforeItIsLocked(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("open files stay there")
	}
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		put(t, d, "file", "old")
		for _, flag := range []int{os.O_TRUNC, os.O_EXCL} {
			name := fmt.Sprint("new", flag)
			tries := 0
			lockedBy(d, func(file *os.File, exclusive bool) error {
				if tries++; tries < 3 {
					entries, err := os.ReadDir(root)
					require.NoError(t, err)
					for _, e := range entries {
						if hiddenName(e.Name()) || e.Name() == name {
							require.NoError(t, os.Remove(filepath.Join(root, e.Name())))
						}
					}
				}
				return flock(file, exclusive)
			})
			require.NoError(t, write(d, name, flag, "content"))
			assert.Equal(t, "content", get(t, d, name))
			assert.Equal(t, 3, tries)
			require.NoError(t, d.Remove(name))
		}
		assert.Equal(t, 1, seen(t, root))
	})
}

func TestUploadsCloseWhatTheyOpen(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("counts in /proc")
	}
	open := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(entries)
	}
	for name, way := range ways {
		d := testDir(t, t.TempDir(), way.options, way.fast)
		put(t, d, "old", "")
		before := open()
		for range 20 {
			for _, name := range []string{"old", "new"} {
				for _, flag := range []int{os.O_TRUNC, os.O_EXCL, os.O_APPEND, 0} {
					for _, end := range []func(Upload) error{Upload.Commit, Upload.Abort} {
						if up, err := d.Create(name, flag, 0, nil); err == nil {
							io.WriteString(up, "x")
							end(up)
						}
						d.Remove("new")
					}
				}
			}
			d.Create("old/below", os.O_TRUNC, 0, nil)
			d.Create("old", 0, 1000, nil)
			d.Create(".", os.O_TRUNC, 0, nil)
		}
		assert.LessOrEqual(t, open(), before, name)
	}
}

// linkless is a directory on a disk that knows neither hard links nor a rename that
// replaces nothing.
type linkless struct {
	parent
	fault error
}

func (l linkless) renameNew(string, parent, string) error { return l.fault }
func (l linkless) link(string, string) error              { return l.fault }
func (l linkless) rename(base string, _ parent, toBase string) error {
	return l.parent.rename(base, l.parent, toBase)
}

func TestUniqueUploadWithoutHardLinks(t *testing.T) {
	t.Parallel()
	for _, fault := range []error{syscall.EPERM, syscall.EOPNOTSUPP, syscall.EMLINK, syscall.ENOSYS, syscall.EINVAL} {
		root := t.TempDir()
		d := testDir(t, root, DirOptions{Atomic: true}, true)
		for _, want := range []error{nil, fs.ErrExist} {
			up, err := d.Create("file", os.O_EXCL, 0, nil)
			require.NoError(t, err)
			other, err := d.Create("file", os.O_EXCL, 0, nil)
			require.NoError(t, err)
			require.NoError(t, other.Abort())
			u := up.(*upload)
			u.folder = linkless{u.folder, fault}
			_, err = io.WriteString(up, "content")
			require.NoError(t, err)
			if want != nil {
				require.NoError(t, os.WriteFile(filepath.Join(root, "file"), []byte("another's"), 0o644))
			}
			assert.ErrorIs(t, up.Commit(), want)
			content, err := os.ReadFile(filepath.Join(root, "file"))
			require.NoError(t, err)
			assert.Equal(t, map[bool]string{true: "content", false: "another's"}[want == nil], string(content))
			assert.Equal(t, 1, seen(t, root), "nothing hidden is left")
			require.NoError(t, os.Remove(filepath.Join(root, "file")))
		}
	}
}
