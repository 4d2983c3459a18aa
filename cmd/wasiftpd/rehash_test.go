package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// contentOf reads a file.
func contentOf(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// Users of Pure-FTPd and ProFTPD are imported and log in by curl: their hashes are made anew,
// the rest of the file stays as it was, and so do the sessions that are open.
func TestRehashOfImported(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pure := write(t, dir, "pureftpd.passwd", "ann:"+foreign["scrypt"]+":1000:1000::"+dir+"/./::::::::::::\n")
	pro := write(t, dir, "ftpd.passwd", "bob:"+foreign["md5-crypt"]+":1000:1000::"+dir+":/bin/false\n")
	_, first, _ := run(t, nil, "import", "pure-ftpd", pure, "--users-file", "--rights", "rw")
	_, second, _ := run(t, nil, "import", "proftpd", pro, "--users-file")
	before := "\ufeff# ours\r\n" + strings.TrimSuffix(first, "\n") + ":charset=Big5\n" + second + "cat:*::ro\n# end"
	users := write(t, folder(t, filepath.Join(dir, "etc")), "users", before)
	if runtime.GOOS != "windows" {
		if err := os.Chmod(users, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	mode := modeOf(t, users)
	written(t, users)
	s := start(t, "--root", dir, "--users", users, "--rehash")
	open := s.admitted("ann", "secret")
	others := s.admitted("bob", "secret")
	logsIn := func(user string) {
		t.Helper()
		if out, ok := curl(t, "--user", user+":secret", "ftp://"+s.addr+"/"); !ok {
			t.Errorf("%s: %s", user, out)
		}
	}
	logsIn("ann")
	s.log.until("made anew by argon2id\" user=ann")
	s.log.until("users file loaded")
	logsIn("ann")
	s.refused("ann", "secre")
	open.do(200, "NOOP")
	logsIn("bob")
	s.log.until("made anew by argon2id\" user=bob")
	after := contentOf(t, users)
	found := usersOfSome(t, users, "ann", "bob")
	want := strings.NewReplacer(foreign["scrypt"], found["ann"].hash, foreign["md5-crypt"], found["bob"].hash).Replace(before)
	if after != want || weak(found["ann"].hash) || weak(found["bob"].hash) || modeOf(t, users) != mode {
		t.Errorf("the file is\n%q, want\n%q; its mode %v", after, want, modeOf(t, users))
	}
	if log := s.log.String(); strings.Contains(log, "sessions ended") || strings.Contains(log, "changed=") {
		t.Errorf("the log is\n%s", log)
	}
	// A password that is changed still ends the sessions.
	setPassword(t, users, "ann", "other", "--rights", "rw", "--root", dir)
	if log := s.log.until("changed=ann"); strings.Count(log, "made anew") != 2 {
		t.Errorf("the log is\n%s", log)
	}
	open.expect(421)
	others.do(200, "NOOP")
	logsIn("bob")
}

// usersOfSome returns the entries of users with the password "secret".
func usersOfSome(t *testing.T, file string, names ...string) map[string]entry {
	t.Helper()
	entries, err := parseUsers(strings.NewReader(contentOf(t, file)), file)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]entry{}
	for _, e := range entries {
		found[e.name] = e
	}
	for _, name := range names {
		if ok, err := found[name].secret.matches("secret"); !ok {
			t.Errorf("the password of %s does not match: %v", name, err)
		}
	}
	return found
}

// In the configuration file the bytes of the hash change, and no others.
func TestRehashInConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bcrypt, md5 := foreign["bcrypt"], foreign["md5-crypt"]
	escaped := strings.Replace(md5, "$", `\u0024`, 1)
	before := "\ufeff# é\nlisten = ['127.0.0.1:0']\nrehash = true\nroot = '.'\n" +
		"user = [{name = 'zoe', password = '" + md5 + "', rights = 'ro'}, # one\n" +
		"  {name = \"ann\", rights = 'ro', passwords = [ # two\n  '" + argonHash + "', \"" + bcrypt + "\" ], sessions = 3},\n" +
		"  {name = 'esc', rights = 'ro', password = \"" + escaped + "\"},\n" +
		"]\n"
	file := write(t, folder(t, filepath.Join(dir, "etc")), "wasiftpd.toml", before)
	written(t, file)
	s := program{}.start(t, "--config", file)
	open := s.admitted("ann", "secret")
	s.log.until("made anew by argon2id\" user=ann")
	s.admitted("esc", "secret")
	s.log.until("stays as it is")
	s.log.until("configuration loaded")
	s.admitted("ann", "secret")
	after := contentOf(t, file)
	at := strings.Index(before, bcrypt)
	hash, _, _ := strings.Cut(after[at:], `"`)
	if want := strings.Replace(before, bcrypt, hash, 1); !strings.HasPrefix(after, want[:at]) || weak(hash) {
		t.Errorf("the file is\n%s, want\n%s", after, want)
	}
	open.do(200, "NOOP")
	if log := s.log.String(); strings.Contains(log, "sessions ended") || strings.Contains(log, "changed=") {
		t.Errorf("the log is\n%s", log)
	}
}

// A file that others change meanwhile is changed only where the hash still stands.
func TestRehashOfChangedFile(t *testing.T) {
	t.Parallel()
	const old, anew = "$1$a", "$argon2id$b"
	for text, want := range map[string]string{
		"ann:$1$a:/x:rw":                        "ann:$argon2id$b:/x:rw",
		" ann:$1$a::ro:totp=A\r\nbob:*::ro\r\n": " ann:$argon2id$b::ro:totp=A\r\nbob:*::ro\r\n",
		"\ufeffann:$1$a:$1$a:rw\n":              "\ufeffann:$argon2id$b:$1$a:rw\n",
		"ann:!$1$a::ro":                         "", "ann:$1$ab::ro": "", "#ann:$1$a::ro": "", "joann:$1$a::ro\n": "",
		"": "", "ann:$1$a": "",
	} {
		if got, err := withLineHash(text, "ann", old, anew); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"[[user]]\nname = 'ann'\npassword = '$1$a' # $1$a":         "[[user]]\nname = 'ann'\npassword = '$argon2id$b' # $1$a",
		"user = {name = 'ann', password = \"\"\"$1$a\"\"\"}":       "user = {name = 'ann', password = \"\"\"$argon2id$b\"\"\"}",
		"user.name = 'ann'\nuser.passwords = ['', '''\n$1$a''']\n": "user.name = 'ann'\nuser.passwords = ['', '''\n$argon2id$b''']\n",
		"[[user]]\nname = 'bob'\npassword = '$1$a'":                "",
		"[[user]]\nname = 'ann'\npassword = '*$1$a'":               "",
		"[[user]]\nname = 'ann'\npassword = \"\\u00241$a\"":        "",
		"[defaults]\npassword = '$1$a'\n[[user]]\nname = 'ann'":    "",
		"user = [": "", "": "", "user = ['ann:$1$a']": "",
	} {
		if got, err := withTableHash(text, "ann", old, anew); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	file := write(t, t.TempDir(), "users", "1")
	n := 0
	err := changeFile(file, func(text string) (string, error) {
		if n++; n < 3 {
			write(t, filepath.Dir(file), "users", fmt.Sprint(text, n)) // somebody else
		}
		return text + "!", nil
	})
	if got := contentOf(t, file); err != nil || got != "112!" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestWeakHashes(t *testing.T) {
	t.Parallel()
	ours, err := hashPassword("secret")
	if err != nil {
		t.Fatal(err)
	}
	stronger := strings.Replace(ours, "m=19456,t=2", "m=65536,t=3", 1)
	for hash, want := range map[string]bool{
		ours: false, stronger: false, argonHash: true, strings.Replace(ours, "t=2", "t=1", 1): true, bcryptHash4: true,
		strings.Replace(ours, "argon2id", "argon2i", 1): true, "*": false, "!" + bcryptHash4: false, ours + " " + bcryptHash4: true,
	} {
		if weak(hash) != want {
			t.Errorf("%q", hash)
		}
	}
}

// Where the file can't be written, logins go on and one line tells.
func TestRehashOfReadOnlyFile(t *testing.T) {
	t.Parallel()
	needsModes(t)
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := folder(t, filepath.Join(t.TempDir(), "etc"))
	before := "ann:" + bcryptHash4 + "::ro\nbob:" + bcryptHash4 + "::ro\n"
	users := write(t, dir, "users", before)
	written(t, users)
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o700) })
	s := start(t, "--root", t.TempDir(), "--users", users, "--rehash")
	for range 2 {
		s.admitted("ann", "secret")
		s.admitted("bob", "secret")
	}
	s.log.until("hashes stay as they are")
	if log := s.log.String(); strings.Count(log, "hashes stay") != 1 || contentOf(t, users) != before {
		t.Errorf("the log is\n%s", log)
	}
}
