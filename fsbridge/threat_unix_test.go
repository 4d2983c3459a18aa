//go:build unix

package fsbridge

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestThreat10SymlinkInsideIsFollowed(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		require.NoError(t, d.Mkdir("dir", nil))
		require.NoError(t, d.Mkdir("dir/below", nil))
		put(t, d, "dir/file", "content")
		for link, target := range map[string]string{
			"to file": "dir/file", "to dir": "dir", "dir/up": "..", "dir/below/across": "../../dir/file", "chain": "to dir/up/to file",
		} {
			require.NoError(t, os.Symlink(target, filepath.Join(root, link)))
		}
		for _, name := range []string{"to file", "to dir/file", "dir/up/dir/file", "dir/below/across", "chain"} {
			assert.Equal(t, "content", get(t, d, name), name)
			info, err := d.Stat(name)
			require.NoError(t, err)
			assert.True(t, info.Mode().IsRegular(), name)
		}
		info, err := d.Lstat("to dir")
		require.NoError(t, err)
		assert.Equal(t, fs.ModeSymlink, info.Mode().Type())
		target, err := d.ReadLink("chain")
		require.NoError(t, err)
		assert.Equal(t, "to dir/up/to file", target)
		_, err = d.ReadLink("dir")
		assert.ErrorIs(t, err, syscall.EINVAL)

		put(t, d, "to dir/new", "through a link")
		assert.Equal(t, "through a link", get(t, d, "dir/new"))
		require.NoError(t, d.Remove("to dir"))
		assert.Equal(t, "content", get(t, d, "dir/file"), "the link is removed, not its target")
	})
}

// A link to an absolute path begins at the root, as after chroot, for every method. A
// link to a path outside leads to the file of that path inside, or nowhere.
func TestThreat10AbsoluteSymlinkBeginsAtTheRoot(t *testing.T) {
	t.Parallel()
	for way, kind := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			j := newJail(t)
			d := testDir(t, j.root, kind.options, kind.fast)
			require.NoError(t, d.Mkdir("c19", nil))
			require.NoError(t, d.Mkdir("c19/2026", nil))
			put(t, d, "c19/2026/file", "content")
			for link, target := range map[string]string{
				"year": "/c19/2026", "slash": "/", "c19/chain": "../year/", "c19/file": "//c19/./2026/../chain/file", "broken": "/c19/new",
				"climbs": "/../outside", "outside link": filepath.Join(filepath.Dir(j.root), "outside"), "loop": "/loop",
			} {
				require.NoError(t, os.Symlink(target, filepath.Join(j.root, link)))
			}
			for _, name := range []string{"year/file", "slash/c19/2026/file", "slash/year/file", "c19/chain/file", "c19/file"} {
				assert.Equal(t, "content", get(t, d, name), name)
				info, err := d.Stat(name)
				require.NoError(t, err, name)
				assert.True(t, info.Mode().IsRegular(), name)
				require.NoError(t, d.Chtimes(name, time.Unix(1e9, 0)))
				require.NoError(t, d.Chmod(name, 0o600))
			}
			info, err := d.Lstat("slash/year")
			require.NoError(t, err)
			assert.Equal(t, fs.ModeSymlink, info.Mode().Type())
			target, err := d.ReadLink("slash/year")
			require.NoError(t, err)
			assert.Equal(t, "/c19/2026", target)
			assert.Equal(t, []string{"file"}, fileNames(t, d, "slash/year"))

			require.NoError(t, d.Mkdir("year/dir", nil))
			put(t, d, "year/dir/new", "new")
			require.NoError(t, d.Rename(t.Context(), "year/dir/new", "slash/c19/chain/moved"))
			assert.Equal(t, "new", get(t, d, "c19/2026/moved"))
			require.NoError(t, d.Remove("year/moved"))
			require.NoError(t, d.Remove("slash/year/dir"))
			assert.Equal(t, []string{"file"}, fileNames(t, d, "c19/2026"))
			require.NoError(t, write(d, "broken", os.O_APPEND, "made"))
			assert.Equal(t, "made", get(t, d, "c19/new"))

			for _, name := range []string{"climbs", "outside link"} {
				_, err := d.Open(name)
				assert.Truef(t, errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist), "%q: %v", name, err)
			}
			_, err = d.Stat("loop")
			assert.ErrorIs(t, err, syscall.ELOOP)
			for _, name := range []string{"slash", "c19/chain/../.."} {
				assert.Error(t, d.Chmod(name, 0o700), "the root is not changed")
			}
			require.NoError(t, d.Remove("year"), "the link, not the directory")
			assert.Equal(t, "content", get(t, d, "c19/2026/file"))
			j.unchanged(t)
		})
	}
}

// No link to the root makes it possible to change the root.
func TestRootIsNotChangedThroughALink(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		require.NoError(t, d.Mkdir("dir", nil))
		for link, target := range map[string]string{"dir/up": "..", "slash": "/"} {
			require.NoError(t, os.Symlink(target, filepath.Join(root, link)))
			assert.ErrorIs(t, d.Chmod(link, 0o700), fs.ErrPermission)
			assert.ErrorIs(t, d.Chtimes(link, time.Unix(1e9, 0)), fs.ErrPermission)
		}
	})
}

func TestThreat10SymlinkEscapes(t *testing.T) {
	t.Parallel()
	for way, kind := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			j := newJail(t)
			d := testDir(t, j.root, kind.options, kind.fast)
			dirs := map[string]string{
				"relative": "../outside dir", "absolute": filepath.Dir(j.root), "deep": "dir/../../outside dir", "magic": "/proc/self/root",
				"chain": "chained/x", "chained": "dir/link", "dir/link": "../..", "absolute inside": filepath.Join(j.root, "dir"),
			}
			files := map[string]string{
				"file": "../outside", "file absolute": filepath.Join(j.root, "../outside"), "file chain": "relative/outside",
				"fd": "/proc/self/fd/0", "new": "../made",
			}
			for _, links := range []map[string]string{dirs, files} {
				for link, target := range links {
					require.NoError(t, os.Symlink(target, filepath.Join(j.root, link)))
				}
			}
			refused := func(what, name string, err error) {
				t.Helper()
				assert.Truef(t, errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist), "%s %q: %v", what, name, err)
			}
			for _, links := range []map[string]string{dirs, files} {
				for link := range links {
					for _, name := range []string{link, link + "/outside", link + "/outside dir/outside", link + "/x"} {
						_, err := d.Open(name)
						refused("Open", name, err)
						_, err = d.Stat(name)
						refused("Stat", name, err)
						refused("Chmod", name, d.Chmod(name, 0o777))
						refused("Chtimes", name, d.Chtimes(name, time.Unix(0, 0)))
						refused("Create", name, write(d, name, os.O_APPEND, "written"))
						if name == link {
							continue
						}
						_, err = d.Lstat(name)
						refused("Lstat", name, err)
						refused("Create", name, write(d, name, os.O_TRUNC, "written"))
						refused("Create new", name, write(d, name, os.O_EXCL, "written"))
						refused("Mkdir", name, d.Mkdir(name, nil))
						refused("Remove", name, d.Remove(name))
						refused("Rename", name, d.Rename(t.Context(), name, "x"))
						refused("Rename to", name, d.Rename(t.Context(), "inside", name))
						refused("Symlink", name, d.Symlink("inside", name))
					}
					assert.ErrorIs(t, d.Mkdir(link, nil), fs.ErrExist)
					assert.ErrorIs(t, write(d, link, os.O_EXCL, "written"), fs.ErrExist)
				}
			}
			for link := range files {
				write(d, link, os.O_TRUNC, "written")
			}
			for link := range dirs {
				put(t, d, "moved", "moved")
				require.NoError(t, d.Rename(t.Context(), "moved", link), "the link is replaced, not its target")
				assert.Equal(t, "moved", get(t, d, link))
			}
			j.unchanged(t)
		})
	}
}

// A link that Symlink makes leads to no file outside, not even for programs that follow
// it without our root.
func TestThreat10SymlinkIsMadeInside(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		for _, dir := range []string{"a", "a/b", "deep", "deep/down"} {
			require.NoError(t, d.Mkdir(dir, nil))
		}
		put(t, d, "file", "content")
		require.NoError(t, os.Symlink("../deep", filepath.Join(root, "a/b/c"))) // leads nowhere
		require.NoError(t, os.Symlink("../../deep", filepath.Join(root, "a/b/d")))
		require.NoError(t, os.Symlink("deep/down", filepath.Join(root, "short")))
		for _, name := range []string{"short/link", "a/b/d/link", "a/b/d/down/link", "a/b/c/link"} {
			assert.ErrorIs(t, d.Symlink("file", name), fs.ErrPermission, name)
		}
		for name, want := range map[string]string{"link": "file", "a/link": "../file", "a/b/link": "../../file"} {
			require.NoError(t, d.Symlink("file", name))
			text, err := os.Readlink(filepath.Join(root, name))
			require.NoError(t, err)
			assert.Equal(t, want, text)
		}
	})
}

func TestThreat10SymlinkLoop(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		require.NoError(t, os.Symlink("b", filepath.Join(root, "a")))
		require.NoError(t, os.Symlink("a", filepath.Join(root, "b")))
		_, err := d.Open("a")
		assert.ErrorIs(t, err, syscall.ELOOP)
		_, err = d.Stat("a/b")
		assert.ErrorIs(t, err, syscall.ELOOP)
		assert.ErrorIs(t, write(d, "a", os.O_APPEND, ""), syscall.ELOOP)
	})
}

// TestThreat10SymlinkRace swaps a directory for links that lead out while files
// below it are opened, written, and removed.
func TestThreat10SymlinkRace(t *testing.T) {
	t.Parallel()
	for way, kind := range ways {
		if kind.options.Sync {
			continue
		}
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			j := newJail(t)
			d := testDir(t, j.root, kind.options, kind.fast)
			put(t, d, "dir/outside", "inside")
			require.NoError(t, d.Chmod("dir/outside", 0o600))
			links := []string{"../outside dir", "link 0/../../outside dir", "../root/../outside dir"}
			for i, target := range links {
				require.NoError(t, os.Symlink(target, filepath.Join(j.root, fmt.Sprint("link ", i))))
			}

			done := make(chan struct{})
			var swapping sync.WaitGroup
			stop := sync.OnceFunc(func() { close(done); swapping.Wait() })
			defer stop()
			rename := func(from, to string) {
				assert.NoError(t, os.Rename(filepath.Join(j.root, from), filepath.Join(j.root, to)))
			}
			var swaps atomic.Int64
			swapping.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
						link := fmt.Sprint("link ", swaps.Add(1)%int64(len(links)))
						rename("dir", "aside")
						rename(link, "dir")
						rename("dir", link)
						rename("aside", "dir")
					}
				}
			})
			tries, read, refused := 0, 0, 0
			for ; tries < 1500 || swaps.Load() < 300 && tries < 100_000; tries++ {
				content, err := fs.ReadFile(d, "dir/outside")
				switch {
				case err == nil:
					require.NotEqual(t, "secret", string(content))
					read++
				case errors.Is(err, fs.ErrPermission):
					refused++
				}
				if info, err := d.Stat("dir/outside"); err == nil {
					require.Zero(t, info.Mode().Perm()&0o044, "of the secret")
				}
				d.Chmod("dir/outside", 0o600)
				d.Rename(t.Context(), "dir/new", "dir/renamed")
				d.Remove("dir/made")
				d.Remove("dir/outside dir")
				if tries%64 == 0 {
					d.Remove("dir/new")
				}
				if read%8 == 0 {
					write(d, "dir/new", os.O_TRUNC, "written")
					d.Mkdir("dir/made", nil)
				}
			}
			stop()
			j.unchanged(t)
			t.Logf("%d tries: %d read, %d refused, %d swaps", tries, read, refused, swaps.Load())
		})
	}
}

func TestThreat11SpecialFilesAreRefused(t *testing.T) {
	t.Parallel()
	for way, kind := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			root, err := os.MkdirTemp("", "fsbridge") // a socket's path is short
			require.NoError(t, err)
			t.Cleanup(func() { os.RemoveAll(root) })
			d := testDir(t, root, kind.options, kind.fast)
			at := func(name string) string { return filepath.Join(root, name) }

			names := []string{"pipe", "read pipe", "socket", "link"}
			require.NoError(t, syscall.Mkfifo(at("pipe"), 0o666))
			require.NoError(t, syscall.Mkfifo(at("read pipe"), 0o666))
			reader, err := os.OpenFile(at("read pipe"), os.O_RDONLY|syscall.O_NONBLOCK, 0)
			require.NoError(t, err)
			defer reader.Close()
			listener, err := net.Listen("unix", at("socket"))
			require.NoError(t, err)
			defer listener.Close()
			require.NoError(t, os.Symlink("pipe", at("link")))
			if err := syscall.Mknod(at("device"), syscall.S_IFCHR|0o666, 1<<8|5); err == nil { // zero
				names = append(names, "device")
			}

			for _, name := range names {
				_, err := d.Open(name)
				assert.ErrorIs(t, err, fs.ErrPermission, "Open %q", name)
				for _, flag := range []int{os.O_TRUNC, os.O_APPEND, 0} {
					_, err := d.Create(name, flag, 0, nil)
					assert.ErrorIs(t, err, fs.ErrPermission, "Create %q", name)
					_, err = d.Create(name+"/below", flag, 0, nil)
					assert.ErrorIs(t, err, syscall.ENOTDIR, "Create below %q", name)
				}
				_, err = d.Create(name, os.O_EXCL, 0, nil)
				assert.ErrorIs(t, err, fs.ErrExist)
				info, err := d.Stat(name)
				require.NoError(t, err)
				assert.False(t, info.Mode().IsRegular() || info.IsDir())
			}
			assert.Len(t, fileNames(t, d, "."), len(names), "they are listed, and nothing else was made")
			for _, name := range names {
				assert.NoError(t, d.Remove(name))
			}
		})
	}
}

// A child process has a copy of every open file between its fork and its exec. The copy
// must not make the lock outlast the upload.
func TestUploadEndsWhileAChildIsStarting(t *testing.T) {
	t.Parallel()
	d := testDir(t, t.TempDir(), DirOptions{}, true)
	for _, end := range []func(Upload) error{Upload.Commit, Upload.Abort} {
		up := begin(t, d, "file", os.O_TRUNC, 0, "content")
		copied, err := syscall.Dup(int(up.(*upload).file.Fd()))
		require.NoError(t, err)
		require.NoError(t, end(up))
		next, err := d.Create("file", os.O_TRUNC, 0, nil)
		require.NoError(t, err)
		require.NoError(t, next.Commit())
		require.NoError(t, syscall.Close(copied))
	}
}

// While anything is renamed anywhere, the kernel cannot always tell where a ".." in a
// link leads. The link is followed all the same, and out of the root it is not.
func TestThreat10LinksBesideRenames(t *testing.T) {
	t.Parallel()
	for way, kind := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			j := newJail(t)
			d := testDir(t, j.root, kind.options, kind.fast)
			for link, target := range map[string]string{"up": "dir/../inside", "out": "dir/../../outside dir", "dir/top": "../dir"} {
				require.NoError(t, os.Symlink(target, filepath.Join(j.root, link)))
			}
			done, renamed := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(renamed)
				a, b := filepath.Join(j.root, "a"), filepath.Join(j.root, "b")
				for os.WriteFile(a, nil, 0o600); ; a, b = b, a {
					select {
					case <-done:
						return
					default:
						os.Rename(a, b)
					}
				}
			}()
			for round := range int64(500) {
				info, err := d.Stat("up")
				require.NoError(t, err)
				require.True(t, info.Mode().IsRegular())
				require.NoError(t, d.Chtimes("up", time.Unix(round, 0)))
				info, err = d.Lstat("dir/top")
				require.NoError(t, err)
				require.Equal(t, fs.ModeSymlink, info.Mode().Type())
				info, err = d.Lstat("inside")
				require.NoError(t, err)
				require.Equal(t, round, info.ModTime().Unix())
				require.Equal(t, "inside", get(t, d, "up"))
				require.NoError(t, d.Enter("dir/top"))
				_, err = d.Stat("out")
				require.ErrorIs(t, err, fs.ErrPermission)
				_, err = d.Stat("out/outside")
				require.ErrorIs(t, err, fs.ErrPermission)
			}
			close(done)
			<-renamed
			j.unchanged(t)
		})
	}
}
