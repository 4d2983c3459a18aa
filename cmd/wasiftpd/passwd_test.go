package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
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
		code, line, stderr := run(t, strings.NewReader(stdin), "passwd", "alice", "--root", dir, "--rights", "ro,write",
			"--charset", "Shift_JIS")
		if code != 0 || stderr != "" {
			t.Fatalf("passwd for %q: exit code %d, %s", stdin, code, stderr)
		}
		entries, err := parseUsers(strings.NewReader(line), filepath.Join("elsewhere", "users"))
		if err != nil || len(entries) != 1 {
			t.Fatalf("%q gives %d entries, %v", line, len(entries), err)
		}
		e := entries[0]
		if e.name != "alice" || e.root != dir || e.rights != host.ReadOnly|host.RightWrite || e.charset != "Shift_JIS" {
			t.Errorf("%q gives %+v", line, e)
		}
		for try, want := range map[string]bool{password: true, password + "x": false, password[1:]: false, "": false} {
			if ok, err := e.secret.matches(try); ok != want || err != nil {
				t.Errorf("%q for %q matches: %t, %v", try, password, ok, err)
			}
		}
	}
}

// A relative root counts from the current folder.
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

// setPassword runs passwd on a users file.
func setPassword(t *testing.T, file, name, password string, args ...string) (stderr string) {
	t.Helper()
	code, stdout, stderr := run(t, strings.NewReader(password+"\n"), append([]string{"passwd", name, "--users", file}, args...)...)
	if code != 0 || stdout != "" {
		t.Fatalf("passwd %s: exit code %d, %q, %s", name, code, stdout, stderr)
	}
	return stderr
}

// usersOf returns the entries of a users file by name, and wants passwords to match them.
func usersOf(t *testing.T, file string, passwords map[string]string) map[string]entry {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	entries, err := parseUsers(f, file)
	if err != nil || len(entries) != len(passwords) {
		t.Fatalf("%d entries, %v; want %d", len(entries), err, len(passwords))
	}
	found := map[string]entry{}
	for _, e := range entries {
		if ok, err := e.secret.matches(passwords[e.name]); !ok {
			t.Errorf("the password of %s does not match: %v", e.name, err)
		}
		found[e.name] = e
	}
	return found
}

// passwd makes a users file that nobody else can read, adds to it, and changes it.
func TestPasswdUsers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "users")
	said := setPassword(t, file, "alice", "one", "--rights", "rw", "--charset", "Shift_JIS")
	if said != "User alice was added to "+file+".\n" {
		t.Errorf("stderr is %q", said)
	}
	if mode := modeOf(t, file); mode != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("the mode is %v", mode)
	}
	setPassword(t, file, "bob", "two", "--root", dir)
	if said := setPassword(t, file, "alice", "three"); said != "User alice was changed in "+file+".\n" {
		t.Errorf("stderr is %q", said)
	}
	found := usersOf(t, file, map[string]string{"alice": "three", "bob": "two"})
	a, b := found["alice"], found["bob"]
	if a.rights != host.ReadOnly || a.charset != "" || a.line != 1 || b.root != dir || b.line != 2 {
		t.Errorf("the entries are %+v", found)
	}
	if names, err := os.ReadDir(dir); len(names) != 1 || err != nil {
		t.Errorf("the folder holds %v, %v", names, err)
	}
}

// All but the user's own line stays as it is, and so do the file's mode, its owner,
// and the link that leads to it.
func TestPasswdKeeps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const before = "\ufeff# ours\r\n\r\n al:*::ro\r\nalice:*:C:\\data:rw\r\n# alice:*::ro\r\nbob:*::ro"
	real := write(t, dir, "real", before)
	file := filepath.Join(dir, "link")
	if err := os.Symlink("real", file); err != nil {
		t.Skip(err) // Windows' users may not
	}
	mode := fs.FileMode(0o640)
	if runtime.GOOS == "windows" {
		mode = 0o666
	}
	if err := os.Chmod(real, mode); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(real, stranger, stranger+1); err != nil {
			t.Fatal(err)
		}
	}
	setPassword(t, file, "alice", "secret")
	setPassword(t, file, "carol", "secret")
	content, err := os.ReadFile(real)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(string(content), "\r\n")
	want := strings.Split(before, "\r\n")
	if len(got) != len(want)+2 || got[len(got)-1] != "" || strings.Count(string(content), "\n") != len(want)+1 {
		t.Fatalf("the file is %q", content)
	}
	for i, line := range want {
		switch {
		case i == 3 && !strings.HasPrefix(got[i], "alice:$argon2id$"), i != 3 && got[i] != line:
			t.Errorf("line %d is %q, was %q", i+1, got[i], line)
		}
	}
	if !strings.HasPrefix(got[len(want)], "carol:$argon2id$") {
		t.Errorf("the last line is %q", got[len(want)])
	}
	info, err := os.Lstat(file)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 || modeOf(t, real) != mode {
		t.Errorf("the link is %v, %v; the mode %v", info, err, modeOf(t, real))
	}
	info, err = os.Stat(real)
	if err != nil {
		t.Fatal(err)
	}
	if uid, gid, known := owners(info); known && os.Geteuid() == 0 && (uid != stranger || gid != stranger+1) {
		t.Errorf("it belongs to %d:%d", uid, gid)
	}
}

// A byte order mark stays before the first line.
func TestPasswdByteOrderMark(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"alice:*::ro", "alice:*::ro\n"} {
		with, replaced := withLine(byteOrderMark+line, "alice", "new")
		if want := byteOrderMark + "new" + strings.TrimPrefix(line, "alice:*::ro"); with != want || !replaced {
			t.Errorf("%q becomes %q, want %q", line, with, want)
		}
	}
	with, replaced := withLine("bob:*::ro\nalice:1::ro\nalice:2::ro\n", "alice", "new")
	if with != "bob:*::ro\nnew\n" || !replaced {
		t.Errorf("two lines become %q", with)
	}
}

func TestPasswdUsersFault(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "missing", "users")
	code, stdout, stderr := run(t, strings.NewReader("secret\n"), "passwd", "alice", "--users", file)
	says := strings.Contains(stderr, "cannot write the users file: ") && strings.Contains(stderr, "nothing was changed")
	if code != 1 || stdout != "" || !says {
		t.Errorf("exit code %d, %q, %s", code, stdout, stderr)
	}
}

// passwd warns if everybody can read or write the hashes.
func TestPasswdWarns(t *testing.T) {
	t.Parallel()
	needsModes(t)
	dir := t.TempDir()
	for mode, warned := range map[fs.FileMode]bool{0o600: false, 0o640: false, 0o644: true, 0o602: true} {
		file := write(t, dir, "users", "")
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if said := setPassword(t, file, "alice", "secret"); strings.Contains(said, "Warning: ") != warned {
			t.Errorf("%v: stderr is %q", mode, said)
		}
		f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		var stderr strings.Builder
		p := program{stdin: strings.NewReader("secret\n"), stdout: f, stderr: &stderr}
		if code := p.run("passwd", "bob"); code != 0 || strings.Contains(stderr.String(), "Warning: ") != warned {
			t.Errorf("%v: exit code %d, stderr is %q", mode, code, stderr.String())
		}
		f.Close()
		usersOf(t, file, map[string]string{"alice": "secret", "bob": "secret"})
	}
}
