package tests

import (
	"bytes"
	"compress/zlib"
	"io"
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
)

// zeros are n bytes of zeros, compressed.
func zeros(n int) []byte {
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	for piece := make([]byte, 1<<20); n > 0; n -= len(piece) {
		z.Write(piece)
	}
	z.Close()
	return out.Bytes()
}

// A compressed upload is counted by its expanded size, and one that is cut short is
// aborted.
func TestThreat28CompressionBombs(t *testing.T) {
	t.Parallel()
	files := fsbridge.NewMemory()
	files.Capacity = 8 << 20
	observed := &events{}
	_, network := serve(t, host.Config{Authenticator: accounts(files), Observer: observed})
	c := login(t, network, "u")
	require.Equal(t, 200, c.do("MODE Z"))

	bomb := zeros(1 << 30)
	assert.Equal(t, 452, c.store("STOR bomb", string(bomb)))
	_, err := files.Stat("bomb")
	assert.Error(t, err)

	whole := zeros(1 << 20)
	for _, cut := range []int{1, 2, 10, len(whole) - 4, len(whole) - 1} {
		assert.Equal(t, 426, c.store("STOR cut", string(whole[:cut])), cut)
	}
	_, err = files.Stat("cut")
	assert.Error(t, err)
	eventually(t, "not every upload that failed is told", func() bool { return len(observed.of(host.UploadFailed)) == 6 })

	assert.Equal(t, 226, c.store("STOR whole", string(whole)))
	assert.EqualValues(t, 1<<20, observed.of(host.Uploaded)[0].Bytes, "counted as they are in the file")
	c.alive()
}

// bottomless takes uploads of any size.
type bottomless struct{ *fsbridge.Memory }

func (bottomless) Create(string, int, int64, *fs.FileMode) (fsbridge.Upload, error) {
	return discarded{io.Discard}, nil
}

type discarded struct{ io.Writer }

func (discarded) Commit() error { return nil }
func (discarded) Abort() error  { return nil }

// ABOR ends a compressed upload that expands for long.
func TestThreat28AbortedBomb(t *testing.T) {
	t.Parallel()
	_, network := serve(t, host.Config{Authenticator: accounts(bottomless{fsbridge.NewMemory()})})
	c := login(t, network, "u")
	bomb := zeros(1 << 30)
	require.Equal(t, 200, c.do("MODE Z"))
	for _, representation := range []string{"TYPE I", "TYPE A"} {
		require.Equal(t, 200, c.do(representation))
		d := c.data()
		require.Equal(t, 150, c.do("STOR bomb"))
		go func() {
			for _, err := d.Write(bomb); err == nil; {
				_, err = d.Write(bomb)
			}
		}()
		began := time.Now()
		assert.Equal(t, 426, c.do("ABOR"))
		assert.Equal(t, 226, c.reply().Code)
		assert.Less(t, time.Since(began), 5*time.Second)
	}
	c.alive()
}
