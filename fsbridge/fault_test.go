package fsbridge

import (
	"io/fs"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge/fscontract"
)

// sickWay is a way to a disk on which chmod or remove fails.
type sickWay struct {
	way
	modeFault, removeFault error
}

func (w sickWay) parent(dir string) (parent, error) {
	p, err := w.way.parent(dir)
	return sickParent{p, w}, err
}

type sickParent struct {
	parent
	way sickWay
}

func (p sickParent) chmod(base string, mode fs.FileMode) error {
	if p.way.modeFault != nil {
		return p.way.modeFault
	}
	return p.parent.chmod(base, mode)
}

func (p sickParent) remove(base string) error {
	if p.way.removeFault != nil {
		return p.way.removeFault
	}
	return p.parent.remove(base)
}

// Mkdir with permissions succeeds on disks without permissions, too: FAT, CIFS and FUSE
// each have an error of their own for chmod.
func TestMaskedMkdirOnADiskWithoutPermissions(t *testing.T) {
	t.Parallel()
	for _, fault := range []error{syscall.EPERM, syscall.EOPNOTSUPP, syscall.ENOSYS, syscall.EINVAL, syscall.EROFS} {
		d := testDir(t, t.TempDir(), DirOptions{}, true)
		d.way = sickWay{way: d.way, modeFault: fault}
		require.NoError(t, fscontract.Masked{FS: d, Mask: 0o002}.Mkdir("dir", nil), fault)
		info, err := d.Stat("dir")
		require.NoError(t, err)
		assert.Zero(t, info.Mode().Perm()&0o002)
	}
}

// For a directory that is not empty, some network disks return EEXIST.
func TestRemoveOfAFullDirectoryOnOtherDisks(t *testing.T) {
	t.Parallel()
	d := testDir(t, t.TempDir(), DirOptions{}, true)
	require.NoError(t, d.Mkdir("dir", nil))
	put(t, d, "dir/file", "")
	d.way = sickWay{way: d.way, removeFault: syscall.EEXIST}
	assert.ErrorIs(t, d.Remove("dir"), syscall.ENOTEMPTY)
}
