package runtimes

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"wasiftp/tests/script"
)

// temporary is a folder for what all tests of this package share.
var temporary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "wasiftp-runtimes")
	if err != nil {
		panic(err)
	}
	temporary = dir
	os.Setenv("WASIFTPD_ADMIN_SOCKET", "off") // all that run as root have the same usual one
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// run runs a server until the test ends, and waits for the first n lines that it
// prints: it then serves.
func run(t testing.TB, n int, path string, args ...string) (lines []string) {
	t.Helper()
	return runCommand(t, n, exec.Command(path, args...))
}

// processes has the last process that each test or benchmark has started, by the test's
// name.
var processes sync.Map

func processOf(t testing.TB) *os.Process {
	process, _ := processes.Load(t.Name())
	return process.(*os.Process)
}

func runCommand(t testing.TB, n int, command *exec.Cmd) (lines []string) {
	t.Helper()
	out, in, err := os.Pipe()
	require.NoError(t, err)
	log := &logged{}
	command.Stdout, command.Stderr = in, log
	require.NoError(t, command.Start())
	in.Close()
	processes.Store(t.Name(), command.Process)
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
		out.Close()
		if t.Failed() {
			t.Logf("%q said:\n%s", command.Args, log)
		}
	})
	scanner := bufio.NewScanner(out)
	for range n {
		require.True(t, scanner.Scan(), "%q does not say that it serves, but:\n%s", command.Args, log)
		lines = append(lines, scanner.Text())
	}
	go func() {
		for scanner.Scan() {
		}
	}()
	return lines
}

// logged is what a process writes to its standard error.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// patience is the context of a program that should end by itself.
func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), script.Patience)
	t.Cleanup(cancel)
	return ctx
}
