package main

import (
	"path/filepath"
	"strings"
	"testing"

	"wasiftp/host"
)

// What passwd prints is what serve reads.
func TestPasswd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for stdin, password := range map[string]string{
		"secret\n": "secret", "secret": "secret", "a:b c \r\n": "a:b c ", "pässwörd\nmore\n": "pässwörd",
	} {
		code, line, stderr := run(t, strings.NewReader(stdin), "passwd", "alice", "--root", dir, "--rights", "ro,write", "--charset", "Shift_JIS")
		if code != 0 || stderr != "" {
			t.Fatalf("passwd for %q: exit code %d, %s", stdin, code, stderr)
		}
		entries, err := parseUsers(strings.NewReader(line), filepath.Join("elsewhere", "users"))
		if err != nil || len(entries) != 1 {
			t.Fatalf("%q gives %d entries, %v", line, len(entries), err)
		}
		e := entries[0]
		if e.name != "alice" || e.root != dir || e.rights != host.ReadOnly|host.Write || e.charset != "Shift_JIS" {
			t.Errorf("%q gives %+v", line, e)
		}
		for try, want := range map[string]bool{password: true, password + "x": false, password[1:]: false, "": false} {
			if ok, err := e.secret.matches(try); ok != want || err != nil {
				t.Errorf("%q for %q matches: %t, %v", try, password, ok, err)
			}
		}
	}
}

// A relative folder is counted from where the person is.
func TestPasswdRoot(t *testing.T) {
	t.Parallel()
	want, err := filepath.Abs("sub")
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := run(t, strings.NewReader("secret\n"), "passwd", "alice", "--root", "sub")
	if !strings.HasSuffix(line, ":"+want+":ro\n") {
		t.Errorf("the line is %q, want the folder %s", line, want)
	}
}
