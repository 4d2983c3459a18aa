package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wasiftp/host"
)

func TestRates(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]host.Rates{
		"0": {}, "4096": {Up: 4096, Down: 4096}, "512k:10M": {Up: 512 << 10, Down: 10 << 20}, "0:1G": {Down: 1 << 30},
		"1T:0": {Up: 1 << 40},
	} {
		o := parse(t, "--rate="+text, "--rate-per-user="+text, "--rate-per-session="+text)
		if l := o.config.Limits; l.Rates != want || l.RatesPerSession != want || o.ratesPerUser != want {
			t.Errorf("%s: %+v, %+v and %+v", text, l.Rates, l.RatesPerSession, o.ratesPerUser)
		}
	}
	for _, text := range []string{":", "1:", ":1", "1:2:3", "-1", "M", "10X", "10 M", "9999999999T", "1.5M"} {
		code, _, stderr := run(t, nil, "--rate-per-user="+text)
		if code != exitUsage || !strings.Contains(stderr, "--rate-per-user: ") || !strings.Contains(stderr, "512k:10M") {
			t.Errorf("%q: exit code %d, %s", text, code, stderr)
		}
	}
}

// TestRatePerUser: the sessions of a user share its rate, another user has another.
func TestRatePerUser(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	content := strings.Repeat("x", 40<<10)
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := start(t, "--root", root, "--user=u:p:rw", "--user=v:p:ro", "--rate-per-user=0:64k")
	began, done := time.Now(), make(chan struct{})
	for _, name := range []string{"a", "b"} {
		d := s.dial()
		d.login("u", "p")
		data := d.data(s.addr)
		d.do(150, "RETR "+name)
		go func() {
			defer func() { done <- struct{}{} }()
			if got, err := io.ReadAll(data); err != nil || string(got) != content {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		}()
	}
	<-done
	<-done
	// 80 KiB at 64 KiB a second, less what may go at once.
	if took := time.Since(began); took < 800*time.Millisecond {
		t.Errorf("80 KiB took %v", took)
	}
}
