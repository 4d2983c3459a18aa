package tests

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

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

// serving makes a command that serves on an address known beforehand, since the line that
// announces it may be lost. redirect is in the shell's syntax.
func serving(t *testing.T, redirect string, args ...string) *launched {
	t.Helper()
	path, err := program()
	require.NoError(t, err)
	ip := netip.AddrFrom4([4]byte{127, byte(1 + rand.IntN(250)), byte(rand.IntN(256)), byte(1 + rand.IntN(250))})
	address := netip.AddrPortFrom(ip, 2121)
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

// stop ends the program as a service manager does, and checks its exit code.
func (l *launched) stop() {
	l.t.Helper()
	require.NoError(l.t, l.command.Process.Signal(syscall.SIGTERM))
	require.NoError(l.t, l.command.Wait(), "it did not end well")
}

// use makes a session whose actions are logged.
func (l *launched) use() {
	l.t.Helper()
	c := login(l.t, l.network, "u")
	require.Equal(l.t, 226, c.store("STOR f", "bytes"))
	content, code := c.get("RETR f")
	require.Equal(l.t, 226, code)
	require.Equal(l.t, "bytes", string(content))
	require.Equal(l.t, 221, c.do("QUIT"))
}

// TestReaderGone: whoever reads stdout or stderr may end. The server goes on without it.
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

// TestNoRoomForLog: the server goes on if the disk of its log is full. A standard
// descriptor that was closed never becomes a client's file or connection.
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
				target, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", l.command.Process.Pid, fd))
				require.NoError(t, err)
				assert.Regexp(t, `^(/dev/|pipe:)`, target, "descriptor %d", fd)
			}
			l.stop()
		})
	}
}

// TestPipelineOfCommands: a command that prints and ends is ended by SIGPIPE when its
// reader is gone, as in any pipeline.
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

// TestServiceWithoutHome: systemd gives a service no HOME, and folders of its
// own by variables, with mode 0755.
func TestServiceWithoutHome(t *testing.T) {
	t.Parallel()
	state, cache := t.TempDir(), t.TempDir()
	require.NoError(t, os.Chmod(state, 0o755))
	require.NoError(t, os.Chmod(cache, 0o755))
	path, err := program()
	require.NoError(t, err)
	for range 2 { // it starts again, with what it has kept
		command := exec.Command(path, "--listen", "127.0.0.1:0", "--root", t.TempDir(), "--tls", "self-signed")
		command.Env = []string{"STATE_DIRECTORY=" + state + ":/other", "CACHE_DIRECTORY=" + cache}
		said := launch(t, command)
		require.True(t, said.Scan(), "it announces nothing")
		assert.Contains(t, said.Text(), "(AUTH TLS)")
		require.NoError(t, command.Process.Signal(syscall.SIGTERM))
		for said.Scan() {
		}
	}
	assert.FileExists(t, filepath.Join(state, "self-signed.pem"))
	assert.DirExists(t, filepath.Join(cache, "compiled"))
}

// TestStopWhileStarting: compiling may take a minute, and a file may never come. SIGTERM
// ends a server at once that does not serve yet.
func TestStopWhileStarting(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "users")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	path, err := program()
	require.NoError(t, err)
	command := exec.Command(path, "--users", pipe)
	require.NoError(t, command.Start())
	writer, err := os.OpenFile(pipe, os.O_WRONLY, 0) // once it reads
	require.NoError(t, err)
	defer writer.Close()
	require.NoError(t, command.Process.Signal(syscall.SIGTERM))
	command.Wait()
	assert.Equal(t, syscall.SIGTERM, command.ProcessState.Sys().(syscall.WaitStatus).Signal())
}

// TestThreat36SilentConnections: where each session has an instance of its own, it has
// none before its client speaks.
func TestThreat36SilentConnections(t *testing.T) {
	t.Parallel()
	l := serving(t, ">/dev/null 2>&1", "--sessions-per-instance", "1", "--max-sessions-per-address", "200")
	l.start()
	connect(t, l.network) // it listens before the engine is there
	before := l.settled()
	var silent []*talk
	for range 100 {
		silent = append(silent, connect(t, l.network))
	}
	grown := l.settled() - before
	t.Logf("100 silent connections take %d KiB", grown)
	assert.Less(t, grown, 8<<10)
	if testing.Verbose() {
		for _, c := range silent {
			require.Equal(t, 331, c.do("USER u"))
		}
		t.Logf("100 that have said USER take %d KiB", l.settled()-before)
	}
	require.Equal(t, 331, silent[0].do("USER u"))
	require.Equal(t, 230, silent[0].do("PASS p"))
}

// settled is the process's memory in KiB, its share of what it shares (PSS), once that stays
// as it is: what the start has used goes back to the system.
func (l *launched) settled() (kib int) {
	l.t.Helper()
	const same, times = 256, 5
	steady, before := 0, 0
	require.Eventually(l.t, func() bool {
		kib = l.share()
		if steady++; max(kib-before, before-kib) > same {
			steady, before = 0, kib
		}
		return steady == times
	}, script.Patience, 200*time.Millisecond)
	return kib
}

// share is the process's memory but for pages of files: of these it has the less the more
// other servers run, as other tests start and end them.
func (l *launched) share() (kib int) {
	l.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", l.command.Process.Pid))
	require.NoError(l.t, err)
	_, rest, _ := strings.Cut(string(b), "\nPss_Anon:")
	_, err = fmt.Sscan(rest, &kib)
	require.NoError(l.t, err)
	return kib
}

// TestThreat40LogIsNotRead: 10,000 lines stop nobody while none is read, and the log
// says later how many are missing.
func TestThreat40LogIsNotRead(t *testing.T) {
	t.Parallel()
	l := serving(t, "")
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { reader.Close() })
	l.command.Stderr = writer
	l.start()
	require.NoError(t, writer.Close())
	const sessions, changes, transfers = 4, 2400, 100
	var all sync.WaitGroup
	for n := range sessions {
		c := login(t, l.network, "u")
		require.Equal(t, 226, c.store("STOR f"+decimal(n), "bytes"))
		all.Go(func() {
			go io.WriteString(c.control, strings.Repeat("SITE CHMOD 600 f"+decimal(n)+"\r\n", changes))
			for range changes {
				if code := c.reply().Code; code != 200 {
					t.Errorf("SITE CHMOD: %d", code)
					return
				}
			}
			for range transfers {
				if content, code := c.get("RETR f" + decimal(n)); code != 226 || string(content) != "bytes" {
					t.Errorf("RETR gives %q, %d", content, code)
					return
				}
			}
			c.do("QUIT")
		})
	}
	all.Wait()
	var log bytes.Buffer
	read := make(chan error, 1)
	go func() {
		_, err := io.Copy(&log, reader)
		read <- err
	}()
	l.use()
	l.stop()
	require.NoError(t, <-read)
	told, missing := 0, 0
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, " user=u") {
			told++
		}
		if _, count, found := strings.Cut(line, " lines="); found {
			n, err := strconv.Atoi(strings.TrimSpace(count))
			require.NoError(t, err)
			missing += n
		}
	}
	assert.Positive(t, missing, "nothing was dropped:\n%s", log.String())
	assert.Equal(t, sessions*(changes+transfers+3)+4, told+missing)
}
