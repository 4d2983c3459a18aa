package fscontract

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// renamable is an upload that Commit can give another name.
type renamable interface {
	Upload
	Rename(from, to string) error
}

// begun is an upload of the word new to file. It skips the test if that cannot be renamed.
func begun(t *testing.T, s storage, file string, flag int) renamable {
	t.Helper()
	up, err := s.Create(file, flag, 0, nil)
	require.NoError(t, err)
	_, err = io.WriteString(up, "new")
	require.NoError(t, err)
	r, ok := up.(renamable)
	if !ok {
		require.NoError(t, up.Abort())
		t.Skip("this storage cannot do that")
	}
	return r
}

// testRenamedUpload: an upload can be committed under another name, which replaces nothing.
func testRenamedUpload(t *testing.T, s storage) {
	require.NoError(t, s.Mkdir("dir", nil))
	put(t, s, "dir/taken", "before")
	for i, flag := range []int{os.O_TRUNC, os.O_EXCL, os.O_APPEND, 0} {
		file, to := fmt.Sprint("file", i), fmt.Sprint("dir/other", i)
		up := begun(t, s, file, flag)
		s.wantError(t, up.Rename(file, "dir/taken"), fs.ErrExist)
		s.wantError(t, up.Rename(file, "dir"), fs.ErrExist)
		s.wantError(t, up.Rename(file, "none/other"), fs.ErrNotExist)
		for _, bad := range []string{"", ".", "..", "../other", "/other", "dir/../../other", "a//b"} {
			assert.Error(t, up.Rename(file, bad), bad)
		}
		assert.Error(t, up.Rename("another", to), "a name that Create did not get")
		require.NoError(t, up.Rename(file, "first"))
		require.NoError(t, up.Rename(file, to))
		require.NoError(t, up.Commit())
		assert.Equal(t, "new", get(t, s, to))
		for _, name := range []string{file, "first"} {
			_, err := s.Stat(name)
			s.wantError(t, err, fs.ErrNotExist)
		}
		assert.Error(t, up.Rename(file, "late"), "after the end")
	}

	up := begun(t, s, "back", os.O_TRUNC)
	require.NoError(t, up.Rename("back", "dir/away"))
	require.NoError(t, up.Rename("back", "back"))
	require.NoError(t, up.Commit())
	assert.Equal(t, "new", get(t, s, "back"))

	// The name is taken meanwhile.
	up = begun(t, s, "late", os.O_TRUNC)
	require.NoError(t, up.Rename("late", "dir/late"))
	put(t, s, "dir/late", "quicker")
	s.wantError(t, up.Commit(), fs.ErrExist)
	assert.Equal(t, "quicker", get(t, s, "dir/late"))

	// One that is aborted goes nowhere.
	up = begun(t, s, "gone", os.O_TRUNC)
	require.NoError(t, up.Rename("gone", "dir/gone"))
	require.NoError(t, up.Abort())
	_, err := s.Stat("dir/gone")
	s.wantError(t, err, fs.ErrNotExist)

	// A file that is there: what Commit makes is what it would have made of it.
	for flag, content := range map[int]string{os.O_TRUNC: "new", os.O_APPEND: "beforenew", 0: "newore"} {
		put(t, s, "old", "before")
		up = begun(t, s, "old", flag)
		to := fmt.Sprint("dir/of", flag)
		require.NoError(t, up.Rename("old", to))
		require.NoError(t, up.Commit())
		assert.Equal(t, content, get(t, s, to))
		if _, err := s.Stat("old"); err == nil {
			assert.Equal(t, "before", get(t, s, "old"), "it stays, or it was moved")
		}
		put(t, s, "old", "after")
		assert.Equal(t, content, get(t, s, to), "it is another file")
	}
}
