package fsbridge

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/wasi"
)

// overriding is a storage that has a Dir in it.
type overriding struct{ *Dir }

func TestReadCached(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	require.NoError(t, os.Mkdir(root+"/dir", 0o755))
	for name, size := range map[string]int{"empty": 0, "file": 100, "dir/file": 100, "large": 1000} {
		require.NoError(t, os.WriteFile(root+"/"+name, []byte(strings.Repeat("0123456789", size/10)), 0o644))
	}
	require.NoError(t, os.Symlink("file", root+"/link"))
	require.NoError(t, os.Symlink("dir", root+"/to"))
	require.NoError(t, os.WriteFile(root+"/"+hiddenPrefix+"x", []byte("hidden"), 0o644))
	dir, err := OpenDir(root, DirOptions{})
	require.NoError(t, err)
	defer dir.Close()
	reader := Access{FS: dir, Rights: wasi.RightRead}
	if _, _, ok := reader.ReadCached("file", 0, make([]byte, 200)); !ok {
		t.Skip("this file system is none of those that are read in this way")
	}
	for _, c := range []struct {
		access Access
		name   string
		offset int64
		want   int // bytes, negative for none
	}{
		{reader, "file", 0, 100},
		{reader, "dir/file", 0, 100},
		{reader, "file", 93, 7},
		{reader, "file", 100, 0},
		{reader, "empty", 0, 0},
		{reader, "file", 101, -1},
		{reader, "large", 0, -1},
		{reader, "large", 801, 199},
		{reader, "large", 800, -1}, // no room for the byte that shows that the file has grown
		{reader, "missing", 0, -1},
		{reader, "dir", 0, -1},
		{reader, ".", 0, -1},
		{reader, "link", 0, -1},
		{reader, "to/file", 0, -1},
		{reader, "../" + root + "/file", 0, -1},
		{reader, "dir/../file", 0, -1},
		{reader, "file\x00", 0, -1},
		{reader, hiddenPrefix + "x", 0, -1},
		{Access{FS: dir, Rights: wasi.RightList | wasi.RightWrite}, "file", 0, -1},
		{Access{FS: overriding{dir}, Rights: wasi.RightRead}, "file", 0, -1},
	} {
		room := make([]byte, 200)
		info, n, ok := c.access.ReadCached(c.name, c.offset, room)
		if c.want < 0 {
			assert.False(t, ok, "%q from %d", c.name, c.offset)
			continue
		}
		require.True(t, ok, "%q from %d", c.name, c.offset)
		want, err := os.ReadFile(root + "/" + c.name)
		require.NoError(t, err)
		assert.Equal(t, string(want[c.offset:]), string(room[:n]))
		ordinary, err := dir.Stat(c.name)
		require.NoError(t, err)
		assert.Equal(t, StatOf(ordinary), StatOf(info))
	}
}
