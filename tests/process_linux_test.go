package tests

import (
	"bufio"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/tests/script"
)

// launched is a wasiftpd whose stdout and stderr are the test's choice.
type launched struct {
	t       *testing.T
	command *exec.Cmd
	network script.Network
}

// serving makes a command that serves on an address of its own, for what it
// announces may be lost. redirect is the shell's.
func serving(t *testing.T, redirect string, args ...string) *launched {
	t.Helper()
	path, err := program()
	require.NoError(t, err)
	address := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(1 + rand.IntN(250)), byte(rand.IntN(256)), byte(1 + rand.IntN(250))}), 2121)
	words := append([]string{"-c", `exec "$0" "$@" ` + redirect, path, "serve", "--listen", address.String(), "--root", t.TempDir(),
		"--user", "u:p:rw", "--cache-dir", filepath.Join(temporary, "program")}, args...)
	return &launched{t, exec.Command("/bin/sh", words...), script.Network{IPv4: address}}
}

// start starts it and waits until it listens.
func (l *launched) start() {
	l.t.Helper()
	require.NoError(l.t, l.command.Start())
	l.t.Cleanup(func() {
		l.command.Process.Kill()
		l.command.Wait()
	})
	eventually(l.t, "it does not listen", func() bool {
		c, err := l.network.Open(4)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// stop ends it as a service manager does, and wants it to end well.
func (l *launched) stop() {
	l.t.Helper()
	require.NoError(l.t, l.command.Process.Signal(syscall.SIGTERM))
	require.NoError(l.t, l.command.Wait(), "it did not end well")
}

// use does what is logged.
func (l *launched) use() {
	l.t.Helper()
	c := login(l.t, l.network, "u")
	require.Equal(l.t, 226, c.store("STOR f", "bytes"))
	content, code := c.get("RETR f")
	require.Equal(l.t, 226, code)
	require.Equal(l.t, "bytes", string(content))
	require.Equal(l.t, 221, c.do("QUIT"))
}

// TestReaderGone: who reads stdout or stderr may end. The server goes on, and
// says no more.
func TestReaderGone(t *testing.T) {
	t.Parallel()
	for _, stream := range []string{"stdout", "stderr"} {
		t.Run(stream, func(t *testing.T) {
			t.Parallel()
			l := serving(t, "")
			reader, writer, err := os.Pipe()
			require.NoError(t, err)
			if stream == "stdout" {
				l.command.Stdout = writer
			} else {
				l.command.Stderr = writer
			}
			require.NoError(t, reader.Close())
			l.start()
			require.NoError(t, writer.Close())
			l.use()
			l.use()
			l.stop()
		})
	}
}

// TestReaderGoneLater: the same of a reader that has read the beginning.
func TestReaderGoneLater(t *testing.T) {
	t.Parallel()
	l := serving(t, "2>&1")
	stdout, err := l.command.StdoutPipe()
	require.NoError(t, err)
	l.start()
	_, err = bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, stdout.Close())
	l.use()
	l.stop()
}

// TestNoRoomForLog: a full disk takes no line, and a descriptor that is not
// there is no client's file or connection.
func TestNoRoomForLog(t *testing.T) {
	t.Parallel()
	for name, redirect := range map[string]string{
		"full": ">/dev/full 2>&1", "closed": "<&- >&- 2>&-", "stderr closed": "2>&-", "for reading only": ">/dev/null 2</dev/null",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := serving(t, redirect)
			l.start()
			l.use()
			l.use()
			for fd := range 3 {
				if target, err := os.Readlink("/proc/" + strconv.Itoa(l.command.Process.Pid) + "/fd/" + strconv.Itoa(fd)); assert.NoError(t, err) {
					assert.Regexp(t, `^(/dev/|pipe:)`, target, "descriptor %d", fd)
				}
			}
			l.stop()
		})
	}
}

// TestPipelineOfCommands: what prints and ends does end with its reader, as a
// command of a pipeline should.
func TestPipelineOfCommands(t *testing.T) {
	t.Parallel()
	path, err := program()
	require.NoError(t, err)
	command := exec.Command(path, "module")
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	_, err = io.ReadFull(stdout, make([]byte, 1))
	require.NoError(t, err)
	require.NoError(t, stdout.Close())
	command.Wait()
	status := command.ProcessState.Sys().(syscall.WaitStatus)
	assert.Equal(t, syscall.SIGPIPE, status.Signal())
}
