package conn

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSendFile(t *testing.T) {
	t.Parallel()
	content := text(20 << 20)
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	for name, most := range map[string]int64{"all": 0, "a part": 9 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, err := os.Open(path)
			require.NoError(t, err)
			defer file.Close()
			here, there := tcpPair(t)
			got := make(chan []byte)
			go func() {
				b, _ := io.ReadAll(there)
				got <- b
			}()
			const before = 1 << 20
			_, err = here.ReadFrom(&io.LimitedReader{R: file, N: before}) // as Go sends it
			require.NoError(t, err)
			sent := int64(0)
			done, err := SendFile(t.Context(), here, file, most, func(n int64) { sent += n })
			assert.True(t, done)
			assert.NoError(t, err)
			here.Close()
			want := content
			if most > 0 {
				want = content[:before+most]
			}
			assert.EqualValues(t, len(want)-before, sent)
			assert.True(t, bytes.Equal(want, <-got))
		})
	}
}

// A client that takes nothing keeps no thread when the transfer is given up.
func TestSendFileIsGivenUp(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	require.NoError(t, err)
	defer file.Close()
	require.NoError(t, file.Truncate(1<<30))
	here, _ := tcpPair(t)
	ctx, cancel := context.WithCancel(t.Context())
	done, err := SendFile(ctx, here, file, 0, func(int64) { cancel() })
	assert.True(t, done)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestSendFileOfOthers(t *testing.T) {
	t.Parallel()
	here, _ := tcpPair(t)
	done, err := SendFile(t.Context(), here, bytes.NewReader(nil), 0, nil)
	assert.False(t, done)
	assert.NoError(t, err)
	a, _ := net.Pipe()
	done, _ = SendFile(t.Context(), a, os.Stdin, 0, nil)
	assert.False(t, done)
}
