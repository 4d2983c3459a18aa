package fsbridge

import (
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMemoryHoldsNoMoreThanItsCapacity(t *testing.T) {
	t.Parallel()
	m := NewMemory()
	m.Capacity = 4*nodeCost + 100
	require.NoError(t, m.Mkdir("c", nil))
	put(t, m, "a", strings.Repeat("a", 60))
	busy, err := m.Create("busy", os.O_TRUNC, 0, nil)
	require.NoError(t, err)
	assert.ErrorIs(t, write(m, "b", os.O_TRUNC, strings.Repeat("b", 41)), syscall.ENOSPC)
	_, err = m.Stat("b")
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorIs(t, write(m, "a", os.O_TRUNC, strings.Repeat("b", 41)), syscall.ENOSPC, "the old content counts until the end")
	put(t, m, "b", strings.Repeat("b", 40))

	assert.ErrorIs(t, m.Mkdir("e", nil), syscall.ENOSPC)
	assert.ErrorIs(t, write(m, "e", os.O_TRUNC, ""), syscall.ENOSPC)
	require.NoError(t, busy.Abort())
	assert.ErrorIs(t, write(m, "b", os.O_APPEND, "1"), syscall.ENOSPC)
	require.NoError(t, m.Mkdir("e", nil))
	require.NoError(t, m.Rename(t.Context(), "a", "b"))
	for _, name := range []string{"b", "c", "e"} {
		require.NoError(t, m.Remove(name))
	}
	assert.Zero(t, m.used, "all is given back")
}

func TestMemoryCountsEveryUpload(t *testing.T) {
	t.Parallel()
	m := NewMemory()
	put(t, m, "file", "0123456789")
	for _, flag := range []int{os.O_TRUNC, os.O_APPEND, 0} {
		require.NoError(t, write(m, "file", flag, "abc"))
		assert.EqualValues(t, nodeCost+len(get(t, m, "file")), m.used)
		up, err := m.Create("file", flag, 0, nil)
		require.NoError(t, err)
		_, err = io.WriteString(up, "aborted")
		require.NoError(t, err)
		require.NoError(t, up.Abort())
		assert.EqualValues(t, nodeCost+len(get(t, m, "file")), m.used)
	}
}

func TestMemoryUploadWithoutItsDirectory(t *testing.T) {
	t.Parallel()
	m := NewMemory()
	require.NoError(t, m.Mkdir("dir", nil))
	up, err := m.Create("dir/file", os.O_TRUNC, 0, nil)
	require.NoError(t, err)
	require.NoError(t, m.Remove("dir"))
	assert.ErrorIs(t, up.Commit(), fs.ErrNotExist)
	assert.Zero(t, m.used)
}

func TestMemoryFileStaysAsItWasOpened(t *testing.T) {
	t.Parallel()
	m := NewMemory()
	put(t, m, "file", "before")
	file, err := m.Open("file")
	require.NoError(t, err)
	require.NoError(t, write(m, "file", os.O_APPEND, " and after"))
	require.NoError(t, write(m, "file", 0, "AFTER"))
	content, err := io.ReadAll(file)
	require.NoError(t, err)
	assert.Equal(t, "before", string(content))
	assert.Implements(t, (*io.ReaderAt)(nil), file)
	assert.Implements(t, (*io.Seeker)(nil), file)
}

func TestMemoryAppendsOfTwo(t *testing.T) {
	t.Parallel()
	m := NewMemory()
	put(t, m, "log", "")
	first, err := m.Create("log", os.O_APPEND, 0, nil)
	require.NoError(t, err)
	_, err = io.WriteString(first, "first ")
	require.NoError(t, err)
	require.NoError(t, write(m, "log", os.O_APPEND, "second "))
	require.NoError(t, first.Commit())
	assert.Equal(t, "second first ", get(t, m, "log"))
}

func TestMemoryStaysInsideToo(t *testing.T) {
	t.Parallel()
	m := NewMemory()
	for _, name := range hostile {
		everything(m, name)
	}
	assert.ErrorIs(t, m.Mkdir(strings.Repeat("x", 256), nil), syscall.ENAMETOOLONG)
}
