//go:build unix

package fsbridge

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func modeOf(t *testing.T, name string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(name)
	require.NoError(t, err)
	return info.Mode()
}

// New files are as other programs make them: the umask counts.
func TestNewFilesFollowTheUmask(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		other := filepath.Join(root, "other")
		file, err := os.Create(other) // 0666, less the umask
		require.NoError(t, err)
		require.NoError(t, file.Close())
		for _, flag := range []int{os.O_TRUNC, os.O_EXCL, os.O_APPEND, 0} {
			name := fmt.Sprint("new", flag)
			require.NoError(t, write(d, name, flag, "content"))
			assert.Equal(t, modeOf(t, other), modeOf(t, filepath.Join(root, name)))
		}
	})
}

func TestReplacedFileKeepsItsOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		name := filepath.Join(root, "file")
		put(t, d, "file", "old")
		for _, id := range []int{12345, 0, 54321} {
			require.NoError(t, os.Chown(name, id, id+1))
			require.NoError(t, os.Chmod(name, 0o640))
			put(t, d, "file", "new")
			info, err := os.Stat(name)
			require.NoError(t, err)
			stat := info.Sys().(*syscall.Stat_t)
			assert.EqualValues(t, id, stat.Uid)
			assert.EqualValues(t, id+1, stat.Gid)
			assert.Equal(t, fs.FileMode(0o640), info.Mode())
		}
	})
}

// A file that is replaced does not run as its owner any more: somebody else has
// filled it.
func TestReplacedFileLosesItsUpperBits(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	d := testDir(t, root, DirOptions{Atomic: true}, true)
	name := filepath.Join(root, "file")
	put(t, d, "file", "old")
	require.NoError(t, os.Chmod(name, 0o755|fs.ModeSetuid|fs.ModeSetgid))
	put(t, d, "file", "new")
	assert.Equal(t, fs.FileMode(0o755), modeOf(t, name))
}

func TestHiddenUploadIsNotReachedByLinks(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		hidden := hiddenPrefix + "left"
		at := func(name string) string { return filepath.Join(root, name) }
		require.NoError(t, os.WriteFile(at(hidden), []byte("half"), 0o644))
		require.NoError(t, os.Chtimes(at(hidden), time.Unix(1e9, 0), time.Unix(1e9, 0)))
		require.NoError(t, os.Mkdir(at("dir"), 0o755))
		for link, target := range map[string]string{
			"link": hidden, "chain": "dir/back", "dir/back": "../link", "absolute": "/" + hidden, "absolute chain": "/dir/back",
			"dir/up": "..", "through": "dir/up/" + hidden,
		} {
			require.NoError(t, os.Symlink(target, at(link)))
		}
		for _, name := range []string{"link", "chain", "dir/back", "absolute", "absolute chain", "through", "dir/up/link",
			"dir/up/dir/back"} {
			_, err := d.Open(name)
			assert.ErrorIs(t, err, fs.ErrNotExist, "Open %s", name)
			_, err = d.Stat(name)
			assert.ErrorIs(t, err, fs.ErrNotExist, "Stat %s", name)
			assert.ErrorIs(t, d.Chmod(name, 0o777), fs.ErrNotExist, "Chmod %s", name)
			assert.ErrorIs(t, d.Chtimes(name, time.Unix(2e9, 0)), fs.ErrNotExist, "Chtimes %s", name)
			for _, flag := range []int{os.O_APPEND, 0} {
				assert.Error(t, write(d, name, flag, "more"), "Create %s", name)
			}
			if !d.options.Atomic { // which replaces the link
				assert.Error(t, write(d, name, os.O_TRUNC, "more"), "Create %s", name)
			}
			info, err := d.Lstat(name)
			require.NoError(t, err, "the link itself is there")
			assert.Equal(t, fs.ModeSymlink, info.Mode().Type())
		}
		content, err := os.ReadFile(at(hidden))
		require.NoError(t, err)
		assert.Equal(t, "half", string(content))
		assert.Equal(t, fs.FileMode(0o644), modeOf(t, at(hidden)))
		require.NoError(t, d.Remove("link"))
		assert.FileExists(t, at(hidden))
	})
}

// splice ends with the pipe, and nothing of the old file is left.
func TestUploadFromPipe(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		for _, size := range []int{0, 1, firstPiece - 1, firstPiece, firstPiece + 1, 300_000} {
			put(t, d, "file", strings.Repeat("old", 200_000))
			r, w, err := os.Pipe()
			require.NoError(t, err)
			go func() {
				io.WriteString(w, strings.Repeat("n", size))
				w.Close()
			}()
			up, err := d.Create("file", os.O_TRUNC, 0, nil)
			require.NoError(t, err)
			n, err := io.Copy(up, r)
			require.NoError(t, err)
			assert.EqualValues(t, size, n)
			require.NoError(t, up.Commit())
			r.Close()
			assert.True(t, strings.Repeat("n", size) == get(t, d, "file"), size)
		}
	})
}
