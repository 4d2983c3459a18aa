package fsbridge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// leave makes the leftover of a hidden upload that was killed so long ago.
func leave(t *testing.T, dir string, ago time.Duration) string {
	t.Helper()
	file, err := os.CreateTemp(dir, hiddenPrefix)
	require.NoError(t, err)
	_, err = file.WriteString("half")
	require.NoError(t, err)
	require.NoError(t, file.Close())
	when := time.Now().Add(-ago)
	require.NoError(t, os.Chtimes(file.Name(), when, when))
	return file.Name()
}

// seen is how many files are below a folder, hidden ones too.
func seen(t *testing.T, root string) (count int) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(_ string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			count++
		}
		return err
	}))
	return count
}

// lockedBy gives d the locks of another file system.
func lockedBy(d *Dir, flock func(*os.File, bool) error) *Dir {
	d.flock = flock
	return d
}

func noLocks(*os.File, bool) error { return errNoLocks }

func TestSweepRemovesLeftovers(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		deep := root
		for i := range 3*sweepDepth + 1 {
			deep = filepath.Join(deep, fmt.Sprint(i))
			require.NoError(t, os.Mkdir(deep, 0o755))
		}
		require.NoError(t, os.MkdirAll(filepath.Join(root, "a/b"), 0o755))
		for _, dir := range []string{root, filepath.Join(root, "a"), filepath.Join(root, "a/b"), deep} {
			for range 5 {
				leave(t, dir, 25*time.Hour)
			}
		}
		put(t, d, "a/file", "content")
		require.NoError(t, d.Mkdir("a/.wasiftp", nil))
		require.NoError(t, os.Mkdir(filepath.Join(root, hiddenPrefix+"dir"), 0o755))
		removed, err := d.Sweep(context.Background())
		require.NoError(t, err)
		assert.Equal(t, 20, removed)
		assert.Equal(t, 1, seen(t, root))
		assert.Equal(t, "content", get(t, d, "a/file"))
	})
}

// A new file is a leftover, too, if the file system shows all locks.
func TestSweepGoesByLocksAndAge(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flock func(*os.File, bool) error
		ago   time.Duration
		stale bool
	}{
		"killed just now":             {flock, 0, true},
		"the clock was ahead":         {flock, -1000 * time.Hour, true},
		"no locks, just now":          {noLocks, 0, false},
		"no locks, 23 hours":          {noLocks, 23 * time.Hour, false},
		"no locks, a day":             {noLocks, 25 * time.Hour, true},
		"no locks, the clock ahead":   {noLocks, -1000 * time.Hour, false},
		"locks that cannot be asked":  {func(*os.File, bool) error { return syscall.EIO }, 25 * time.Hour, false},
		"somebody holds it, for days": {func(*os.File, bool) error { return syscall.EBUSY }, 250 * time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			d := lockedBy(testDir(t, root, DirOptions{}, true), c.flock)
			left := leave(t, root, c.ago)
			if file, err := os.Open(left); assert.NoError(t, err) {
				if c.stale && c.ago < staleAge && !onLocalDisk(file) {
					c.stale = false // nobody knows here who else has this disk
				}
				file.Close()
			}
			want := 0
			if c.stale {
				want = 1
			}
			removed, err := d.Sweep(context.Background())
			require.NoError(t, err)
			assert.Equal(t, want, removed)
			assert.Equal(t, 1-want, seen(t, root))
		})
	}
}

func TestSweepLeavesLiveUploads(t *testing.T) {
	t.Parallel()
	for name, flock := range map[string]func(*os.File, bool) error{"locks": flock, "no locks": noLocks} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			d := lockedBy(testDir(t, root, DirOptions{Atomic: true}, true), flock)
			other := lockedBy(testDir(t, root, DirOptions{}, true), flock)
			up := begin(t, d, "file", os.O_TRUNC, 0, "content")
			days := time.Now().Add(-100 * time.Hour)
			require.NoError(t, os.Chtimes(filepath.Join(root, up.(*upload).temporary), days, days))
			removed, err := other.Sweep(context.Background())
			require.NoError(t, err)
			assert.Zero(t, removed)
			require.NoError(t, up.Commit())
			assert.Equal(t, "content", get(t, d, "file"))
		})
	}
}

// Uploads begin and end while others sweep, and none is lost.
func TestSweepWhileUploadsBegin(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	d := testDir(t, root, DirOptions{Atomic: true}, true)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	for range 2 {
		sweeper := testDir(t, root, DirOptions{}, true)
		go func() {
			defer func() { done <- struct{}{} }()
			for ctx.Err() == nil {
				sweeper.Sweep(ctx)
			}
		}()
	}
	for i := range 100 {
		name, flag := fmt.Sprint(i%7), os.O_TRUNC
		if i%3 == 0 {
			name, flag = fmt.Sprint("new", i), os.O_EXCL
		}
		if err := write(d, name, flag, name); assert.NoError(t, err) {
			assert.Equal(t, name, get(t, d, name))
		}
	}
	stop()
	<-done
	<-done
}

func TestSweepEndsWithItsContext(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	leave(t, root, 48*time.Hour)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	removed, err := testDir(t, root, DirOptions{}, true).Sweep(ctx)
	assert.Zero(t, removed)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestSweepFollowsNoLinks(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		outside := t.TempDir()
		left := leave(t, outside, 48*time.Hour)
		if err := os.Symlink(outside, filepath.Join(root, "dir")); err != nil {
			t.Skip("no symbolic links here")
		}
		require.NoError(t, os.Symlink(left, filepath.Join(root, hiddenPrefix+"link")))
		require.NoError(t, os.Symlink(".", filepath.Join(root, "round")))
		removed, err := d.Sweep(context.Background())
		require.NoError(t, err)
		assert.Zero(t, removed)
		assert.Equal(t, 1, seen(t, outside))
	})
}

func TestFolderOfLeftoversIsRemoved(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		require.NoError(t, d.Mkdir("dir", nil))
		dir := filepath.Join(root, "dir")
		for range 300 {
			leave(t, dir, 25*time.Hour)
		}
		put(t, d, "dir/file", "")
		assert.ErrorIs(t, d.Remove("dir"), syscall.ENOTEMPTY)
		assert.Equal(t, 301, seen(t, dir), "nothing is taken from a folder that stays")
		require.NoError(t, d.Remove("dir/file"))

		hidden := testDir(t, root, DirOptions{Atomic: true}, true)
		up := begin(t, hidden, "dir/new", os.O_TRUNC, 0, "half")
		assert.ErrorIs(t, d.Remove("dir"), syscall.ENOTEMPTY, "somebody is at work in it")
		require.NoError(t, up.Abort())
		leave(t, dir, 25*time.Hour)
		require.NoError(t, d.Remove("dir"))
		assert.NoDirExists(t, dir)

		for _, name := range []string{"dir", "other"} {
			require.NoError(t, d.Mkdir(name, nil))
			leave(t, filepath.Join(root, name), 25*time.Hour)
		}
		require.NoError(t, d.Rename(t.Context(), "other", "dir"), "the folder of the new name is as good as empty")
		assert.Equal(t, 1, seen(t, root))
	})
}

// TestUploadsOfAChild is the child process of the next test.
func TestUploadsOfAChild(t *testing.T) {
	root := os.Getenv("WASIFTP_UPLOADS_OF_A_CHILD")
	if root == "" {
		t.Skip("runs in a process that is killed")
	}
	d := testDir(t, root, DirOptions{Atomic: true}, true)
	for i := range 50 {
		name, flag := fmt.Sprint("old", i), os.O_TRUNC
		if i%2 == 0 {
			name, flag = fmt.Sprint("new", i), os.O_EXCL
		}
		begin(t, d, path.Join(fmt.Sprint("dir", i%5), name), flag, 0, strings.Repeat("half", 1000))
	}
	fmt.Println("all begun")
	io.Copy(io.Discard, os.Stdin)
}

// A server that is killed in the middle of 50 uploads leaves no file that looks whole,
// and the sweep with which the next one begins removes everything it leaves.
func TestKilledUploadsAreSwept(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "wasip1" {
		t.Skip("WASI has no processes")
	}
	root := t.TempDir()
	d := testDir(t, root, DirOptions{Atomic: true}, true)
	for i := range 5 {
		require.NoError(t, d.Mkdir(fmt.Sprint("dir", i), nil))
	}
	for i := 1; i < 50; i += 2 {
		put(t, d, fmt.Sprintf("dir%d/old%d", i%5, i), "whole")
	}
	child := exec.Command(os.Args[0], "-test.run=^TestUploadsOfAChild$", "-test.v")
	child.Env = append(os.Environ(), "WASIFTP_UPLOADS_OF_A_CHILD="+root)
	_, err := child.StdinPipe()
	require.NoError(t, err)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	t.Cleanup(func() { child.Process.Kill() })
	for lines := bufio.NewScanner(out); ; {
		require.True(t, lines.Scan(), "the child says nothing")
		if lines.Text() == "all begun" {
			break
		}
	}
	removed, err := d.Sweep(context.Background())
	require.NoError(t, err)
	assert.Zero(t, removed, "while it lives")
	assert.Equal(t, 75, seen(t, root))

	require.NoError(t, child.Process.Kill())
	child.Wait()
	removed, err = d.Sweep(context.Background())
	require.NoError(t, err)
	if file, err := os.Open(root); err == nil {
		defer file.Close()
		if !onLocalDisk(file) {
			t.Skip("nobody knows here whether another machine has this disk")
		}
	}
	assert.Equal(t, 50, removed)
	assert.Equal(t, 25, seen(t, root))
	for i := 1; i < 50; i += 2 {
		assert.Equal(t, "whole", get(t, d, fmt.Sprintf("dir%d/old%d", i%5, i)))
	}
}
