package tests

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

// TestManyLongDownloads: long downloads are whole, also when so many run that they wait in
// the kernel, and from any offset; one that is given up among them ends.
func TestManyLongDownloads(t *testing.T) {
	t.Parallel()
	folder, err := fsbridge.OpenDir(t.TempDir(), fsbridge.DirOptions{})
	require.NoError(t, err)
	_, network := serve(t, host.Config{Authenticator: accounts(folder)})
	content := script.Bytes(24 << 20)
	require.NoError(t, putFile(folder, "long", content, past))
	stalled := login(t, network, "u")
	stalled.data()
	require.Equal(t, 150, stalled.do("RETR long"))
	var clients sync.WaitGroup
	for i := range 6 {
		c := login(t, network, "u")
		clients.Go(func() {
			offset := i << 20
			c.do(fmt.Sprint("REST ", offset))
			d := c.data()
			assert.Equal(t, 150, c.do("RETR long"))
			got, err := io.ReadAll(d)
			assert.NoError(t, err)
			assert.True(t, bytes.Equal(content[offset:], got), "from %d: %d bytes", offset, len(got))
			assert.Equal(t, 226, c.reply().Code)
		})
	}
	clients.Wait()
	require.Equal(t, 426, stalled.do("ABOR"))
	require.Equal(t, 226, stalled.reply().Code)
	stalled.alive()
}
