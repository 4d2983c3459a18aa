package main

import (
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// curl is how to log in to a server by curl, from a loopback address. It returns curl's exit
// code.
func (s *running) curl(password, from string) int {
	s.t.Helper()
	path, err := exec.LookPath("curl")
	if err != nil {
		s.t.Skip("curl is not installed")
	}
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
	s := start(t, "--root", t.TempDir(), "--user", "ann:secret", "--ban-after", "3/1m", "--ban-time", "15s")
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
