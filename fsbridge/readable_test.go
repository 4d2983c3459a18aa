package fsbridge

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// read is the content of an upload before it is committed.
func read(t *testing.T, u Upload) string {
	t.Helper()
	r, err := u.(ReadableUpload).Open()
	require.NoError(t, err)
	content, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	return string(content)
}

// An upload reads as the file that it will be, and reading it changes nothing.
func TestReadableUpload(t *testing.T) {
	t.Parallel()
	type storage interface {
		CreateFS
		fs.FS
	}
	for name, files := range map[string]storage{
		"in place": testDir(t, t.TempDir(), DirOptions{}, true), "hidden": testDir(t, t.TempDir(), DirOptions{Atomic: true}, true),
		"memory": NewMemory(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, test := range []struct {
				flag          int
				offset        int64
				content, want string
			}{
				{os.O_EXCL, 0, "abcdef", "abcdef"}, {os.O_APPEND, 0, "gh", "abcdefgh"}, {0, 1, "BC", "aBCdefgh"}, {0, 8, "", "aBCdefgh"},
				{os.O_TRUNC, 0, "", ""}, {os.O_TRUNC, 0, "x", "x"}, {os.O_TRUNC, 0, "yz", "yz"},
			} {
				u, err := files.Create("file", test.flag, test.offset, nil)
				require.NoError(t, err)
				_, err = io.WriteString(u, test.content)
				require.NoError(t, err)
				for range 2 {
					assert.Equal(t, test.want, read(t, u))
				}
				require.NoError(t, u.Commit())
				content, err := fs.ReadFile(files, "file")
				require.NoError(t, err)
				assert.Equal(t, test.want, string(content))
			}
			u, err := files.Create("file", os.O_TRUNC, 0, nil)
			require.NoError(t, err)
			assert.Empty(t, read(t, u))
			require.NoError(t, u.Abort())
			content, err := fs.ReadFile(files, "file")
			require.NoError(t, err)
			assert.Equal(t, "yz", string(content), "the old content stays until the commit")
			_, err = u.(ReadableUpload).Open()
			assert.Error(t, err, "after the end")
		})
	}
}

// Open never gives another file than the upload's.
func TestReadableUploadThatWasReplaced(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	u := begin(t, testDir(t, root, DirOptions{}, true), "file", os.O_EXCL, 0, "content")
	require.NoError(t, os.Remove(filepath.Join(root, "file")))
	_, err := u.(ReadableUpload).Open()
	assert.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, os.WriteFile(filepath.Join(root, "file"), []byte("another"), 0o644))
	_, err = u.(ReadableUpload).Open()
	assert.ErrorIs(t, err, errMoved)
	require.NoError(t, u.Abort())
}
