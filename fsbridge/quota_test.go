package fsbridge

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/wasi"
)

// tally is a quota in memory.
type tally struct {
	sync.Mutex
	mu             sync.Mutex
	limit          Usage
	used, reserved Usage
}

func (q *tally) Reserve(bytes, files int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if bytes > 0 && q.used.Bytes+q.reserved.Bytes+bytes > q.limit.Bytes ||
		files > 0 && q.used.Files+q.reserved.Files+files > q.limit.Files {
		return syscall.EDQUOT
	}
	q.reserved.Bytes += bytes
	q.reserved.Files += files
	return nil
}

func (q *tally) Release(bytes, files int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.reserved.Bytes -= bytes
	q.reserved.Files -= files
}

func (q *tally) Count(bytes, files int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used.Bytes += bytes
	q.used.Files += files
}

func (q *tally) Left() (bytes, files int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.limit.Bytes - q.used.Bytes - q.reserved.Bytes, q.limit.Files - q.used.Files - q.reserved.Files
}

// counting is a storage with a quota.
type counting struct {
	*Access
	t     *testing.T
	quota *tally
}

// eachCounting runs a test with each kind of storage.
func eachCounting(t *testing.T, limit Usage, test func(t *testing.T, c counting)) {
	t.Parallel()
	dir := func(path string, options DirOptions) func(t *testing.T) fs.FS {
		return func(t *testing.T) fs.FS {
			root, err := os.MkdirTemp(path, "quota")
			if err != nil {
				root = t.TempDir()
			}
			t.Cleanup(func() { os.RemoveAll(root) })
			d, err := OpenDir(root, options)
			require.NoError(t, err)
			t.Cleanup(func() { d.Close() })
			return d
		}
	}
	for name, make := range map[string]func(t *testing.T) fs.FS{
		"a folder": dir("", DirOptions{}), "a folder in memory": dir("/dev/shm", DirOptions{}),
		"hidden uploads": dir("", DirOptions{Atomic: true}), "synced": dir("", DirOptions{Sync: true}),
		"memory": func(*testing.T) fs.FS { return NewMemory() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := &tally{limit: limit}
			test(t, counting{&Access{FS: make(t), Rights: wasi.ReadWrite, Quota: q}, t, q})
		})
	}
}

// right checks that what is counted is what is there.
func (c counting) right(what string) {
	c.t.Helper()
	found, err := Measure(c.t.Context(), c.FS)
	require.NoError(c.t, err)
	assert.Equal(c.t, found, c.quota.used, what)
	assert.Zero(c.t, c.quota.reserved, what)
}

func (c counting) create(name string, flag int, offset int64) Upload {
	c.t.Helper()
	if up, _, ok := c.CreateCached(name, nil); ok && flag == os.O_TRUNC {
		return up
	} else if ok {
		require.NoError(c.t, up.Abort())
	}
	up, _, err := c.Create(name, flag, offset, nil)
	require.NoError(c.t, err)
	return up
}

// store uploads n bytes, by Write or by ReadFrom.
func (c counting) store(name string, flag int, offset, n int64, from bool) error {
	c.t.Helper()
	up := c.create(name, flag, offset)
	if done, ok := Cached(up); ok && !from {
		assert.False(c.t, c.quota.TryLock(), "another session could change what is there")
		defer done()
	} else if ok {
		done()
	}
	content := bytes.Repeat([]byte("x"), int(n))
	var err error
	if r, ok := up.(io.ReaderFrom); ok && from {
		_, err = r.ReadFrom(&io.LimitedReader{R: iotest.OneByteReader(bytes.NewReader(content)), N: n + 1})
	} else {
		_, err = up.Write(content)
	}
	if err != nil {
		return errors.Join(err, up.Abort())
	}
	err = up.Commit()
	assert.Error(c.t, up.Abort(), "twice")
	return err
}

// A session that holds the lock of the quota, as its disk hangs, keeps nobody waiting who
// must not wait.
func TestQuotaIsLockedMeanwhile(t *testing.T) {
	eachCounting(t, Usage{1000, 10}, func(t *testing.T, c counting) {
		c.quota.Lock()
		_, _, ok := c.CreateCached("file", nil)
		assert.False(t, ok)
		c.quota.Unlock()
		up := c.create("file", os.O_TRUNC, 0)
		c.quota.Lock()
		_, ok = Cached(up)
		assert.False(t, ok)
		c.quota.Unlock()
		require.NoError(t, up.Commit())
		c.right("afterwards")
	})
}

func TestQuotaCountsEachChange(t *testing.T) {
	eachCounting(t, Usage{1 << 20, 1000}, func(t *testing.T, c counting) {
		for _, from := range []bool{false, true} {
			for _, step := range []struct {
				what         string
				flag         int
				offset, size int64
			}{
				{"a new file", os.O_TRUNC, 0, 1000}, {"a larger one", os.O_TRUNC, 0, 5000}, {"a smaller one", os.O_TRUNC, 0, 100},
				{"appended", os.O_APPEND, 0, 400}, {"overwritten within", 0, 100, 50}, {"overwritten beyond", 0, 490, 300},
				{"from the end", 0, 790, 10}, {"nothing appended", os.O_APPEND, 0, 0}, {"emptied", os.O_TRUNC, 0, 0},
			} {
				require.NoError(t, c.store("file", step.flag, step.offset, step.size, from), step.what)
				c.right(step.what)
			}
		}
		require.NoError(t, c.store("new", os.O_EXCL, 0, 10, false))
		c.right("exclusive")
		require.NoError(t, c.Mkdir("dir", nil))
		require.Error(t, c.Mkdir("dir", nil))
		c.right("a folder")
		require.NoError(t, c.store("dir/a", os.O_TRUNC, 0, 300, true))
		require.NoError(t, c.Mkdir("dir/below", nil))
		require.NoError(t, c.store("dir/below/b", os.O_TRUNC, 0, 200, true))
		if err := c.Symlink("new", "dir/link"); err != nil {
			require.ErrorIs(t, err, errors.ErrUnsupported)
		}
		c.right("a tree")
		require.NoError(t, c.Rename(t.Context(), "file", "other"))
		c.right("renamed")
		require.NoError(t, c.Rename(t.Context(), "new", "other"))
		c.right("renamed over a file")
		require.NoError(t, c.Rename(t.Context(), "other", "other"))
		require.Error(t, c.Rename(t.Context(), "missing", "other"))
		c.right("renamed to itself")
		require.NoError(t, c.Remove("dir/a", false))
		require.Error(t, c.Remove("dir/a", false))
		c.right("removed")
		require.NoError(t, c.RemoveTree(t.Context(), "dir"))
		require.NoError(t, c.Remove("other", false))
		c.right("a tree removed")
		assert.Zero(t, c.quota.used)
	})
}

func TestQuotaCountsAbortedUploads(t *testing.T) {
	eachCounting(t, Usage{1 << 20, 1000}, func(t *testing.T, c counting) {
		require.NoError(t, c.store("old", os.O_TRUNC, 0, 1000, false))
		for _, name := range []string{"old", "new"} {
			for _, flag := range []int{os.O_TRUNC, os.O_APPEND, 0} {
				for _, n := range []int{0, 1, 100, 5000} {
					up := c.create(name, flag, 0)
					_, err := up.Write(make([]byte, n))
					require.NoError(t, err)
					require.NoError(t, up.Abort())
					require.Error(t, up.Abort())
					require.Error(t, up.Commit())
					c.right("aborted")
				}
			}
		}
	})
}

// At the limit an upload fails, and the old content and all else stay whole.
func TestQuotaIsUsedUp(t *testing.T) {
	const limit = 2 * quotaPiece
	eachCounting(t, Usage{limit, 3}, func(t *testing.T, c counting) {
		require.NoError(t, c.store("full", os.O_TRUNC, 0, limit, true), "exactly as much as there is")
		c.right("full")
		for _, from := range []bool{false, true} {
			require.ErrorIs(t, c.store("more", os.O_TRUNC, 0, 1, from), syscall.EDQUOT)
			require.ErrorIs(t, c.store("full", os.O_APPEND, 0, 1, from), syscall.EDQUOT)
			require.ErrorIs(t, c.store("full", 0, limit-1, 2, from), syscall.EDQUOT)
			if _, hidden := c.FS.(*Memory); !hidden { // which has both until the end
				require.NoError(t, c.store("full", 0, 5, 100, from), "no byte more")
			}
			c.right("more")
		}
		require.NoError(t, c.Remove("full", false))
		require.ErrorIs(t, c.store("large", os.O_TRUNC, 0, limit+1, true), syscall.EDQUOT)
		c.right("too large")
		c.Remove("large", false)
		require.NoError(t, c.store("a", os.O_TRUNC, 0, 0, false))
		require.NoError(t, c.Mkdir("b", nil))
		require.NoError(t, c.Mkdir("c", nil))
		require.ErrorIs(t, c.Mkdir("d", nil), syscall.EDQUOT)
		_, _, err := c.Create("d", os.O_TRUNC, 0, nil)
		require.ErrorIs(t, err, syscall.EDQUOT)
		require.NoError(t, c.store("a", os.O_TRUNC, 0, 10, false))
		c.right("no more files")
	})
}

// Space is what the quota leaves, whatever room the disk has.
func TestQuotaLeavesSpace(t *testing.T) {
	eachCounting(t, Usage{1000, 10}, func(t *testing.T, c counting) {
		require.NoError(t, c.store("file", os.O_TRUNC, 0, 400, false))
		n, err := c.Space(".")
		require.NoError(t, err)
		assert.EqualValues(t, 600, n)
		assert.NotZero(t, c.Able()&wasi.AbleSpace)
	})
}

// A file that is removed or replaced while it is uploaded counts once at most, and never
// less than nothing.
func TestQuotaOfRemovedUploads(t *testing.T) {
	eachCounting(t, Usage{1 << 20, 1000}, func(t *testing.T, c counting) {
		for _, flag := range []int{os.O_TRUNC, os.O_APPEND} {
			for _, late := range []bool{false, true} {
				require.NoError(t, c.store("file", os.O_TRUNC, 0, 1000, false))
				up := c.create("file", flag, 0)
				if late {
					up.Write(make([]byte, 10))
				}
				require.NoError(t, c.Remove("file", false))
				up.Write(make([]byte, 10))
				up.Commit()
				found, err := Measure(t.Context(), c.FS)
				require.NoError(t, err)
				assert.GreaterOrEqual(t, c.quota.used.Bytes, found.Bytes)
				assert.GreaterOrEqual(t, c.quota.used.Files, found.Files)
				c.Remove("file", false)
				c.quota.used = Usage{} // a scan
			}
		}
	})
}

// However many sessions race for the last bytes, they don't pass the limit, and what is
// counted in the end is what is there.
func TestQuotaOfManySessions(t *testing.T) {
	const limit = 3 << 20
	eachCounting(t, Usage{limit, 40}, func(t *testing.T, c counting) {
		var all sync.WaitGroup
		for n := range 4 {
			all.Go(func() {
				random := rand.New(rand.NewPCG(1, uint64(n)))
				for range 30 {
					name := strings.Repeat("f", 1+random.IntN(8))
					switch random.IntN(5) {
					case 0:
						c.Remove(name, false)
					case 1:
						c.Rename(t.Context(), name, name+"f")
					default:
						flag := []int{os.O_TRUNC, os.O_APPEND, 0}[random.IntN(3)]
						up, _, err := c.Create(name, flag, 0, nil)
						if err != nil {
							continue
						}
						_, err = up.(io.ReaderFrom).ReadFrom(bytes.NewReader(make([]byte, random.IntN(1<<20))))
						if random.IntN(3) == 0 || err != nil {
							up.Abort()
						} else {
							up.Commit()
						}
					}
					c.quota.Lock() // or a file that is renamed meanwhile would be found twice
					found, err := Measure(t.Context(), c.FS)
					c.quota.Unlock()
					assert.NoError(t, err)
					assert.LessOrEqual(t, found.Bytes, int64(limit))
				}
			})
		}
		all.Wait()
		found, err := Measure(t.Context(), c.FS)
		require.NoError(t, err)
		assert.Zero(t, c.quota.reserved)
		assert.GreaterOrEqual(t, c.quota.used.Bytes, found.Bytes)
		assert.GreaterOrEqual(t, c.quota.used.Files, found.Files)
	})
}

// A storage of unknown ways, whose uploads are in place, counts too much rather than too
// little.
func TestQuotaOfOtherStorages(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir, err := OpenDir(root, DirOptions{})
	require.NoError(t, err)
	defer dir.Close()
	q := &tally{limit: Usage{1 << 20, 10}}
	c := counting{&Access{FS: wrapping{dir}, Rights: wasi.ReadWrite, Quota: q}, t, q}
	require.NoError(t, c.store("file", os.O_TRUNC, 0, 1000, false))
	c.right("new")
	require.NoError(t, c.store("file", os.O_APPEND, 0, 1000, false))
	c.right("appended")
	up := c.create("file", os.O_TRUNC, 0)
	up.Write(make([]byte, 10))
	require.NoError(t, up.Abort())
	info, err := os.Stat(filepath.Join(root, "file"))
	require.NoError(t, err)
	assert.EqualValues(t, 10, info.Size())
	assert.GreaterOrEqual(t, q.used.Bytes, int64(10))
	assert.EqualValues(t, 1, q.used.Files)
}

// wrapping hides what kind of upload a folder makes.
type wrapping struct{ *Dir }

func (w wrapping) Create(name string, flag int, offset int64, perm *fs.FileMode) (Upload, error) {
	up, err := w.Dir.Create(name, flag, offset, perm)
	return struct{ Upload }{up}, err
}

// An upload that is renamed at its commit counts under its new name, and what it leaves stays
// counted.
func TestQuotaOfRenamedUpload(t *testing.T) {
	eachCounting(t, Usage{25, 2}, func(t *testing.T, c counting) {
		for _, flag := range []int{os.O_TRUNC, os.O_APPEND} {
			require.NoError(t, c.store("file", os.O_TRUNC, 0, 10, false))
			up := c.create("file", flag, 0)
			_, err := io.WriteString(up, "new")
			require.NoError(t, err)
			require.NoError(t, up.(RenamableUpload).Rename("file", "first"))
			require.NoError(t, up.(RenamableUpload).Rename("file", "to"))
			require.NoError(t, up.Commit())
			c.right("renamed")
			for _, name := range []string{"file", "to"} {
				if _, err := fs.Stat(c.FS, name); err == nil {
					require.NoError(t, c.Remove(name, false))
				}
			}
			c.right("removed")
			assert.Zero(t, c.quota.used)
		}
		// There is room for another file only if the upload takes the place of one.
		require.NoError(t, c.store("file", os.O_TRUNC, 0, 10, false))
		require.NoError(t, c.store("other", os.O_TRUNC, 0, 10, false))
		up := c.create("file", os.O_TRUNC, 0)
		err := up.(RenamableUpload).Rename("file", "third")
		if InPlace(up) {
			assert.NoError(t, err)
		} else {
			assert.ErrorIs(t, err, syscall.EDQUOT)
		}
		require.NoError(t, up.Abort())
		c.right("aborted")
	})
}
