package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A hangup loads the users file again, without TLS too. Users who are gone, locked or
// changed can't log in as before, and their sessions end; all others notice nothing.
func TestHangupLoadsUsers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	line := func(name, rest string) string { return name + ":" + rest + "\n" }
	same := line("same", bcryptHash4+"::rw")
	users := write(t, dir, "users", same+line("gone", bcryptHash4+"::rw")+line("locked", bcryptHash4+"::rw")+
		line("rights", bcryptHash4+"::rw")+line("hash", bcryptHash4+"::rw")+line("root", bcryptHash4+"::rw"))
	s := start(t, "--root", dir, "--users", users, "--user", "plain:secret", "--anonymous", "ro")
	sessions := map[string]dialogue{}
	for _, name := range []string{"same", "gone", "locked", "rights", "hash", "root", "plain", "anonymous"} {
		sessions[name] = s.admitted(name, "secret")
	}
	busy := s.admitted("gone", "secret")
	data := busy.data(s.addr)
	busy.do(150, "STOR up")

	folder(t, filepath.Join(dir, "sub"))
	write(t, dir, "users", "# no line end at the end\n"+same+line("locked", "!"+bcryptHash4+"::rw")+
		line("rights", bcryptHash4+"::ro")+line("hash", argonHash+"::rw")+line("root", bcryptHash4+":sub:rw")+"new:"+bcryptHash4+"::ro")
	s.hangup <- os.Interrupt
	log := s.log.until(`msg="users file loaded"`)
	for _, want := range []string{
		"file=" + users, "added=new", "removed=gone", `changed="hash, locked, rights, root"`, `"sessions ended"=6`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %s:\n%s", want, log)
		}
	}
	for _, name := range []string{"gone", "locked", "rights", "hash", "root"} {
		sessions[name].expect(421)
	}
	for _, name := range []string{"same", "plain", "anonymous"} {
		sessions[name].do(200, "NOOP")
	}
	fmt.Fprint(data, "content")
	data.Close()
	busy.expect(226)
	busy.expect(421)
	if content, err := os.ReadFile(filepath.Join(dir, "up")); string(content) != "content" {
		t.Errorf("the upload left %q, %v", content, err)
	}
	var parallel sync.WaitGroup
	for _, name := range []string{"gone", "locked", "hash"} {
		parallel.Go(func() { s.refused(name, "secret") })
	}
	s.admitted("new", "secret")
	s.admitted("hash", "password").do(257, "MKD made")
	s.admitted("rights", "secret").do(550, "MKD other")
	s.admitted("root", "secret").do(257, "MKD below")
	if _, err := os.Stat(filepath.Join(dir, "sub", "below")); err != nil {
		t.Error(err)
	}
	parallel.Wait()

	s.hangup <- os.Interrupt
	s.log.until("no file has changed")
	sessions["same"].do(200, "NOOP")
}

// A users file with faults is not loaded, and the log tells all faults. The users loaded
// before stay, and other files are loaded all the same.
func TestBadUsersStayOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	main, hosts := write(t, dir, "users", "bob:"+bcryptHash4+"::ro\n"), write(t, dir, "hosts", "bob:"+bcryptHash4+"::ro\n")
	s := start(t, "--root", dir, "--users", main, "--user", "plain:secret", "--host", "a.example.org,users="+hosts)
	d := s.admitted("bob", "secret")
	bad := "bob:" + bcryptHash4 + "::none\nplain:" + bcryptHash4 + "::ro\ncarol\n"
	write(t, dir, "hosts", "carol:"+bcryptHash4+"::ro\n")
	write(t, dir, "users", bad)
	s.hangup <- os.Interrupt
	s.log.until(`msg="users file loaded" file=` + hosts)
	log := s.log.until(main + ":2: ")
	for _, want := range []string{
		`msg="the old users file stays" err="` + main + ":1: ", main + ":3: ", "is given twice", "added=carol", "removed=bob",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %s:\n%s", want, log)
		}
	}
	d.do(200, "NOOP")
	s.admitted("bob", "secret")
	s.refused("carol", "secret")
	at := s.dial()
	at.do(220, "HOST a.example.org")
	at.login("carol", "secret")

	// A hangup logs old faults again; a missing file is one.
	if err := os.Remove(main); err != nil {
		t.Fatal(err)
	}
	s.log.until("no such file")
	s.hangup <- os.Interrupt
	for strings.Count(s.log.until("no such file"), "no such file") < 2 {
		time.Sleep(time.Millisecond)
	}
	s.admitted("bob", "secret")
}

// A users file that changes is loaded without a hangup, however it is replaced.
func TestUsersFileIsFollowed(t *testing.T) {
	t.Parallel()
	content := func(name string) string { return name + ":" + bcryptHash4 + "::ro\n" }
	for how, change := range map[string]func(t *testing.T, dir string){
		"in place": func(t *testing.T, dir string) { write(t, dir, "users", content("new")) },
		"renamed": func(t *testing.T, dir string) {
			move(t, write(t, dir, "users.tmp", content("new")), filepath.Join(dir, "users"))
		},
		"moved away": func(t *testing.T, dir string) {
			move(t, filepath.Join(dir, "users"), filepath.Join(dir, "users~"))
			write(t, dir, "users", content("new"))
		},
		"behind a link": func(t *testing.T, dir string) { write(t, filepath.Join(dir, "real"), "users", content("new")) },
		"ConfigMap": func(t *testing.T, dir string) {
			write(t, folder(t, filepath.Join(dir, "..2")), "users", content("new"))
			if err := os.Symlink("..2", filepath.Join(dir, "..data_tmp")); err != nil {
				t.Fatal(err)
			}
			move(t, filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data"))
		},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, "users")
			switch how {
			case "behind a link":
				write(t, folder(t, filepath.Join(dir, "real")), "users", content("old"))
				if err := os.Symlink("real/users", file); err != nil {
					t.Skip(err) // Windows' users may not
				}
			case "ConfigMap":
				write(t, folder(t, filepath.Join(dir, "..1")), "users", content("old"))
				for link, target := range map[string]string{"..data": "..1", "users": "..data/users"} {
					if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
						t.Skip(err) // Windows' users may not
					}
				}
			default:
				write(t, dir, "users", content("old"))
			}
			s := start(t, "--root", dir, "--users", file)
			d := s.admitted("old", "secret")
			change(t, dir)
			s.log.until("added=new removed=old")
			d.expect(421)
			s.admitted("new", "secret")
		})
	}
}

// The folder of a file may be replaced as well, which only a hangup tells; then the
// new one is watched.
func TestFolderOfUsersIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	etc := folder(t, filepath.Join(dir, "etc"))
	content := func(name string) string { return name + ":" + bcryptHash4 + "::ro\n" }
	s := start(t, "--root", dir, "--users", write(t, etc, "users", content("one")))
	s.admitted("one", "secret")
	move(t, etc, filepath.Join(dir, "old"))
	write(t, folder(t, etc), "users", content("two"))
	s.hangup <- os.Interrupt
	s.log.until("added=two removed=one")
	write(t, etc, "users", content("three"))
	s.log.until("added=three removed=two")
}

// Hangups by the hundred while the file is half written do no harm: nobody who is
// in it throughout is ever kept out.
func TestHangupStorm(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var content strings.Builder
	content.WriteString("same:" + bcryptHash4 + "::ro\n")
	for i := range 50 {
		fmt.Fprintf(&content, "user%d:%s::ro\n", i, bcryptHash4)
	}
	users := write(t, dir, "users", content.String())
	s := start(t, "--root", dir, "--users", users)
	d := s.admitted("same", "secret")
	for round := range 40 {
		half := content.String()[:content.Len()-round*61-20]
		write(t, dir, "users", half)
		for range 5 {
			s.hangup <- os.Interrupt
		}
		d.do(200, "NOOP")
		s.admitted("same", "secret").Close()
	}
	write(t, dir, "users", content.String()+"last:"+bcryptHash4+"::ro\n")
	s.hangup <- os.Interrupt
	for line := ""; !strings.Contains(line, "last"); {
		log := s.log.until("users file loaded")
		line = log[strings.LastIndex(log, "users file loaded"):]
		time.Sleep(time.Millisecond)
	}
	s.admitted("last", "secret")
	s.admitted("user49", "secret")
	d.do(200, "NOOP")
}

// A file that was written to a moment ago may be incomplete, and is loaded later.
func TestUsersFileInWriting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		r := openAccounts(t, "--root", dir, "--users", write(t, dir, "users", "bob:"+bcryptHash4+"::ro\n"))
		file, now := write(t, dir, "users", ""), time.Now()
		if err := os.Chtimes(file, now, now); err != nil {
			t.Fatal(err)
		}
		for _, want := range []error{errUnsettled, errUnsettled, nil} {
			if changed, err := r.files[0].load(r.sweeper.logger); changed != (want == nil) || err != want {
				t.Errorf("%v later: %t, %v", time.Since(now), changed, err)
			}
			time.Sleep(settleTime * 2 / 3)
		}
	})
}

// Hashes that everybody can read are warned of, at the start and at each change.
func TestUsersFileIsOpen(t *testing.T) {
	t.Parallel()
	for mode, want := range map[os.FileMode]int{0o600: 0, 0o640: 0, 0o644: 1, 0o602: 1} {
		dir := t.TempDir()
		file := write(t, dir, "users", "bob:"+bcryptHash4+"::ro\n")
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		o := parse(t, "--root", dir, "--users", file)
		r, err := o.roster(t.Context(), &follower{logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.files[0].load(r.sweeper.logger); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(log.String(), "chmod 640"); got != want {
			t.Errorf("%o: %d warnings\n%s", mode, got, &log)
		}
	}
}

// Users from a pipe can be read once, and are not asked for again.
func TestUsersFromAPipe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	fmt.Fprintf(writer, "bob:%s::ro\n", bcryptHash4)
	writer.Close()
	path := fmt.Sprintf("/dev/fd/%d", reader.Fd())
	if _, err := os.Stat(path); err != nil {
		t.Skip(err)
	}
	s := start(t, "--root", dir, "--users", path)
	d := s.admitted("bob", "secret")
	s.hangup <- os.Interrupt
	s.log.until("no file has changed")
	d.do(200, "NOOP")
	s.admitted("bob", "secret")
}

// The CAs that issue client certificates are loaded again too.
func TestClientCAIsFollowed(t *testing.T) {
	t.Parallel()
	dir, old, next := t.TempDir(), newAuthority(t), newAuthority(t)
	cert, key := old.files(dir, "a.example.org")
	roots := write(t, dir, "ca", old.pem())
	s := startTLS(t, "--root", dir, "--tls-cert", cert, "--tls-key", key, "--tls-client-ca", roots, "--tls-client-auth", "login",
		"--user", "alice:secret", "--user", "bob:secret")
	showing := func(a *authority) *tls.Config {
		config := old.client("a.example.org")
		config.Certificates = a.client("", "alice").Certificates
		return config
	}
	shows := func(a *authority) dialogue { return s.dialTLS(showing(a)) }
	session := shows(old)
	session.login("alice", "anything")
	write(t, dir, "ca", "nothing")
	s.log.until(`msg="the old clients' CA stays"`)
	shows(old).login("alice", "anything")
	write(t, dir, "ca", next.pem())
	s.log.until(`msg="clients' CA loaded"`)
	shows(next).login("alice", "anything")
	session.do(200, "NOOP")
	c, err := tls.Dial("tcp", s.implicit, showing(old))
	if err == nil {
		_, err = c.Read(make([]byte, 1)) // under TLS 1.3 the refusal comes only now
		c.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "unknown certificate authority") {
		t.Errorf("a certificate of the old CA is taken: %v", err)
	}
}
