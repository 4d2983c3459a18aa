package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// openTerminal opens both ends of a terminal.
func openTerminal(t *testing.T) (keyboard, tty *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keyboard.Close() })
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return keyboard, tty
}

func TestPasswdAtTerminal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		typed, second string
		code          int
		want          string // on stderr
	}{
		{"secret", "secret", 0, "Password: \nAgain: \n"},
		{"secret", "Secret", 1, "the two passwords differ"},
	} {
		keyboard, tty := openTerminal(t)
		fmt.Fprintf(keyboard, "%s\n%s\n", test.typed, test.second)
		code, stdout, stderr := run(t, tty, "passwd", "alice")
		if code != test.code || !strings.Contains(stderr, test.want) || (stdout != "") != (code == 0) {
			t.Errorf("%q and %q: exit code %d, %q, %q", test.typed, test.second, code, stdout, stderr)
		}
		if code != 0 {
			continue
		}
		entries, err := parseUsers(strings.NewReader(stdout), "users")
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := entries[0].secret.matches(test.typed); !ok {
			t.Errorf("%q does not match what was typed: %v", stdout, err)
		}
	}
}

// The echo is back after an interrupt.
func TestPasswdInterrupted(t *testing.T) {
	t.Parallel()
	_, tty := openTerminal(t)
	state := func() unix.Termios {
		t.Helper()
		s, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		return *s
	}
	before := state()
	interrupt, exit := make(chan os.Signal), make(chan int)
	var stdout, stderr bytes.Buffer
	p := program{stdin: tty, stdout: &stdout, stderr: &stderr, interrupts: func() <-chan os.Signal { return interrupt }}
	go func() { exit <- p.run("passwd", "alice") }()
	for state().Lflag&unix.ECHO != 0 {
		runtime.Gosched()
	}
	interrupt <- os.Interrupt
	if code := <-exit; code != 1 || stdout.Len() != 0 || !strings.HasSuffix(stderr.String(), "wasiftpd: interrupted\n") {
		t.Errorf("exit code %d, %q, %q", code, stdout.String(), stderr.String())
	}
	if after := state(); after != before {
		t.Errorf("the terminal is %+v, was %+v", after, before)
	}
}

func TestModuleToTerminal(t *testing.T) {
	t.Parallel()
	_, tty := openTerminal(t)
	var stderr bytes.Buffer
	p := program{stdout: tty, stderr: &stderr}
	if code := p.run("module"); code != 2 || !strings.Contains(stderr.String(), "wasiftpd module wasiftp.wasm") {
		t.Errorf("exit code %d, %q", code, stderr.String())
	}
}

// On a terminal a list takes the place of the one before, as much of it as there is room for.
func TestWatchedSessionsAtTerminal(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), socketName)
	s := start(t, "--root", t.TempDir(), "--user", "ann:secret", "--admin-socket", socket)
	for range 5 {
		s.dial().login("ann", "secret")
	}
	screen, tty := openTerminal(t)
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 5, Col: 12}); err != nil {
		t.Fatal(err)
	}
	seen := newOutput()
	go io.Copy(seen, screen)
	interrupt, exit := make(chan os.Signal, 1), make(chan int)
	p := program{stdout: tty, stderr: tty, interrupts: func() <-chan os.Signal { return interrupt }}
	go func() { exit <- p.run("sessions", "--watch", "--admin-socket", socket) }()
	const list = "\x1b[H\x1b[2JID  USER  CL\r\n1   ann   12\r\n2   ann   12\r\n… and 3 more\r\n"
	seen.untilTimes(list, 2)
	interrupt <- os.Interrupt
	if code := <-exit; code != 0 {
		t.Errorf("Ctrl-C ends it with %d: %q", code, seen)
	}
}
