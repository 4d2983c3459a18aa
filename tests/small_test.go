package tests

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/host"
)

// TestSmallUploads: an upload is whole whether it is small, large or slow, and wherever it
// grows too large or too slow for the shard.
func TestSmallUploads(t *testing.T) {
	t.Parallel()
	for name, root := range roots(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testSmallUploads(t, root)
		})
	}
}

// roots are directories on disks that the host treats differently.
func roots(t *testing.T) map[string]string {
	roots := map[string]string{"disk": t.TempDir()}
	if memory, err := os.MkdirTemp("/dev/shm", "wasiftp-test-"); err == nil { // on Linux
		t.Cleanup(func() { os.RemoveAll(memory) })
		roots["memory"] = memory
	}
	return roots
}

func testSmallUploads(t *testing.T, root string) {
	const small = 64 << 10
	_, network := serve(t, host.Config{Authenticator: accounts(openFolder(t, root))})
	c := login(t, network, "u")
	for _, pieces := range [][]int{
		{0}, {1}, {small - 1}, {small}, {small + 1}, {3 * small}, {1, 1}, {1, small}, {small, 1}, {small - 1, 1}, {10, 3 * small, 10},
	} {
		for _, verb := range []string{"STOR", "APPE"} {
			require.NoError(t, os.WriteFile(root+"/file", []byte("before"), 0o644))
			var want strings.Builder
			if verb == "APPE" {
				want.WriteString("before")
			}
			d := c.data()
			require.Equal(t, 150, c.do(verb+" file"))
			for i, n := range pieces {
				if i > 0 { // the engine may ask how far the upload is, and others see it grow
					grown := func() bool {
						info, err := os.Stat(root + "/file")
						return err == nil && info.Size() >= int64(want.Len())
					}
					require.Eventually(t, grown, 10*time.Second, time.Millisecond, "the upload does not show")
				}
				piece := strings.Repeat("abcdefg\n", n/8+1)[:n]
				io.WriteString(d, piece)
				want.WriteString(piece)
			}
			d.Close()
			assert.Equal(t, 226, c.reply().Code, "%s %v", verb, pieces)
			got, err := os.ReadFile(root + "/file")
			require.NoError(t, err)
			if want.String() != string(got) {
				t.Errorf("%s %v: %d bytes, not the %d that were sent", verb, pieces, len(got), want.Len())
			}
		}
	}
}

// What has come of a small upload stays when it is given up, and without a byte the old file.
func TestSmallUploadsGivenUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ sent, want string }{
		"before the first byte": {"", "before"},
		"behind it":             {"new", "new"},
	} {
		for disk, root := range roots(t) {
			t.Run(name+", "+disk, func(t *testing.T) {
				t.Parallel()
				testGivenUp(t, root, c.sent, c.want)
			})
		}
	}
}

func testGivenUp(t *testing.T, root, sent, want string) {
	require.NoError(t, os.WriteFile(root+"/file", []byte("before"), 0o644))
	_, network := serve(t, host.Config{Authenticator: accounts(openFolder(t, root))})
	to := login(t, network, "u")
	d := to.data()
	require.Equal(t, 150, to.do("STOR file"))
	io.WriteString(d, sent)
	if sent != "" {
		came := func() bool {
			got, err := os.ReadFile(root + "/file")
			return err == nil && string(got) == sent
		}
		require.Eventually(t, came, 10*time.Second, time.Millisecond)
	}
	assert.Equal(t, 426, to.do("ABOR"))
	assert.Equal(t, 226, to.reply().Code)
	assert.Equal(t, 213, to.do("SIZE file")) // waits for the upload's end
	got, err := os.ReadFile(root + "/file")
	require.NoError(t, err)
	assert.Equal(t, want, string(got))
}
