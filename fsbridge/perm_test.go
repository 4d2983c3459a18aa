package fsbridge

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// New files and folders have the permissions of the options, unless others are asked for.
func TestDirGivesPermissions(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("it has no such permissions")
	}
	for _, atomic := range []bool{false, true} {
		root := t.TempDir()
		dir, err := OpenDir(root, DirOptions{Atomic: atomic, FilePerm: 0o666, FolderPerm: 0o770})
		require.NoError(t, err)
		defer dir.Close()
		asked := fs.FileMode(0o604)
		for name, perm := range map[string]*fs.FileMode{"own": nil, "asked": &asked} {
			up, err := dir.Create(name, os.O_TRUNC, 0, perm)
			require.NoError(t, err)
			require.NoError(t, up.Commit())
			require.NoError(t, dir.Mkdir(name+" folder", perm))
		}
		for name, want := range map[string]fs.FileMode{
			"own": 0o666, "asked": 0o604, "own folder": fs.ModeDir | 0o770, "asked folder": fs.ModeDir | 0o604,
		} {
			info, err := os.Stat(filepath.Join(root, name))
			require.NoError(t, err)
			assert.Equal(t, want, info.Mode(), "%s, atomic %t", name, atomic)
		}
	}
}
