package fsbridge

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSpaceOfDir(t *testing.T) {
	t.Parallel()
	d, err := OpenDir(t.TempDir(), DirOptions{})
	require.NoError(t, err)
	defer d.Close()
	n, err := d.Space(".")
	if runtime.GOOS != "linux" {
		assert.ErrorIs(t, err, errors.ErrUnsupported)
		return
	}
	assert.NoError(t, err)
	assert.Positive(t, n)
	_, err = d.Space("none")
	assert.ErrorIs(t, err, fs.ErrNotExist)
	_, err = d.Space("..")
	assert.ErrorIs(t, err, fs.ErrInvalid)
}

// An upload can have all the bytes that Memory's Space promises, and not one more.
func TestSpaceOfMemory(t *testing.T) {
	t.Parallel()
	m := NewMemory()
	_, err := m.Space(".")
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	m.Capacity = 10_000
	n, err := m.Space(".")
	require.NoError(t, err)
	u, err := m.Create("all", os.O_TRUNC, 0, nil)
	require.NoError(t, err)
	_, err = u.Write(make([]byte, n))
	assert.NoError(t, err)
	_, err = u.Write([]byte{0})
	assert.ErrorIs(t, err, syscall.ENOSPC)
	assert.NoError(t, u.Abort())
}
