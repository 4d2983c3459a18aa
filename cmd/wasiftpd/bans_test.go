package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"wasiftp/host/bans/banstore"
)

// curl is how to log in to a server by curl, from a loopback address. It returns curl's exit
// code.
func (s *running) curl(password, from string) int {
	s.t.Helper()
	path := tool(s.t, "curl")
	args := []string{"-sS", "--noproxy", "*", "--user", "ann:" + password, "ftp://" + s.addr + "/"}
	if from != "" {
		args = append([]string{"--interface", from}, args...)
	}
	cmd := exec.Command(path, args...)
	cmd.Run()
	return cmd.ProcessState.ExitCode()
}

// Guesses by curl end in a ban, of which one line tells with its end. The user logs in from
// elsewhere meanwhile, and from here when the ban is over.
func TestBan(t *testing.T) {
	t.Parallel()
	s := start(t, "--root", t.TempDir(), "--user", "ann:secret", "--ban-after", "3/1m", "--ban-time", "15s",
		"--state-dir", t.TempDir())
	var guesses sync.WaitGroup
	for range 8 {
		guesses.Go(func() { s.curl("wrong", "") })
	}
	guesses.Wait()
	if s.curl("secret", "") == 0 {
		t.Errorf("the address is not banned:\n%s", s.log)
	}
	if runtime.GOOS == "linux" {
		if code := s.curl("secret", "127.0.0.78"); code != 0 {
			t.Errorf("elsewhere curl ends with %d\n%s", code, s.log)
		}
	}
	log := s.log.until("msg=banned")
	if n := strings.Count(log, "msg=banned network=127.0.0.1/32 failures=4 until=20"); n != 1 {
		t.Errorf("%d lines tell of the ban:\n%s", n, log)
	}
	for began := time.Now(); s.curl("secret", "") != 0; {
		if time.Since(began) > time.Minute {
			t.Fatal("the ban does not end")
		}
	}
}

// Addresses that are denied get 421.
func TestDenyFrom(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--deny-from", "127.0.0.0/8"}, {"--allow-from", "192.0.2.0/24,2001:db8::/32"}} {
		s := start(t, append(args, "--root", t.TempDir(), "--user", "ann:secret")...)
		if code := s.curl("secret", ""); code == 0 {
			t.Errorf("%q: curl logs in", args)
		}
		s.log.until("no client may connect from this address")
	}
}

// A ban outlives a restart. wasiftpd bans lists, ends and begins bans while the server runs.
func TestBansCommand(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	args := []string{"--root", t.TempDir(), "--user", "ann:secret", "--ban-after", "1/1m", "--ban-time", "1m", "--state-dir", state}
	bans := func(words ...string) string {
		t.Helper()
		code, stdout, stderr := run(t, nil, append([]string{"bans", "--state-dir", state}, words...)...)
		if code != 0 {
			t.Errorf("bans %v: exit code %d, %s", words, code, stderr)
		}
		return stdout
	}
	s := start(t, args...)
	for range 2 {
		s.curl("wrong", "")
	}
	s.log.until("msg=banned")
	s.interrupt()
	if code := s.wait(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, s.log)
	}

	s = start(t, args...)
	if s.curl("secret", "") == 0 {
		t.Errorf("the restart has ended the ban:\n%s", s.log)
	}
	if list := bans(); !strings.HasPrefix(list, "127.0.0.1/32  until ") || !strings.HasSuffix(list, "  2 failures, ban 1\n") {
		t.Errorf("the list is %q", list)
	}
	until := func(banned bool) {
		t.Helper()
		for began := time.Now(); (s.curl("secret", "") != 0) != banned; {
			if time.Since(began) > time.Minute {
				t.Fatalf("banned is not %t:\n%s", banned, s.log)
			}
		}
	}
	if out := bans("clear", "127.0.0.1"); out != "bans ended: 1\n" {
		t.Errorf("clear prints %q", out)
	}
	until(false)
	bans("add", "127.0.0.0/8", "--for", "1h")
	until(true)
	if out := bans("clear", "all"); out != "bans ended: 1\n" {
		t.Errorf("clear all prints %q", out)
	}
	until(false)
	if list := bans(); list != "" {
		t.Errorf("the list is %q", list)
	}
	for _, words := range [][]string{
		{"clear"}, {"clear", "x"}, {"add"}, {"add", "1.2.3.4/8"}, {"add", "::1", "--for", "0"}, {"lift"},
	} {
		if code, _, stderr := run(t, nil, append([]string{"bans", "--state-dir", state}, words...)...); code != exitUsage {
			t.Errorf("bans %v: exit code %d, %s", words, code, stderr)
		}
	}
	code, _, stderr := run(t, nil, "bans", "--state-dir", t.TempDir())
	if code != exitFailure || !strings.Contains(stderr, "--state-dir") {
		t.Errorf("without a server: exit code %d, %s", code, stderr)
	}
}

// A disk that spoils the bans does not keep the server down, and without --ban-after none are
// kept.
func TestBansOfABrokenDisk(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	write(t, state, banstore.File, strings.Repeat("spoilt ", 1000))
	start(t, "--root", t.TempDir(), "--state-dir", state)
	if _, err := os.Stat(filepath.Join(state, banstore.File+banstore.Aside)); err == nil {
		t.Error("without --ban-after the file was looked at")
	}
	s := start(t, "--root", t.TempDir(), "--state-dir", state, "--ban-after", "1/1m")
	s.log.until("bans begin anew")
	s.dial()

	nowhere := write(t, t.TempDir(), "file", "")
	s = start(t, "--root", t.TempDir(), "--state-dir", nowhere, "--ban-after", "1/1m")
	s.log.until("bans end with the server")
	s.dial()
}
