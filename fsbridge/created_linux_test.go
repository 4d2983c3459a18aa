package fsbridge

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"wasiftp/wasi"
)

// made is when the file system says that a file was made; the zero time if it does not.
func made(t *testing.T, path string) time.Time {
	t.Helper()
	var info unix.Statx_t
	require.NoError(t, unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BTIME, &info))
	if info.Mask&unix.STATX_BTIME == 0 {
		return time.Time{}
	}
	return time.Unix(info.Btime.Sec, int64(info.Btime.Nsec))
}

// Each description of a file tells when it was made, that of a link when the link was.
func TestCreated(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if made(t, root).IsZero() {
		t.Skip("this file system does not know when files were made")
	}
	d := testDir(t, root, DirOptions{}, true)
	assert.True(t, d.TellsCreated())
	assert.True(t, ReadOnly(d).(CreatedFS).TellsCreated())
	require.NoError(t, d.Mkdir("dir", nil))
	require.NoError(t, os.Symlink("file", filepath.Join(root, "dir/link")))
	put(t, d, "dir/file", "content")
	put(t, d, "top", "content")
	require.NoError(t, d.Chtimes("dir/file", time.Unix(1e9, 0)))
	for _, name := range []string{".", "top", "dir", "dir/file", "dir/link"} {
		want := made(t, filepath.Join(root, name))
		info, err := d.Lstat(name)
		require.NoError(t, err)
		assert.True(t, want.Equal(info.(interface{ Created() time.Time }).Created()), name)
		assert.Equal(t, want.UnixNano(), StatOf(info).Created, name)
	}
	info, err := d.Stat("dir/link")
	require.NoError(t, err)
	assert.Equal(t, made(t, filepath.Join(root, "dir/file")).UnixNano(), StatOf(info).Created)
	entries, err := fs.ReadDir(d, "dir")
	require.NoError(t, err)
	listing, err := (&Access{FS: d, Rights: wasi.RightList}).List("dir", false)
	require.NoError(t, err)
	defer listing.Close()
	for _, entry := range entries {
		info, err := entry.Info()
		require.NoError(t, err)
		listed, err := listing.Next()
		require.NoError(t, err)
		want := made(t, filepath.Join(root, "dir", entry.Name())).UnixNano()
		assert.Equal(t, []int64{want, want}, []int64{StatOf(info).Created, listed.Stat.Created}, entry.Name())
	}
}

// A file system that does not know when files were made tells no time.
func TestCreatedIsNotKnown(t *testing.T) {
	t.Parallel()
	for root, fast := range map[string]bool{"/proc": true, t.TempDir(): false} {
		if fast && !made(t, root).IsZero() {
			t.Skip("no file system at hand that does not know it")
		}
		d := testDir(t, root, DirOptions{}, fast)
		assert.False(t, d.TellsCreated(), root)
		info, err := d.Stat(".")
		require.NoError(t, err)
		assert.Zero(t, StatOf(info).Created, root)
	}
}

// The descriptions of a Dir are those of package os, and of the same files.
func TestDescriptionsAreThoseOfTheSystem(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	d := testDir(t, root, DirOptions{}, true)
	require.NoError(t, d.Mkdir("dir", nil))
	put(t, d, "dir/file", "content")
	put(t, d, "other", "")
	require.NoError(t, unix.Mkfifo(filepath.Join(root, "pipe"), 0o640))
	require.NoError(t, os.Symlink("other", filepath.Join(root, "link")))
	require.NoError(t, os.Chmod(filepath.Join(root, "other"), 0o751|fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky))
	other, err := d.Stat("other")
	require.NoError(t, err)
	for _, name := range []string{"dir", "dir/file", "other", "pipe", "link"} {
		info, err := d.Lstat(name)
		require.NoError(t, err)
		want, err := os.Lstat(filepath.Join(root, name))
		require.NoError(t, err)
		assert.Equal(t, fs.FormatFileInfo(want), fs.FormatFileInfo(info))
		assert.True(t, want.ModTime().Equal(info.ModTime()), name)
		assert.Equal(t, want.Sys(), info.Sys(), name)
		assert.True(t, SameFile(want, info), name)
		assert.Equal(t, name == "other", SameFile(other, info), name)
	}
	assert.False(t, SameFile(other, memoryInfo{}))
}
