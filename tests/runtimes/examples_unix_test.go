//go:build unix

package runtimes

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/wasi/hosttest/kit"
)

// A data connection that is reset before the server accepts it counts as broken, and the
// server waits for no other. It cannot where the runtime does not tell whose connection
// it was.
func TestResetBeforeAccept(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere such a connection is not told of at all")
	}
	eachTarget(t, func(t *testing.T, to target) {
		if to.runtime == "Node.js" || to.name == "wasip2" || to.name == "wamr" {
			t.Skip("it does not tell whose it was")
		}
		world := to.serve(t, t.TempDir())
		require.NoError(t, world.WriteFile("file", []byte("hello"), time.Now()))
		c := login(t, world.Network, "u")
		at := port(t, c, world.Network)
		host := processOf(t)
		require.NoError(t, host.Signal(syscall.SIGSTOP))
		data := dialFrom(t, "127.0.0.1", at).(*net.TCPConn)
		require.NoError(t, data.SetLinger(0))
		require.NoError(t, data.Close())
		require.NoError(t, c.PrintfLine("RETR file"))
		began := time.Now()
		require.NoError(t, host.Signal(syscall.SIGCONT))
		code := 0
		for code < 200 {
			var err error
			code, _, err = c.ReadResponse(0)
			require.True(t, err == nil || code > 0, "%v", err)
		}
		assert.Less(t, time.Since(began), 20*time.Second, "it waits for another")
		say(t, c, 200, "NOOP")
	})
}

// A host goes on when the reader of its output ends.
func TestExamplesOutliveTheirReaders(t *testing.T) {
	t.Parallel()
	traps := regexp.MustCompile("^life: a trap ends")
	eachExample(t, func(t *testing.T, to target, command []string) {
		unread, in, err := os.Pipe()
		require.NoError(t, err)
		args := []string{"--module", "../../wasi/hosttest/hosttest.wasm", "--root", t.TempDir(), "--listen", "127.0.0.1:0",
			"--user", "u:p:rw"}
		host := exec.Command(command[0], append(command[1:len(command):len(command)], args...)...)
		host.Stderr = in
		out, err := host.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, host.Start())
		t.Cleanup(func() {
			host.Process.Kill()
			host.Wait()
		})
		in.Close()
		address := make([]byte, 100)
		n, err := out.Read(address)
		require.NoError(t, err)
		out.Close()
		unread.Close()
		network := networkOf(t, []string{strings.TrimSpace(string(address[:n]))})
		target := kit.Target{Address: network.IPv4.String(), User: "u", Password: "p"}
		for _, check := range kit.Checks() {
			if traps.MatchString(check.Name()) { // which the host logs
				for range 3 {
					check.Against(t, &target)
				}
			}
		}
	})
}

// The umask decides the permissions of new files and folders, not the host.
func TestExamplesKeepToTheUmask(t *testing.T) {
	t.Parallel()
	eachExample(t, func(t *testing.T, to target, command []string) {
		for _, mask := range []fs.FileMode{0, 0o027} {
			root := t.TempDir()
			shell := []string{"-c", fmt.Sprintf(`umask %03o; exec "$0" "$@"`, mask)}
			world := startFlagged(t, root, "sh", append(shell, command...)...)
			c := login(t, world, "u")
			data := dialFrom(t, "127.0.0.1", port(t, c, world))
			say(t, c, 150, "STOR file")
			io.WriteString(data, "hello")
			data.Close()
			_, _, err := c.ReadResponse(226)
			require.NoError(t, err)
			say(t, c, 257, "MKD folder")
			for name, all := range map[string]fs.FileMode{"file": 0o666, "folder": 0o777} {
				info, err := os.Stat(filepath.Join(root, name))
				require.NoError(t, err)
				assert.Equal(t, all&^mask, info.Mode().Perm(), name)
			}
		}
	})
}

// A listing leaves out files that cannot be described, and does not fail because of them.
func TestExamplesListWhatTheyCan(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can run a server as somebody else, who may read a folder and not search it")
	}
	eachExample(t, func(t *testing.T, to target, command []string) {
		root, err := os.MkdirTemp("", "")
		require.NoError(t, err)
		t.Cleanup(func() { os.RemoveAll(root) })
		require.NoError(t, os.Chmod(root, 0o755))
		require.NoError(t, os.Mkdir(filepath.Join(root, "closed"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, "closed", "file"), nil, 0o644))
		require.NoError(t, os.Chmod(filepath.Join(root, "closed"), 0o744))
		const nobody = 65534
		args := []string{"--root", root, "--listen", "127.0.0.1:0", "--user", "u:p:rw"}
		host := exec.Command(command[0], append(command[1:len(command):len(command)], args...)...)
		host.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		try := exec.Command(command[0], "--help")
		try.SysProcAttr = host.SysProcAttr
		if err := try.Run(); errors.Is(err, fs.ErrPermission) {
			t.Skipf("others may not run it: %v", err)
		}
		world := networkOf(t, runCommand(t, 1, host))
		c := login(t, world, "u")
		for command, want := range map[string]string{"LIST closed": "", "NLST closed": "closed/file\r\n", "MLSD closed": ""} {
			data := dialFrom(t, "127.0.0.1", port(t, c, world))
			say(t, c, 150, command)
			read(t, data, want)
			_, _, err := c.ReadResponse(226)
			require.NoError(t, err, command)
		}
	})
}
