package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wasiftp/host"
)

// sees says whether a file is in the session's folder.
func (d dialogue) sees(name string) bool {
	d.t.Helper()
	if err := d.PrintfLine("SIZE %s", name); err != nil {
		d.t.Fatal(err)
	}
	code, _, err := d.ReadResponse(0)
	return err == nil && code == 213
}

// refused wants a login to fail.
func (s *running) refused(user, password string) {
	s.t.Helper()
	d := s.dial()
	d.do(331, "USER "+user)
	d.do(530, "PASS "+password)
	d.Close()
}

// admitted wants a login to succeed.
func (s *running) admitted(user, password string) dialogue {
	s.t.Helper()
	d := s.dial()
	d.login(user, password)
	d.do(200, "TYPE I")
	return d
}

// written sets the time of a file to long ago.
func written(t *testing.T, path string) {
	t.Helper()
	old := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
}

func folder(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// A user whose folder can't be opened is refused until it can be. All others are
// served, and the log says whose folder it is.
func TestUserWithoutFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing, odd := filepath.Join(dir, "missing"), write(t, dir, "odd", "")
	users := write(t, dir, "users", "bob:"+bcryptHash4+":missing:rw\neve:"+bcryptHash4+":odd:rw\ncarol:"+bcryptHash4+"::ro\n")
	s := start(t, "--root", dir, "--users", users, "--anonymous", "ro", "--host", "a.example.org,anonymous=ro,root="+missing)
	for _, want := range []string{
		`users="anonymous@a.example.org, bob"`, "there is no folder " + missing, "users=eve", odd + " is a file",
	} {
		if log := s.log.until(want); !strings.Contains(log, want) {
			t.Errorf("the log of the start has no %s:\n%s", want, log)
		}
	}
	s.refused("eve", "secret")
	s.refused("bob", "secret")
	for _, want := range []string{"user=bob", "user=eve"} {
		log := s.log.until(`level=ERROR msg="the authenticator failed" session=2`)
		if !strings.Contains(log, want+` err="`) {
			t.Errorf("the log does not say why %s was refused:\n%s", want, log)
		}
	}
	s.admitted("carol", "secret")
	s.admitted("anonymous", "guest")
	d := s.dial()
	d.do(220, "HOST a.example.org")
	d.do(331, "USER ftp")
	d.do(530, "PASS guest")

	folder(t, missing)
	s.admitted("bob", "secret").do(257, "MKD new")
	d.do(331, "USER ftp")
	d.do(230, "PASS guest")
}

// A folder that takes the place of another is served from the next login on. Sessions that
// are logged in stay in the old one.
func TestFolderChangesPlaces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root := folder(t, filepath.Join(dir, "root"))
	write(t, root, "old", "")
	s := start(t, "--root", root, "--anonymous", "rw")
	before := s.admitted("ftp", "x")
	move(t, root, filepath.Join(dir, "away"))
	s.refused("ftp", "x")
	write(t, folder(t, root), "new", "")
	after := s.admitted("ftp", "x")
	if !after.sees("new") || after.sees("old") || !before.sees("old") || before.sees("new") {
		t.Error("a session is in the wrong folder")
	}
	after.do(257, "MKD made")
	if _, err := os.Stat(filepath.Join(root, "made")); err != nil {
		t.Error(err)
	}
	before.do(331, "USER ftp")
	before.do(230, "PASS x")
	if !before.sees("new") {
		t.Error("a new login in the same session is in the old folder")
	}
}

// A link is followed at each login.
func TestReleaseIsSwitched(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	current := filepath.Join(dir, "current")
	for _, release := range []string{"1", "2"} {
		write(t, folder(t, filepath.Join(dir, release)), "release"+release, "")
		if err := os.Symlink(release, filepath.Join(dir, "next"+release)); err != nil {
			t.Skip(err) // Windows' users may not
		}
	}
	move(t, filepath.Join(dir, "next1"), current)
	s := start(t, "--root", current)
	if d := s.admitted("ftp", "x"); !d.sees("release1") {
		t.Error("the first release is not served")
	}
	move(t, filepath.Join(dir, "next2"), current)
	if d := s.admitted("ftp", "x"); !d.sees("release2") || d.sees("release1") {
		t.Error("the second release is not served")
	}
}

// The server holds no folder open that nobody is logged in to, so that its disk can be
// unmounted.
func TestNoFolderIsHeld(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if _, err := os.ReadDir("/proc/self/fd"); err != nil {
		t.Skip(err)
	}
	s := start(t, "--root", root, "--anonymous", "rw", "--atomic-uploads")
	for range 3 {
		d := s.admitted("ftp", "x")
		data := d.data(s.addr)
		d.do(150, "STOR up")
		fmt.Fprint(data, "content")
		data.Close()
		d.expect(226)
		d.do(221, "QUIT")
	}
	held := func() (open []string) {
		descriptors, _ := os.ReadDir("/proc/self/fd")
		for _, fd := range descriptors {
			if at, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(at, root) {
				open = append(open, at)
			}
		}
		return open
	}
	patience := time.Now().Add(10 * time.Second)
	for open := held(); len(open) > 0; open = held() {
		if time.Now().After(patience) {
			t.Fatalf("%q are held open", open)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// The folder of --root may be missing if some user has another folder.
func TestRootOfNobody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	users := write(t, dir, "users", "bob:"+bcryptHash4+":"+dir+":rw\n")
	for _, anonymous := range []string{"off", "ro"} {
		s := start(t, "--root", missing, "--users", users, "--anonymous", anonymous)
		who := map[string]string{"off": "nobody", "ro": "anonymous"}[anonymous]
		log := s.log.until("users=" + who)
		if !strings.Contains(log, "there is no folder "+missing) || !strings.Contains(log, "users="+who) {
			t.Errorf("the log is\n%s", log)
		}
		s.admitted("bob", "secret")
	}
	_, err := rosterOf(t, "--root", missing, "--user", "alice:secret", "--host", "a.example.org")
	if err == nil || !strings.Contains(err.Error(), "there is no folder "+missing+"; choose a folder with --root") {
		t.Errorf("nobody has a folder: %v", err)
	}
}

// Relative paths count from where the program was started.
func TestAnchor(t *testing.T) {
	t.Parallel()
	o := parse(t, "--root", "r", "--users", "u", "--tls-cert", "c", "--tls-key", "k", "--tls-client-ca", "ca",
		"--host", "a.example.org,root=hr,users=hu,cert=hc,key=hk", "--host", "b.example.org")
	o.anchor()
	at, none := o.forHost(o.hosts[0]), o.forHost(o.hosts[1])
	for _, path := range []string{
		o.root, o.usersFile, o.tls.certs[0], o.tls.keys[0], o.tls.clientCA,
		at.root, at.usersFile, o.tls.hosts[0].cert, o.tls.hosts[0].key,
	} {
		if !filepath.IsAbs(path) {
			t.Errorf("%s is relative", path)
		}
	}
	if none.root != o.root || none.usersFile != o.usersFile {
		t.Errorf("a host without its own has %s and %s", none.root, none.usersFile)
	}
}

// Accounts are gone by their unique names: the same name at another host is another user.
func TestGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lines := func(changed string) string {
		return "same:" + bcryptHash4 + "::ro\nchanged:" + bcryptHash4 + "::ro" + changed + "\n"
	}
	file, other := write(t, dir, "users", lines("")), write(t, dir, "other", lines(""))
	r := openAccounts(t, "--root", dir, "--users", file, "--anonymous", "ro",
		"--host", "a.example.org", "--host", "b.example.org,users="+other)
	var gone []string
	r.revoke = func(is func(string) bool) int {
		gone = nil
		r.current.Load().each(func(own *account) {
			if is(own.unique) {
				gone = append(gone, own.unique)
			}
		})
		return len(gone)
	}
	for _, test := range []struct{ file, content, want string }{
		{file, lines(",write"), "changed, changed@a.example.org"},
		{file, lines(":charset=Big5"), "changed, changed@a.example.org"},
		{other, "# as before\n" + lines(""), ""},
		{other, lines(":charset=Big5"), "changed@b.example.org"},
	} {
		gone = nil
		written(t, write(t, dir, filepath.Base(test.file), test.content))
		for _, f := range r.files {
			if _, err := f.load(r.sweeper.logger); err != nil {
				t.Fatal(err)
			}
		}
		if got := listed(gone); got != test.want {
			t.Errorf("%q: %s are gone, not %s", test.content, got, test.want)
		}
	}
	if account, err := r.login("changed", "secret"); err != nil || account.Charset != "Big5" || account.Rights != host.ReadOnly {
		t.Errorf("%+v, %v", account, err)
	} else {
		account.Close()
	}
}
