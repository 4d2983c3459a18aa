package fsbridge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"wasiftp/fsbridge/fscontract"
)

// mounts gives the test a thread whose mounts nobody else sees, or skips it. The
// thread ends with the test.
func mounts(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	err := unix.Unshare(unix.CLONE_NEWNS)
	if err == nil {
		err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	}
	if err != nil {
		t.Skipf("mounting takes root's rights: %v", err)
	}
}

// mountDisk mounts an empty disk on a new directory.
func mountDisk(t *testing.T, path, options string) {
	t.Helper()
	require.NoError(t, os.Mkdir(path, 0o755))
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, options); err != nil {
		t.Skipf("no tmpfs to mount: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(path, unix.MNT_DETACH) })
}

// mountDead mounts a FUSE file system whose program is gone.
func mountDead(t *testing.T, path string) {
	t.Helper()
	device, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no FUSE: %v", err)
	}
	defer device.Close()
	require.NoError(t, os.Mkdir(path, 0o755))
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", device.Fd())
	if err := unix.Mount("dead", path, "fuse", 0, options); err != nil {
		t.Skipf("no FUSE file system to mount: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(path, unix.MNT_DETACH) })
}

// A dead mount is an entry that cannot be described. The other entries are listed.
func TestDirectoryWithADeadMount(t *testing.T) {
	t.Parallel()
	for way, kind := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			mounts(t)
			root := t.TempDir()
			mountDead(t, filepath.Join(root, "dead"))
			d := testDir(t, root, kind.options, kind.fast)
			put(t, d, "alive", "content")
			require.NoError(t, d.Mkdir("zoo", nil))

			file, err := d.Open(".")
			require.NoError(t, err)
			defer file.Close()
			entries, err := file.(fs.ReadDirFile).ReadDir(-1)
			require.NoError(t, err)
			require.Len(t, entries, 3)
			for _, entry := range entries {
				info, err := entry.Info()
				if entry.Name() == "dead" {
					assert.ErrorIs(t, err, syscall.ENOTCONN)
					assert.NotContains(t, err.Error(), root)
					assert.False(t, entry.IsDir())
					continue
				}
				require.NoError(t, err, entry.Name())
				assert.Equal(t, entry.Name(), info.Name())
			}
			_, err = d.Open("dead")
			assert.ErrorIs(t, err, syscall.ENOTCONN)
			_, err = d.Stat("dead/file")
			assert.ErrorIs(t, err, syscall.ENOTCONN)
		})
	}
}

// twoDisks is a Dir in which another disk is mounted on the directory "disk".
func twoDisks(t *testing.T, options DirOptions, fast bool) (d *Dir, root string) {
	mounts(t)
	root = t.TempDir()
	mountDisk(t, filepath.Join(root, "disk"), "size=1m")
	return testDir(t, root, options, fast), root
}

func TestMoveToAnotherDisk(t *testing.T) {
	t.Parallel()
	for way, kind := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			d, _ := twoDisks(t, kind.options, kind.fast)
			put(t, d, "file", "content")
			put(t, d, "disk/old", "old")
			require.NoError(t, d.Chmod("file", 0o604))
			require.NoError(t, d.Chtimes("file", time.Unix(1e9, 5)))
			ended, end := context.WithCancel(t.Context())
			end()
			require.ErrorIs(t, d.Rename(ended, "file", "disk/old"), syscall.EXDEV)

			require.NoError(t, d.Rename(t.Context(), "file", "disk/old"))
			assert.Equal(t, "content", get(t, d, "disk/old"))
			info, err := d.Stat("disk/old")
			require.NoError(t, err)
			assert.Equal(t, fs.FileMode(0o604), info.Mode())
			assert.True(t, info.ModTime().Equal(time.Unix(1e9, 5)), info.ModTime())
			assert.Equal(t, []string{"disk"}, fileNames(t, d, "."))
			assert.Equal(t, []string{"old"}, fileNames(t, d, "disk"))

			require.NoError(t, d.Symlink("disk/old", "link"))
			require.NoError(t, d.Rename(t.Context(), "link", "disk/link"))
			target, err := d.ReadLink("disk/link")
			require.NoError(t, err)
			assert.Equal(t, "disk/old", target, "a rename does not look at it either")
			require.NoError(t, d.Rename(t.Context(), "disk/old", "disk/new"), "on the same disk")

			require.NoError(t, d.Mkdir("dir", nil))
			put(t, d, "dir/file", "")
			assert.ErrorIs(t, d.Rename(t.Context(), "dir", "disk/dir"), syscall.EXDEV)
			assert.ErrorIs(t, d.Rename(t.Context(), "disk/new", "dir"), syscall.EISDIR)
			assert.ErrorIs(t, d.Rename(t.Context(), "disk/new", "none/file"), fs.ErrNotExist)
			assert.ErrorIs(t, d.Rename(t.Context(), "none", "disk/none"), fs.ErrNotExist)
			assert.ErrorIs(t, d.Rename(t.Context(), "dir/file", "."), fs.ErrPermission)
			assert.Equal(t, "content", get(t, d, "disk/new"))
		})
	}
}

// A move that fails leaves both disks as they were.
func TestMoveThatBreaksOff(t *testing.T) {
	t.Parallel()
	d, root := twoDisks(t, DirOptions{}, true)
	large := strings.Repeat("x", 2<<20)
	put(t, d, "large", large)
	put(t, d, "disk/old", "old")
	unchanged := func() {
		t.Helper()
		assert.Equal(t, large, get(t, d, "large"))
		assert.Equal(t, "old", get(t, d, "disk/old"))
		entries, err := os.ReadDir(filepath.Join(root, "disk"))
		require.NoError(t, err)
		assert.Len(t, entries, 1, "nothing hidden either")
	}
	assert.ErrorIs(t, d.Rename(t.Context(), "large", "disk/old"), syscall.ENOSPC)
	unchanged()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, d.Rename(ctx, "large", "disk/old"), syscall.EXDEV)
	unchanged()
	up, err := d.Create("large", os.O_APPEND, 0, nil)
	require.NoError(t, err)
	assert.ErrorIs(t, d.Rename(t.Context(), "large", "disk/old"), syscall.EBUSY)
	require.NoError(t, up.Abort())
	unchanged()
	put(t, d, "small", "small")
	d.syncFile = func(*os.File) error { return syscall.EIO }
	assert.ErrorIs(t, d.Rename(t.Context(), "small", "disk/old"), syscall.EIO)
	assert.Equal(t, "small", get(t, d, "small"))
	unchanged()
}

// If there is a default ACL, it decides the permissions, and not the umask.
func TestDefaultACLCounts(t *testing.T) {
	t.Parallel()
	mounts(t)
	root := t.TempDir()
	mountDisk(t, filepath.Join(root, "disk"), "")
	// Version 2: user rwx, group rwx, others none, each with no name.
	acl := "\x02\x00\x00\x00" + "\x01\x00\x07\x00\xff\xff\xff\xff" + "\x04\x00\x07\x00\xff\xff\xff\xff" +
		"\x20\x00\x00\x00\xff\xff\xff\xff"
	if err := unix.Setxattr(filepath.Join(root, "disk"), "system.posix_acl_default", []byte(acl), 0); err != nil {
		t.Skipf("no ACLs here: %v", err)
	}
	d := testDir(t, root, DirOptions{}, true)
	for name, files := range map[string]fscontract.FS{"plain": d, "masked": fscontract.Masked{FS: d, Mask: 0o002}} {
		require.NoError(t, files.Mkdir("disk/"+name, nil))
		info, err := d.Stat("disk/" + name)
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o770), info.Mode().Perm(), name)
		put(t, files, "disk/file "+name, "")
		info, err = d.Stat("disk/file " + name)
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o660), info.Mode().Perm(), name)
	}
}

// If /proc is not mounted, files are changed by their names.
func TestWithoutProc(t *testing.T) {
	t.Parallel()
	mounts(t)
	root := t.TempDir()
	d := testDir(t, root, DirOptions{}, true)
	require.NoError(t, d.Mkdir("dir", nil))
	put(t, d, "dir/file", "content")
	if err := unix.Mount("tmpfs", "/proc", "tmpfs", 0, ""); err != nil {
		t.Skipf("/proc cannot be covered: %v", err)
	}
	defer unix.Unmount("/proc", unix.MNT_DETACH)
	_, err := os.Stat("/proc/self/fd")
	require.True(t, errors.Is(err, fs.ErrNotExist))
	require.NoError(t, d.Chmod("dir/file", 0o600))
	require.NoError(t, d.Chtimes("dir/file", time.Unix(1e9, 0)))
	require.NoError(t, fscontract.Masked{FS: d, Mask: 0o027}.Mkdir("dir/below", nil))
	info, err := d.Stat("dir/file")
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o600), info.Mode())
	assert.Equal(t, int64(1e9), info.ModTime().Unix())
	assert.Equal(t, []string{"below", "file"}, fileNames(t, d, "dir"))
}
