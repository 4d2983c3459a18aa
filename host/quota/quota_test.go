package quota

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/wasi"
)

func opened(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir, func(err error) { t.Error(err) })
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// of has the account use a storage.
func of(t *testing.T, s *Store, limits Limits, fsys fs.FS) (*Account, *fsbridge.Access) {
	t.Helper()
	a, err := s.Account("ali", limits, func() (fs.FS, func() error, error) { return fsys, func() error { return nil }, nil })
	require.NoError(t, err)
	require.Eventually(t, a.Counted, 20*time.Second, time.Millisecond)
	return a, &fsbridge.Access{FS: fsys, Rights: wasi.ReadWrite, Quota: a}
}

func put(files *fsbridge.Access, name string, n int) error {
	up, _, err := files.Create(name, os.O_TRUNC, 0, nil)
	if err != nil {
		return err
	}
	if _, err := up.Write(make([]byte, n)); err != nil {
		return errors.Join(err, up.Abort())
	}
	return up.Commit()
}

// What is there at first is counted; counts outlive the store, and a crash has what is there
// counted again.
func TestAccount(t *testing.T) {
	t.Parallel()
	state, files := t.TempDir(), fsbridge.NewMemory()
	require.NoError(t, put(&fsbridge.Access{FS: files, Rights: wasi.ReadWrite}, "old", 700))

	s := opened(t, state)
	a, access := of(t, s, Limits{Bytes: 1000}, files)
	assert.Equal(t, fsbridge.Usage{Bytes: 700, Files: 1}, a.Usage())
	require.ErrorIs(t, put(access, "large", 301), syscall.EDQUOT)
	require.NoError(t, put(access, "new", 300))
	again, err := s.Account("ali", Limits{Bytes: 1000}, nil)
	require.NoError(t, err)
	assert.Same(t, a, again)
	require.NoError(t, s.Close())

	s = opened(t, state)
	a, access = of(t, s, Limits{Bytes: 2000}, files)
	assert.Equal(t, fsbridge.Usage{Bytes: 1000, Files: 2}, a.Usage())
	require.NoError(t, s.Flush())
	require.NoError(t, put(access, "lost", 50)) // the store crashes before it is written
	s.end()
	s.work.Wait()
	require.NoError(t, s.db.Close())

	s = opened(t, state)
	a, _ = of(t, s, Limits{Bytes: 2000}, files)
	assert.Equal(t, fsbridge.Usage{Bytes: 1050, Files: 3}, a.Usage())
}

// A count while files change is not too low.
func TestScanWhileFilesChange(t *testing.T) {
	t.Parallel()
	files := fsbridge.NewMemory()
	a, access := of(t, opened(t, t.TempDir()), Limits{}, files)
	var changing sync.WaitGroup
	stop := make(chan struct{})
	changing.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				put(access, string(rune('a'+n%5)), n%1000)
				access.Remove(string(rune('a'+n%3)), false)
			}
		}
	})
	for range 20 {
		_, err := a.Scan(t.Context(), files)
		require.NoError(t, err)
	}
	close(stop)
	changing.Wait()
	found, err := fsbridge.Measure(t.Context(), files)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, a.Usage().Bytes, found.Bytes)
	assert.GreaterOrEqual(t, a.Usage().Files, found.Files)
	exact, err := a.Scan(t.Context(), files)
	require.NoError(t, err)
	assert.True(t, exact)
	assert.Equal(t, found, a.Usage())
}

// Another process counts anew what a running server has counted.
func TestCount(t *testing.T) {
	t.Parallel()
	state, files := t.TempDir(), fsbridge.NewMemory()
	_, err := Show(state)
	require.ErrorIs(t, err, fs.ErrNotExist)
	s := opened(t, state)
	a, access := of(t, s, Limits{Bytes: 1000}, files)
	require.NoError(t, put(access, "file", 400))
	require.NoError(t, put(&fsbridge.Access{FS: files, Rights: wasi.ReadWrite}, "beside", 500))
	found, exact, err := Count(t.Context(), state, "ali", files)
	require.NoError(t, err)
	assert.True(t, exact)
	assert.Equal(t, fsbridge.Usage{Bytes: 900, Files: 2}, found)
	rows, err := Show(state)
	require.NoError(t, err)
	assert.Equal(t, []Row{{Account: "ali", Usage: found, Counted: true}}, rows)
	require.Eventually(t, func() bool { return a.Usage() == found }, 20*time.Second, 10*time.Millisecond)
	require.ErrorIs(t, put(access, "large", 101), syscall.EDQUOT)
}

// What another process has counted before the store's first look is found by it.
func TestFirstLook(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	s := opened(t, state)
	a, _ := of(t, s, Limits{}, fsbridge.NewMemory())
	require.NoError(t, s.Flush())
	s.end() // no look but the one below
	s.work.Wait()
	db, err := open(state)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec(`UPDATE usage SET bytes = 900`)
	require.NoError(t, err)
	require.NoError(t, s.look())
	assert.EqualValues(t, 900, a.Usage().Bytes)
}

func TestFaults(t *testing.T) {
	t.Parallel()
	_, err := Open(filepath.Join(t.TempDir(), "missing"), nil)
	assert.ErrorContains(t, err, File)
	s := opened(t, t.TempDir())
	_, err = s.Account("ali", Limits{Bytes: -1}, nil)
	assert.ErrorContains(t, err, "negative")

	broken := errors.New("broken")
	told := make(chan error, 1)
	other, err := Open(t.TempDir(), func(err error) { told <- err })
	require.NoError(t, err)
	defer other.Close()
	_, err = other.Account("ali", Limits{}, func() (fs.FS, func() error, error) { return nil, nil, broken })
	require.NoError(t, err)
	assert.ErrorIs(t, <-told, broken)

	ended, end := context.WithCancel(t.Context())
	end()
	_, _, err = Count(ended, t.TempDir(), "ali", fsbridge.NewMemory())
	assert.ErrorIs(t, err, context.Canceled)
}

// Two processes count the same accounts until the older one ends: nothing is counted twice or
// lost, also by a first count of both. A crash of either shows at the next start.
func TestJoin(t *testing.T) {
	t.Parallel()
	state, files := t.TempDir(), fsbridge.NewMemory()
	require.NoError(t, put(&fsbridge.Access{FS: files, Rights: wasi.ReadWrite}, "before", 700))
	old := opened(t, state)
	join := func() *Store {
		s, err := Join(state, func(err error) { t.Error(err) })
		require.NoError(t, err)
		return s
	}
	next := join()
	measuring, measured := make(chan struct{}), make(chan struct{})
	first, err := old.Account("ali", Limits{Bytes: 5000}, func() (fs.FS, func() error, error) {
		close(measuring)
		<-measured
		return files, func() error { return nil }, nil
	})
	require.NoError(t, err)
	<-measuring
	b, after := of(t, next, Limits{Bytes: 5000}, files)
	close(measured)
	require.Eventually(t, first.Counted, 20*time.Second, time.Millisecond)
	a, before := of(t, old, Limits{Bytes: 5000}, files)
	var both sync.WaitGroup
	for name, access := range map[string]*fsbridge.Access{"a": before, "b": after} {
		both.Go(func() {
			for i := range 20 {
				assert.NoError(t, put(access, name+string(rune('a'+i)), 10))
			}
		})
	}
	both.Wait()
	want := fsbridge.Usage{Bytes: 1100, Files: 41}
	for _, account := range []*Account{a, b} {
		require.Eventually(t, func() bool { return account.Usage() == want }, 20*time.Second, time.Millisecond, "%v", account.Usage)
	}
	require.NoError(t, old.Close())
	require.NoError(t, next.Close())

	s := opened(t, state)
	row := func() (row Row) {
		rows, err := Show(state)
		require.NoError(t, err)
		require.Len(t, rows, 1)
		return rows[0]
	}
	assert.Equal(t, Row{"ali", want, true}, row())
	crashes := join()
	crashes.end()
	crashes.work.Wait()
	require.NoError(t, crashes.db.Close())
	require.NoError(t, s.Close())
	opened(t, state)
	assert.False(t, row().Counted, "what the crashed process may have lost is not counted again")
}
