package fsbridge

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// CWD into a directory in which nothing can be reached must fail.
func TestEnterClosedDirectory(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, d *Dir, root string) {
		require.NoError(t, os.Chmod(filepath.Dir(root), 0o755))
		for _, name := range []string{"open", "open/closed", "closed", "closed/below", "drop"} {
			require.NoError(t, os.Mkdir(filepath.Join(root, name), 0o755))
		}
		require.NoError(t, os.WriteFile(filepath.Join(root, "file"), nil, 0o644))
		require.NoError(t, os.Symlink("open/closed", filepath.Join(root, "to closed")))
		require.NoError(t, os.Symlink("open", filepath.Join(root, "to open")))
		for name, mode := range map[string]fs.FileMode{"closed": 0, "open/closed": 0o600, "drop": 0o311} {
			path := filepath.Join(root, name)
			require.NoError(t, os.Chmod(path, mode))
			t.Cleanup(func() { os.Chmod(path, 0o700) })
		}
		asNobody(t, root)
		for _, name := range []string{".", "open", "to open"} {
			assert.NoError(t, d.Enter(name), name)
			assert.NoError(t, ReadOnly(d).(interface{ Enter(string) error }).Enter(name), name)
		}
		for _, name := range []string{"closed", "open/closed", "to closed", "closed/below"} {
			assert.ErrorIs(t, d.Enter(name), fs.ErrPermission, name)
			assert.ErrorIs(t, ReadOnly(d).(interface{ Enter(string) error }).Enter(name), fs.ErrPermission, name)
		}
		assert.ErrorIs(t, d.Enter("file"), syscall.ENOTDIR)
		assert.ErrorIs(t, d.Enter("none"), fs.ErrNotExist)
		assert.ErrorIs(t, d.Enter("../"+filepath.Base(root)), fs.ErrInvalid)
		if _, fast := d.way.(beneath); fast { // os.Root does not reach what is in a directory that cannot be listed
			assert.NoError(t, d.Enter("drop"), "it can be searched, and need not be listed")
		}
		assert.NoError(t, ReadOnly(NewMemory()).(interface{ Enter(string) error }).Enter("."))
	})
}
