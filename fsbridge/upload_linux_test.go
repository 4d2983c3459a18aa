package fsbridge

import (
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"wasiftp/fsbridge/fscontract"
)

// Hidden uploads work in a folder that may be written but not read, as those in place
// do, and so does Sync.
func TestAtomicUploadInAFolderThatMayNotBeRead(t *testing.T) {
	t.Parallel()
	for _, options := range []DirOptions{{}, {Sync: true}, {Atomic: true}, {Atomic: true, Sync: true}} {
		root := t.TempDir()
		drop := filepath.Join(root, "drop")
		require.NoError(t, os.Mkdir(drop, 0o755))
		t.Cleanup(func() { os.Chmod(drop, 0o755) })
		t.Run("", func(t *testing.T) {
			require.NoError(t, os.Chmod(drop, 0o300))
			asNobody(t, root)
			d := testDir(t, root, options, true)
			if _, ok := d.way.(beneath); !ok {
				t.Skip("the kernel has no openat2")
			}
			for _, flag := range []int{os.O_EXCL, os.O_TRUNC, os.O_APPEND, 0} {
				require.NoError(t, write(d, "drop/file", flag, "content"), "%+v", options)
			}
			require.NoError(t, begin(t, d, "drop/file", os.O_TRUNC, 0, "half").Abort())
			up, err := d.Create("drop/other", os.O_EXCL, 0, nil)
			require.NoError(t, err)
			require.NoError(t, up.Abort())
			assert.Error(t, d.Remove("drop"))
			_, err = d.Sweep(t.Context())
			assert.ErrorIs(t, err, fs.ErrPermission, "a sweep says that it has not been there")
			require.NoError(t, os.Chmod(drop, 0o700))
		})
		assert.Equal(t, 1, seen(t, root))
	}
}

// If a new file cannot be given to the group of the old one, the group that it has gets
// no right that others do not have.
func TestReplacedFileIsForNoOtherGroup(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root makes files of others")
	}
	root := t.TempDir()
	name := filepath.Join(root, "file")
	for mode, want := range map[fs.FileMode]fs.FileMode{0o662: 0o622, 0o646: 0o646, 0o666: 0o666, 0o602: 0o602} {
		require.NoError(t, os.WriteFile(name, []byte("old"), 0o600))
		t.Run(mode.String(), func(t *testing.T) {
			asNobody(t, root)
			require.NoError(t, asRoot(func() error {
				require.NoError(t, os.Chown(name, 12345, 12345))
				return os.Chmod(name, mode)
			}))
			d := testDir(t, root, DirOptions{Atomic: true}, true)
			put(t, d, "file", "new")
			info, err := d.Stat("file")
			require.NoError(t, err)
			assert.Equal(t, want, info.Mode())
			assert.EqualValues(t, nobody, info.Sys().(*syscall.Stat_t).Uid)
		})
		require.NoError(t, os.Remove(name))
	}
}

// asRoot does something with root's rights in a test that acts as nobody.
func asRoot(do func() error) error {
	unix.Setfsuid(0)
	unix.Setfsgid(0)
	defer func() {
		unix.Setfsgid(nobody)
		unix.Setfsuid(nobody)
	}()
	return do()
}

// Samba has leases on files that its clients keep to themselves. A Dir that opens such a
// file waits until the lease is given up.
func TestLeasedFileIsWaitedFor(t *testing.T) {
	given := make(chan os.Signal, 10)
	signal.Notify(given, syscall.SIGIO)
	defer signal.Stop(given)
	for name, way := range ways {
		root := t.TempDir()
		d := testDir(t, root, way.options, way.fast)
		for what, use := range map[string]func() error{
			"download": func() error {
				content, err := fs.ReadFile(d, "file")
				assert.Equal(t, "content", string(content))
				return err
			},
			"upload": func() error { return write(d, "file", os.O_TRUNC, "content") },
			"append": func() error { return write(d, "file", os.O_APPEND, "") },
		} {
			put(t, d, "file", "content")
			file, err := os.OpenFile(filepath.Join(root, "file"), os.O_RDWR, 0)
			require.NoError(t, err)
			if _, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
				t.Skip("no leases on this file system: ", err)
			}
			used := make(chan error)
			go func() { used <- use() }()
			<-given
			select {
			case err := <-used:
				assert.Fail(t, "not waited", "%s %s: %v", name, what, err)
			default:
			}
			_, err = unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
			require.NoError(t, err)
			require.NoError(t, <-used, "%s %s", name, what)
			require.NoError(t, file.Close())
		}
	}
}

// fullDisk is an empty file system of a megabyte.
func fullDisk(t *testing.T) string {
	root := t.TempDir()
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("file systems cannot be mounted here: ", err)
	}
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(root, 0)) })
	return root
}

func TestDiskThatFills(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]DirOptions{"atomic": {Atomic: true}, "in place": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := fullDisk(t)
			d, err := OpenDir(root, options)
			require.NoError(t, err)
			defer d.Close()
			much := strings.Repeat("much", 1<<20)
			for way, fill := range map[string]func(io.Writer) error{
				"Write":    func(w io.Writer) error { _, err := io.WriteString(w, much); return err },
				"ReadFrom": func(w io.Writer) error { _, err := io.Copy(w, strings.NewReader(much)); return err },
				"splice": func(w io.Writer) error {
					r, to, err := os.Pipe()
					require.NoError(t, err)
					defer r.Close()
					go func() {
						io.WriteString(to, much)
						to.Close()
					}()
					_, err = io.Copy(w, r)
					return err
				},
			} {
				put(t, d, "file", "old")
				up, err := d.Create("file", os.O_TRUNC, 0, nil)
				require.NoError(t, err)
				assert.ErrorIs(t, fill(up), syscall.ENOSPC, way)
				require.NoError(t, up.Abort())
				if options.Atomic {
					assert.Equal(t, "old", get(t, d, "file"))
				}
				assert.Equal(t, 1, seen(t, root), way)
				require.NoError(t, d.Remove("file"))
			}
		})
	}
}

// A link that was being moved to another disk is a leftover too, once it is old.
func TestSweepRemovesOldLinks(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		require.NoError(t, d.Mkdir("dir", nil))
		link := filepath.Join(root, "dir", hiddenPrefix+"link")
		require.NoError(t, os.Symlink("nowhere", link))
		removed, err := d.Sweep(t.Context())
		require.NoError(t, err)
		assert.Zero(t, removed)
		assert.ErrorIs(t, d.Remove("dir"), syscall.ENOTEMPTY)
		old := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Sec: 1e9}}
		require.NoError(t, unix.UtimesNanoAt(unix.AT_FDCWD, link, old, unix.AT_SYMLINK_NOFOLLOW))
		removed, err = d.Sweep(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 1, removed)
		require.NoError(t, d.Remove("dir"))
	})
}

func TestFileThatGrowsTooLarge(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	d := testDir(t, root, DirOptions{}, true)
	const largest = 1<<44 - 4096 // on ext4, with its usual blocks
	put(t, d, "file", "")
	if os.Truncate(filepath.Join(root, "file"), largest) != nil || os.Truncate(filepath.Join(root, "file"), largest+1) == nil {
		t.Skip("files may grow less or more on this disk")
	}
	for _, fill := range []func(io.Writer) error{
		func(w io.Writer) error { _, err := io.WriteString(w, "more"); return err },
		func(w io.Writer) error { _, err := io.Copy(w, strings.NewReader("more")); return err },
	} {
		up, err := d.Create("file", os.O_APPEND, 0, nil)
		require.NoError(t, err)
		assert.ErrorIs(t, fill(up), syscall.EFBIG)
		require.NoError(t, up.Abort())
	}
}

// An upload does not fail because permissions cannot be set, as on disks that have none.
func TestUploadWherePermissionsCannotBeSet(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	for _, options := range []DirOptions{{}, {Atomic: true}} {
		root := t.TempDir()
		t.Run("", func(t *testing.T) {
			asNobody(t, root)
			d := testDir(t, root, options, true)
			d.flock = func(file *os.File, exclusive bool) error {
				return asRoot(func() error { return file.Chown(12345, 12345) })
			}
			masked := fscontract.Masked{FS: d, Mask: 0}
			require.NoError(t, write(masked, "file", os.O_TRUNC, "content"))
			assert.Equal(t, "content", get(t, d, "file"))
		})
	}
}
