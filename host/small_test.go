package host

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSmallFiles(t *testing.T) {
	t.Parallel()
	content := make([]byte, maxSmall+10)
	for i := range content {
		content[i] = byte(i * 7)
	}
	for name, c := range map[string]struct {
		size, offset int64
		grows        bool
		small        bool
	}{
		"empty":            {0, 0, false, true},
		"small":            {100, 0, false, true},
		"from its middle":  {100, 60, false, true},
		"from behind":      {100, 200, false, true},
		"as large as may":  {maxSmall, 0, false, true},
		"too large":        {maxSmall + 1, 0, false, false},
		"the end of large": {maxSmall + 10, 10, false, true},
		"growing":          {100, 20, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "file")
			require.NoError(t, os.WriteFile(path, content[:c.size], 0o600))
			file, err := os.Open(path)
			require.NoError(t, err)
			_, err = file.Seek(c.offset, io.SeekStart)
			require.NoError(t, err)
			info, err := file.Stat()
			require.NoError(t, err)
			want := content[min(c.offset, c.size):c.size]
			if c.grows {
				require.NoError(t, os.WriteFile(path, content, 0o600))
				want = content[c.offset:]
			}
			s := &Server{}
			opened := s.small(file, info, c.offset)
			_, small := opened.(*smallFile)
			assert.Equal(t, c.small, small)
			if small {
				assert.ErrorIs(t, file.Close(), fs.ErrClosed)
				assert.EqualValues(t, maxSmall, s.smallBytes.Load())
			}
			got, err := io.ReadAll(opened)
			assert.NoError(t, err)
			assert.Equal(t, want, got)
			assert.NoError(t, opened.Close())
			assert.Zero(t, s.smallBytes.Load())
		})
	}
}

// The memory of small files is bounded: beyond that they stay files.
func TestSmallFilesAreBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
	s := &Server{}
	s.smallBytes.Store(mostSmall)
	file, err := os.Open(path)
	require.NoError(t, err)
	info, err := file.Stat()
	require.NoError(t, err)
	opened := s.small(file, info, 0)
	assert.Same(t, file, opened)
	opened.Close()
	assert.EqualValues(t, mostSmall, s.smallBytes.Load())
}
