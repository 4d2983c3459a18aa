//go:build unix

package tests

import (
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/tests/script"
)

// hungUp starts the program with a users file that is a pipe. It writes line to the pipe
// only after a SIGHUP, which thus comes before anything is set up.
func hungUp(t *testing.T, line []byte) (*exec.Cmd, script.Network) {
	t.Helper()
	path, err := program()
	require.NoError(t, err)
	users := filepath.Join(t.TempDir(), "users")
	require.NoError(t, syscall.Mkfifo(users, 0o600))
	command := exec.Command(path, "--root", t.TempDir(), "--listen", "127.0.0.1:0", "--users", users,
		"--cache-dir", filepath.Join(temporary, "program"))
	lines := launch(t, command)
	pipe, err := os.OpenFile(users, os.O_WRONLY, 0) // waits for the reader
	require.NoError(t, err)
	require.NoError(t, command.Process.Signal(syscall.SIGHUP))
	_, err = pipe.Write(line)
	require.NoError(t, err)
	require.NoError(t, pipe.Close())
	require.True(t, lines.Scan(), "the program has ended")
	u, err := url.Parse(lines.Text())
	require.NoError(t, err)
	at, err := netip.ParseAddrPort(u.Host)
	require.NoError(t, err)
	return command, script.Network{IPv4: at}
}

// A SIGHUP does not end the program, whether it has certificates or not, nor when
// it comes before anything is set up.
func TestHangupOfTheProgram(t *testing.T) {
	t.Parallel()
	path, err := program()
	require.NoError(t, err)
	passwd := exec.Command(path, "passwd", "u")
	passwd.Stdin = strings.NewReader("p\n")
	line, err := passwd.Output()
	require.NoError(t, err)
	command, network := hungUp(t, line)
	c := login(t, network, "u")
	for range 20 {
		require.NoError(t, command.Process.Signal(syscall.SIGHUP))
		c.alive()
	}
	login(t, network, "u")
	require.NoError(t, command.Process.Signal(syscall.SIGTERM))
	assert.Equal(t, 421, c.reply().Code)
}
