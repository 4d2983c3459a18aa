package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wasiftp/host"
)

const slapdConfig = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile DIR/pid
database mdb
suffix "dc=example,dc=org"
directory DIR
`

const slapdEntries = `dn: dc=example,dc=org
objectClass: organization
objectClass: dcObject
o: example
dc: example

dn: uid=ann,dc=example,dc=org
objectClass: inetOrgPerson
uid: ann
cn: Ann
sn: Ann
userPassword: secret

dn: uid=x\,y,dc=example,dc=org
objectClass: inetOrgPerson
uid: x,y
cn: Odd
sn: Odd
userPassword: secret
`

// newDirectory runs Debian's slapd until the test ends, or until stop is called.
func newDirectory(t *testing.T) (url string, stop func()) {
	t.Helper()
	slapd := tool(t, "slapd")
	dir := t.TempDir()
	config := write(t, dir, "slapd.conf", strings.ReplaceAll(slapdConfig, "DIR", dir))
	entries := write(t, dir, "entries.ldif", slapdEntries)
	add := exec.Command(slapd, "-T", "add", "-f", config, "-l", entries)
	if out, err := add.CombinedOutput(); err != nil {
		t.Skipf("this slapd is another than Debian's: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	server := exec.Command(slapd, "-f", config, "-h", "ldap://"+addr, "-d", "0")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			server.Process.Kill()
			server.Wait()
		}
	}
	t.Cleanup(stop)
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return "ldap://" + addr, stop
		}
		if time.Since(began) > time.Minute {
			t.Fatal("slapd does not listen")
		}
	}
}

// Users of a real directory log in by their passwords there, and to folders of their own.
func TestAuthLDAP(t *testing.T) {
	t.Parallel()
	url, stop := newDirectory(t)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "ann"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--root", t.TempDir(), "--auth-ldap", url, "--auth-ldap-dn", "uid=%u,dc=example,dc=org",
		"--auth-root", filepath.Join(dir, "%u"), "--auth-rights", "rw", "--ban-after", "off")
	d := s.dial()
	d.login("ann", "secret")
	d.do(257, "MKD new")
	if _, err := os.Stat(filepath.Join(dir, "ann", "new")); err != nil {
		t.Error(err)
	}
	if code := s.curl("secret", ""); code != 0 {
		t.Errorf("curl ends with %d\n%s", code, s.log)
	}
	if code := s.curl("wrong", ""); code != 67 {
		t.Errorf("with a wrong password curl ends with %d", code)
	}
	stop()
	e := s.dial()
	e.do(331, "USER ann")
	e.do(421, "PASS secret")
	s.log.until("does not answer")
}

// Nobody gets in without a password, by a name that is a DN, or one that leads elsewhere.
func TestAuthLDAPNames(t *testing.T) {
	t.Parallel()
	url, _ := newDirectory(t)
	dir := t.TempDir()
	for _, name := range []string{"ann", "x,y"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r := openAccounts(t, "--root", dir, "--auth-ldap", url, "--auth-ldap-dn", "uid=%u,dc=example,dc=org", "--auth-root", dir+"/%u")
	for _, c := range []struct {
		user, password string
		want           error
	}{
		{"ann", "secret", nil}, {"x,y", "secret", nil}, {"ann", "", host.ErrDenied}, {"ann", "wrong", host.ErrDenied},
		{"zoe", "secret", host.ErrDenied}, {"ann,dc=example", "secret", host.ErrDenied}, {"*", "secret", host.ErrDenied},
		{"../ann", "secret", host.ErrDenied}, {"..", "secret", host.ErrDenied}, {"ann\xff", "secret", host.ErrDenied},
	} {
		a, err := r.login(c.user, c.password)
		if !errors.Is(err, c.want) {
			t.Errorf("%q, %q: %v", c.user, c.password, err)
		}
		if a != nil {
			a.Close()
		}
	}
}
