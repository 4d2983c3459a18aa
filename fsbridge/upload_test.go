package fsbridge

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge/fscontract"
)

// begin opens an upload and sends the first part of it.
func begin(t *testing.T, d *Dir, name string, flag int, offset int64, content string) Upload {
	t.Helper()
	up, err := d.Create(name, flag, offset, nil)
	require.NoError(t, err)
	_, err = io.WriteString(up, content)
	require.NoError(t, err)
	return up
}

func TestAtomicUploadIsHiddenUntilCommitted(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	d := testDir(t, root, DirOptions{Atomic: true}, true)
	put(t, d, "old", "before")

	replacing, adding := begin(t, d, "old", os.O_TRUNC, 0, "after"), begin(t, d, "new", os.O_EXCL, 0, "after")
	assert.Equal(t, []string{"old"}, fileNames(t, d, "."))
	assert.Equal(t, "before", get(t, d, "old"))
	require.NoError(t, replacing.Commit())
	require.NoError(t, adding.Commit())
	assert.Equal(t, "after", get(t, d, "old"))
	assert.Equal(t, "after", get(t, d, "new"))

	require.NoError(t, begin(t, d, "old", os.O_TRUNC, 0, "aborted").Abort())
	require.NoError(t, begin(t, d, "third", os.O_EXCL, 0, "aborted").Abort())
	assert.Equal(t, "after", get(t, d, "old"))
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	assert.Len(t, entries, 2, "nothing hidden is left")
}

func TestHiddenUploadCannotBeReached(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		name := hiddenPrefix + "left"
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte("half"), 0o644))
		put(t, d, "file", "")
		for _, name := range []string{name, strings.ToUpper(name), strings.Replace(name, "s", "\u017f", 1), "WASIFT~1",
			name + "/below"} {
			_, err := d.Open(name)
			assert.ErrorIs(t, err, fs.ErrNotExist)
			_, err = d.Stat(name)
			assert.ErrorIs(t, err, fs.ErrNotExist)
			assert.ErrorIs(t, write(d, name, os.O_APPEND, ""), fs.ErrNotExist)
			assert.ErrorIs(t, d.Mkdir(name, nil), fs.ErrNotExist)
			assert.ErrorIs(t, d.Remove(name), fs.ErrNotExist)
			assert.ErrorIs(t, d.Symlink("file", name), fs.ErrNotExist)
			assert.ErrorIs(t, d.Symlink(name, "link"), fs.ErrNotExist)
			assert.ErrorIs(t, d.Rename(t.Context(), name, "x"), fs.ErrNotExist)
			assert.ErrorIs(t, d.Rename(t.Context(), "file", name), fs.ErrNotExist)
			assert.ErrorIs(t, d.Chmod(name, 0), fs.ErrNotExist)
			assert.ErrorIs(t, d.Chtimes(name, time.Unix(0, 0)), fs.ErrNotExist)
			_, err = d.Lstat(name)
			assert.ErrorIs(t, err, fs.ErrNotExist)
			_, err = d.ReadLink(name)
			assert.ErrorIs(t, err, fs.ErrNotExist)
			_, err = d.Space(name)
			assert.ErrorIs(t, err, fs.ErrNotExist)
			assert.ErrorIs(t, write(fscontract.Masked{FS: d, Mask: 0}, name, os.O_TRUNC, ""), fs.ErrNotExist)
		}
		assert.Equal(t, []string{"file"}, fileNames(t, d, "."))
	})
}

func TestAtomicUploadFollowsItsDirectory(t *testing.T) {
	t.Parallel()
	d := testDir(t, t.TempDir(), DirOptions{Atomic: true}, true)
	require.NoError(t, d.Mkdir("dir", nil))
	up := begin(t, d, "dir/file", os.O_TRUNC, 0, "content")
	require.NoError(t, d.Rename(t.Context(), "dir", "moved"))
	require.NoError(t, up.Commit())
	assert.Equal(t, "content", get(t, d, "moved/file"))
}

func TestAtomicUploadThatCannotBePlacedIsGone(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	d := testDir(t, root, DirOptions{Atomic: true}, true)
	up := begin(t, d, "name", os.O_TRUNC, 0, "content")
	require.NoError(t, d.Mkdir("name", nil))
	err := up.Commit()
	assert.True(t, errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.EISDIR), "%v", err)
	assert.ErrorIs(t, up.Abort(), fs.ErrClosed)
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}

func TestReplacedFileKeepsItsPermissions(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has one permission bit")
	}
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		put(t, d, "file", "")
		for _, mode := range []fs.FileMode{0o777, 0o600} {
			require.NoError(t, d.Chmod("file", mode))
			put(t, d, "file", "again")
			info, err := d.Stat("file")
			require.NoError(t, err)
			assert.Equal(t, mode, info.Mode())
		}
	})
}

func TestUploadInPlaceStaysWhenAborted(t *testing.T) {
	t.Parallel()
	d := testDir(t, t.TempDir(), DirOptions{}, true)
	up := begin(t, d, "file", os.O_TRUNC, 0, "the first part")
	assert.Equal(t, "the first part", get(t, d, "file"))
	require.NoError(t, up.Abort())
	require.NoError(t, begin(t, d, "file", 0, 14, " and the second").Commit())
	assert.Equal(t, "the first part and the second", get(t, d, "file"))
}

func TestThreat26SecondUploadInPlaceIsRefused(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		other := testDir(t, root, DirOptions{}, true)
		put(t, d, "file", "whole")
		up := begin(t, d, "file", os.O_APPEND, 0, " and more")
		for _, flag := range []int{os.O_TRUNC, os.O_APPEND, 0} {
			_, err := other.Create("file", flag, 0, nil)
			assert.ErrorIs(t, err, syscall.EBUSY)
			if flag != os.O_TRUNC || !d.options.Atomic {
				_, err = d.Create("file", flag, 0, nil)
				assert.ErrorIs(t, err, syscall.EBUSY)
			}
		}
		assert.Equal(t, "whole and more", get(t, d, "file"), "the refused ones truncate nothing")
		require.NoError(t, up.Commit())
		put(t, other, "file", "free again")
	})
}

func TestThreat26LastAtomicUploadWinsWhole(t *testing.T) {
	t.Parallel()
	d := testDir(t, t.TempDir(), DirOptions{Atomic: true}, true)
	first := begin(t, d, "file", os.O_TRUNC, 0, "first")
	second := begin(t, d, "file", os.O_TRUNC, 0, "the second")
	require.NoError(t, second.Commit())
	require.NoError(t, first.Commit())
	assert.Equal(t, "first", get(t, d, "file"))

	first = begin(t, d, "new", os.O_EXCL, 0, "first")
	second = begin(t, d, "new", os.O_EXCL, 0, "the second")
	require.NoError(t, second.Commit())
	assert.ErrorIs(t, first.Commit(), fs.ErrExist)
	assert.Equal(t, "the second", get(t, d, "new"))
	assert.Equal(t, []string{"file", "new"}, fileNames(t, d, "."))
}

func TestThreat26RenameOntoFileBeingUploaded(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows may refuse to rename open files")
	}
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		put(t, d, "other", "other")
		up := begin(t, d, "file", os.O_TRUNC, 0, "uploaded")
		require.NoError(t, d.Rename(t.Context(), "other", "file"))
		assert.Equal(t, "other", get(t, d, "file"))
		_, err := io.WriteString(up, " more")
		require.NoError(t, err)
		require.NoError(t, up.Commit())
		want := "other" // as if the rename had come after the upload
		if d.options.Atomic {
			want = "uploaded more" // the last to end wins
		}
		assert.Equal(t, want, get(t, d, "file"))
	})
}

func TestThreat26RenameOfFileBeingUploaded(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows may refuse to rename open files")
	}
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		put(t, d, "file", "one")
		up := begin(t, d, "file", os.O_APPEND, 0, " two")
		require.NoError(t, d.Rename(t.Context(), "file", "moved"))
		put(t, d, "file", "another")
		_, err := io.WriteString(up, " three")
		require.NoError(t, err)
		require.NoError(t, up.Commit())
		assert.Equal(t, "one two three", get(t, d, "moved"))
		assert.Equal(t, "another", get(t, d, "file"))

		up = begin(t, d, "moved", os.O_APPEND, 0, " four")
		require.NoError(t, d.Remove("moved"))
		require.NoError(t, up.Commit())
		assert.Equal(t, []string{"file"}, fileNames(t, d, "."))
	})
}

// Bytes that the kernel moves reach the file like others, at an offset and at the end,
// too.
func TestUploadFromConnection(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer listener.Close()
		content := strings.Repeat("0123456789abcdef", 30_000)
		put(t, d, "append", "before ")
		put(t, d, "offset", "before xx")
		for name, flag := range map[string]int{"replace": os.O_TRUNC, "append": os.O_APPEND, "offset": 0} {
			sent := make(chan error, 1)
			go func() {
				conn, err := net.Dial("tcp", listener.Addr().String())
				if err == nil {
					_, err = io.WriteString(conn, content)
					conn.Close()
				}
				sent <- err
			}()
			conn, err := listener.Accept()
			require.NoError(t, err)
			before, offset := "", int64(0)
			if flag != os.O_TRUNC {
				before = "before "
			}
			if flag == 0 {
				offset = int64(len(before))
			}
			up, err := d.Create(name, flag, offset, nil)
			require.NoError(t, err)
			require.Implements(t, (*io.ReaderFrom)(nil), up)
			n, err := io.Copy(up, conn)
			require.NoError(t, err)
			require.NoError(t, <-sent)
			assert.EqualValues(t, len(content), n)
			require.NoError(t, conn.Close())
			require.NoError(t, up.Commit())
			assert.True(t, before+content == get(t, d, name), name)
		}
	})
}
