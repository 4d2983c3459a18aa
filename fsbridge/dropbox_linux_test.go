package fsbridge

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"wasiftp/fsbridge/fscontract"
	"wasiftp/wasi"
)

const nobody = 65534

// asNobody takes root's rights to files from the test until its cleanup. It gives the
// files in the test's directory path to the user nobody.
func asNobody(t *testing.T, path string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	require.NoError(t, filepath.WalkDir(path, func(name string, _ fs.DirEntry, err error) error {
		require.NoError(t, err)
		return os.Lchown(name, nobody, nobody)
	}))
	require.NoError(t, os.Chmod(filepath.Dir(path), 0o711))
	runtime.LockOSThread()
	t.Cleanup(func() {
		unix.Setfsuid(0)
		unix.Setfsgid(0)
		runtime.UnlockOSThread()
	})
	require.NoError(t, unix.Setfsgid(nobody))
	require.NoError(t, unix.Setfsuid(nobody))
}

// In a folder that may be entered and written but not read, everything works but listing
// it. In the folders below it everything works.
func TestDirInAFolderThatMayNotBeRead(t *testing.T) {
	t.Parallel()
	for _, mode := range []fs.FileMode{0o300, 0o311} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			require.NoError(t, os.MkdirAll(filepath.Join(root, "drop/below"), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(root, "drop/old"), []byte("old"), 0o644))
			require.NoError(t, os.Symlink("drop/old", filepath.Join(root, "link")))
			require.NoError(t, os.Chmod(filepath.Join(root, "drop"), mode))
			t.Cleanup(func() { os.Chmod(filepath.Join(root, "drop"), 0o755) })
			asNobody(t, root)
			d := testDir(t, root, DirOptions{}, true)
			if _, ok := d.way.(beneath); !ok {
				t.Skip("the kernel has no openat2")
			}

			_, err := d.Open("drop")
			assert.ErrorIs(t, err, fs.ErrPermission)
			assert.Equal(t, "old", get(t, d, "drop/old"))
			info, err := d.Stat("link")
			require.NoError(t, err)
			assert.True(t, info.Mode().IsRegular())
			info, err = d.Stat("drop")
			require.NoError(t, err)
			assert.Equal(t, mode, info.Mode().Perm())

			put(t, d, "drop/new", "new")
			require.NoError(t, d.Chmod("drop/new", 0o600))
			require.NoError(t, d.Chtimes("drop/new", time.Unix(1e9, 0)))
			info, err = d.Lstat("drop/new")
			require.NoError(t, err)
			assert.Equal(t, fs.FileMode(0o600), info.Mode())
			assert.Equal(t, int64(1e9), info.ModTime().Unix())
			require.NoError(t, d.Symlink("drop/new", "drop/below/link"))
			target, err := d.ReadLink("drop/below/link")
			require.NoError(t, err)
			assert.Equal(t, "../new", target)
			assert.Equal(t, "new", get(t, d, "drop/below/link"))
			assert.Equal(t, []string{"link"}, fileNames(t, d, "drop/below"))

			require.NoError(t, d.Mkdir("drop/dir", nil))
			require.NoError(t, fscontract.Masked{FS: d, Mask: 0o077}.Mkdir("drop/dir/private", nil))
			require.NoError(t, d.Rename(t.Context(), "drop/new", "drop/dir/new"))
			require.NoError(t, d.Rename(t.Context(), "drop/dir/new", "new"))
			require.NoError(t, d.Remove("drop/old"))
			access := Access{FS: d, Rights: wasi.ReadWrite}
			require.NoError(t, access.RemoveTree(t.Context(), "drop/dir"))
			require.NoError(t, access.RemoveTree(t.Context(), "drop/below"))
			require.NoError(t, os.Chmod(filepath.Join(root, "drop"), 0o700))
			assert.Empty(t, fileNames(t, d, "drop"))
		})
	}
}

// The root itself may be such a folder, a drop box: nobody sees the files of others.
func TestRootThatMayNotBeRead(t *testing.T) {
	t.Parallel()
	for _, options := range []DirOptions{{}, {Atomic: true}, {Atomic: true, Sync: true}} {
		t.Run(fmt.Sprint(options), func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			require.NoError(t, os.Chmod(root, 0o300))
			t.Cleanup(func() { os.Chmod(root, 0o700) })
			asNobody(t, root)
			d, err := OpenDir(root, options)
			require.NoError(t, err)
			_, err = d.Open(".")
			assert.ErrorIs(t, err, fs.ErrPermission)
			info, err := d.Stat(".")
			require.NoError(t, err)
			assert.True(t, info.IsDir())
			put(t, d, "file", "content")
			put(t, d, "file", "again")
			assert.Equal(t, "again", get(t, d, "file"))
			info, err = d.Lstat("file")
			require.NoError(t, err)
			assert.Equal(t, "file", info.Name())
			require.NoError(t, d.Chmod("file", 0o600))
			require.NoError(t, os.Symlink("/file", filepath.Join(root, "link")))
			assert.Equal(t, "again", get(t, d, "link"))
			require.NoError(t, os.Symlink("../outside", filepath.Join(root, "out")))
			_, err = d.Stat("out")
			assert.ErrorIs(t, err, fs.ErrPermission)
			require.NoError(t, d.Mkdir("dir", nil))
			assert.Empty(t, fileNames(t, d, "dir"))
			require.NoError(t, d.Rename(t.Context(), "file", "dir/file"))
			require.NoError(t, d.Remove("dir/file"))
			require.NoError(t, d.Remove("dir"))
			require.NoError(t, d.Remove("link"))
			require.NoError(t, d.Remove("out"))
			require.NoError(t, d.Close())
			_, err = d.Stat("dir")
			assert.ErrorIs(t, err, fs.ErrClosed)
		})
	}
}

// A directory can be entered by all of its names, or by none.
func TestEnterThroughLinks(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for name, mode := range map[string]fs.FileMode{"open": 0o100, "shut": 0o600} {
		require.NoError(t, os.Mkdir(filepath.Join(root, name), mode))
		require.NoError(t, os.Symlink(name, filepath.Join(root, name+" by link")))
		require.NoError(t, os.Symlink("/"+name, filepath.Join(root, name+" from the root")))
	}
	asNobody(t, root)
	for _, fast := range []bool{true, false} {
		d := testDir(t, root, DirOptions{}, fast)
		for _, by := range []string{"", " by link", " from the root"} {
			if fast { // os.Root opens it for reading
				assert.NoError(t, d.Enter("open"+by), by)
			}
			assert.ErrorIs(t, d.Enter("shut"+by), fs.ErrPermission, by)
		}
	}
}

// A parent stays the same directory when it is renamed and a link takes its name.
func TestParentIsHeld(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		require.NoError(t, d.Mkdir("dir", nil))
		require.NoError(t, d.Mkdir("other", nil))
		p, base, err := d.parent("dir/file")
		require.NoError(t, err)
		assert.Equal(t, "file", base)
		require.NoError(t, d.Rename(t.Context(), "dir", "moved"))
		require.NoError(t, os.Symlink("other", filepath.Join(root, "dir")))

		file, err := p.openFile("hidden", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		require.NoError(t, err)
		require.NoError(t, file.Close())
		require.NoError(t, p.chmod("hidden", 0o640))
		require.NoError(t, p.chtimes("hidden", time.Unix(1e9, 0)))
		require.NoError(t, p.link("hidden", base))
		assert.ErrorIs(t, p.link("hidden", base), fs.ErrExist)
		require.NoError(t, p.rename("hidden", p, "renamed"))
		require.NoError(t, p.remove("renamed"))
		info, err := p.lstat(base)
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o640), info.Mode())
		require.NoError(t, p.symlink("../../outside", "out"))
		_, err = p.openFile("out", os.O_RDONLY, 0)
		assert.Error(t, err, "a link is not followed")
		require.NoError(t, p.Close())
		assert.Equal(t, []string{"file", "out"}, fileNames(t, d, "moved"))
		assert.Empty(t, fileNames(t, d, "other"))
	})
}
