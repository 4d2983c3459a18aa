package main

import (
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"wasiftp/host"
)

// newPostgres runs PostgreSQL on a Unix socket until the test ends, or until stop is called.
func newPostgres(t *testing.T) (url string, stop func()) {
	t.Helper()
	find := func(name string) string {
		all, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
		if len(all) == 0 {
			t.Skip("PostgreSQL is not here; Debian's postgresql has it")
		}
		return all[len(all)-1]
	}
	initdb, postgres := find("initdb"), find("postgres")
	dir, err := os.MkdirTemp("", "pg") // short, for the socket's sake
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	var as syscall.SysProcAttr
	if os.Geteuid() == 0 { // PostgreSQL refuses to be root
		const nobody = 65534
		as.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(dir, "data")
	setUp := exec.Command(initdb, "-D", data, "-U", "ftp", "--auth=trust", "--no-sync")
	setUp.SysProcAttr, setUp.Dir = &as, dir
	if out, err := setUp.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	server := exec.Command(postgres, "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off")
	server.SysProcAttr, server.Dir = &as, dir
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			server.Process.Signal(syscall.SIGQUIT)
			server.Wait()
		}
	}
	t.Cleanup(stop)
	return "postgres:///postgres?user=ftp&host=" + dir, stop
}

// Users of a real PostgreSQL log in; when it is gone they get 421, and the log tells.
func TestAuthPostgres(t *testing.T) {
	t.Parallel()
	url, stop := newPostgres(t)
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); db.Ping() != nil; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal(db.Ping())
		}
	}
	fillUsers(t, db)
	sqlLogins(t, openAccounts(t, "--root", t.TempDir(), "--auth-sql", url))
	s := start(t, "--root", t.TempDir(), "--auth-sql", url)
	if code := s.curl("secret", ""); code != 0 {
		t.Errorf("curl ends with %d\n%s", code, s.log)
	}
	stop()
	d := s.dial()
	d.do(331, "USER ann")
	d.do(421, "PASS secret")
	s.log.until("does not answer")
	r := openAccounts(t, "--root", t.TempDir(), "--auth-sql", url)
	if _, err := r.login("ann", "secret"); !errors.Is(err, host.ErrBusy) {
		t.Error(err)
	}
}
