package runtimes

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/tests/script"
)

// eachTarget runs a test with every target that can be run here.
func eachTarget(t *testing.T, test func(t *testing.T, to target)) {
	for _, to := range targets {
		t.Run(to.String(), func(t *testing.T) {
			to.here(t)
			test(t, to)
		})
	}
}

// curl is the command for a transfer with account u.
func curl(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not here; the Debian package curl has it")
	}
	return exec.Command("curl", append([]string{"-sS", "--fail", "--max-time", "120", "--user", "u:p"}, args...)...)
}

func same(t testing.TB, want []byte, path string) {
	t.Helper()
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(want, got), "%s has %d bytes of which some are others", path, len(got))
}

// A large file goes down and up byte for byte.
func TestLargeFile(t *testing.T) {
	large := script.Bytes(100 << 20)
	eachTarget(t, func(t *testing.T, to target) {
		root, home := t.TempDir(), t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(root, "large"), large, 0o644))
		base := "ftp://" + to.start(t, root).IPv4.String() + "/"
		down := filepath.Join(home, "down")
		out, err := curl(t, base+"large", "-o", down).CombinedOutput()
		require.NoError(t, err, "%s", out)
		same(t, large, down)
		out, err = curl(t, "-T", down, base+"up").CombinedOutput()
		require.NoError(t, err, "%s", out)
		same(t, large, filepath.Join(root, "up"))
	})
}

// Four clients at once each get and put files of their own.
func TestFourClients(t *testing.T) {
	const clients, size = 4, 8 << 20
	eachTarget(t, func(t *testing.T, to target) {
		root, home := t.TempDir(), t.TempDir()
		contents := script.Bytes(clients * size)
		base := "ftp://" + to.start(t, root).IPv4.String() + "/"
		content := func(i int) []byte { return contents[i*size : (i+1)*size] }
		file := func(dir, name string, i int) string { return filepath.Join(dir, fmt.Sprint(name, i)) }
		var running []*exec.Cmd
		for i := range clients {
			require.NoError(t, os.WriteFile(file(root, "down", i), content(i), 0o644))
			require.NoError(t, os.WriteFile(file(home, "up", i), content(i), 0o644))
			c := curl(t, base+fmt.Sprint("down", i), "-o", file(home, "down", i), "--next", "-sS", "--fail", "--user", "u:p",
				"-T", file(home, "up", i), base+fmt.Sprint("up", i))
			c.Stderr = os.Stderr
			require.NoError(t, c.Start())
			running = append(running, c)
		}
		for i, c := range running {
			assert.NoError(t, c.Wait())
			same(t, content(i), file(home, "down", i))
			same(t, content(i), file(root, "up", i))
		}
	})
}
