package host

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
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

// full is an upload to a disk that is full.
type full struct {
	fsbridge.Upload
	aborted, committed int
}

func (*full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }
func (f *full) Abort() error            { f.aborted++; return nil }
func (f *full) Commit() error           { f.committed++; return nil }

// The bytes of a small upload are written where it is committed. If they can't be, it has
// failed.
func TestSmallUploadOnFullDisk(t *testing.T) {
	t.Parallel()
	s, _ := asker(t, Config{})
	to := &full{}
	s.server.threads.open.Try("")
	f := &openFile{session: s, upload: to}
	f.transfer = &transfer{file: f, small: &smallUpload{buffer: new([maxSmallUpload]byte), n: 10}, finished: make(chan struct{})}
	assert.ErrorIs(t, f.commit(context.Background()), syscall.ENOSPC)
	assert.Equal(t, [2]int{1, 0}, [2]int{to.aborted, to.committed})
	assert.NoError(t, f.transfer.store(), "the bytes are written twice")
}
