package tests

import (
	"bufio"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"wasiftp/tests/script"
)

// program builds wasiftpd once, and returns its path.
var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(temporary, "wasiftpd")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	build := exec.Command("go", "build", "-o", path, "wasiftp/cmd/wasiftpd")
	build.Stderr = os.Stderr
	return path, build.Run()
})

// startProgram runs wasiftpd on a folder, with the accounts of this package,
// until the test ends.
func startProgram(t testing.TB, root string) script.Network {
	t.Helper()
	path, err := program()
	require.NoError(t, err)
	args := []string{"serve", "--root", root, "--listen", "127.0.0.1:0", "--cache-dir", filepath.Join(temporary, "program"),
		"--anonymous", "ro", "--user", "u:p:rw", "--user", "ro:p:ro", "--users", administrators(t, path),
		"--allow", "site-copy,site-symlink", "--allow", "site-rmdir,comb"}
	families := 1
	if hasIPv6() {
		args = append(args, "--listen", "[::1]:0")
		families++
	}
	lines := launch(t, exec.Command(path, args...))

	var network script.Network
	for range families {
		require.True(t, lines.Scan(), "the program says no address")
		u, err := url.Parse(lines.Text())
		require.NoError(t, err)
		at, err := netip.ParseAddrPort(u.Host)
		require.NoError(t, err)
		if at.Addr().Is4() {
			network.IPv4 = at
		} else {
			network.IPv6 = at
		}
	}
	return network
}

// launch runs a command until the test ends, and scans its standard output.
func launch(t testing.TB, command *exec.Cmd) *bufio.Scanner {
	t.Helper()
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	command.Stderr = &logged{t: t}
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
	})
	return bufio.NewScanner(stdout)
}

// administrators is the path of a users file with one administrator, made by the program.
func administrators(t testing.TB, program string) string {
	t.Helper()
	command := exec.Command(program, "passwd", "admin", "--rights", "rw,admin")
	command.Stdin = strings.NewReader("p\n")
	line, err := command.Output()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "users")
	require.NoError(t, os.WriteFile(file, line, 0o600))
	return file
}

// logged is what the program logs, for the report of a test that fails.
type logged struct {
	t    testing.TB
	once sync.Once
	mu   sync.Mutex
	text []byte
}

func (l *logged) Write(p []byte) (int, error) {
	l.once.Do(func() {
		l.t.Cleanup(func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.t.Failed() {
				l.t.Logf("the program's log:\n%s", l.text)
			}
		})
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	return len(p), nil
}
