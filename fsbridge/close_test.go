package fsbridge

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Files and uploads that are open when a Dir is closed can still be read, committed and
// aborted: a session may end while its last upload is committed.
func TestOpenFilesOutliveTheirDir(t *testing.T) {
	t.Parallel()
	for _, options := range []DirOptions{{}, {Atomic: true}, {Sync: true}, {Atomic: true, Sync: true}} {
		for _, flag := range []int{os.O_TRUNC, os.O_EXCL, os.O_APPEND} {
			root := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(root, "old"), []byte("old"), 0o600))
			d, err := OpenDir(root, options)
			require.NoError(t, err)
			up, err := d.Create("new", flag, 0, nil)
			require.NoError(t, err)
			given, err := d.Create("given up", flag, 0, nil)
			require.NoError(t, err)
			file, err := d.Open("old")
			require.NoError(t, err)
			require.NoError(t, d.Close())

			_, err = io.WriteString(up, "content")
			require.NoError(t, err)
			require.NoError(t, up.Commit(), "%+v, %d", options, flag)
			require.NoError(t, given.Abort(), "%+v, %d", options, flag)
			content, err := os.ReadFile(filepath.Join(root, "new"))
			require.NoError(t, err)
			assert.Equal(t, "content", string(content))
			content, err = io.ReadAll(file)
			require.NoError(t, err)
			assert.Equal(t, "old", string(content))
			require.NoError(t, file.Close())
			_, err = d.Open("old")
			assert.ErrorIs(t, err, os.ErrClosed)
		}
	}
}
