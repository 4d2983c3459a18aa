package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wasiftp/host"
)

// admissionOf reads the keys of a user.
func admissionOf(t *testing.T, keys string) admission {
	t.Helper()
	c := &configFile{path: filepath.Join(t.TempDir(), "wasiftpd.toml")}
	o, _, err := c.parse([]byte(userTable("a", "rights = 'ro'\ntime_zone = 'Europe/Berlin'\n"+keys)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return o.entries[0].admission
}

func TestAdmission(t *testing.T) {
	t.Parallel()
	const at, from = "2026-11-30T10:00:00+01:00", "192.0.2.7" // a Monday
	for _, test := range []struct{ keys, at, from, refused string }{
		{"", at, from, ""},
		{"allow_from = '192.0.2.7'", at, from, ""},
		{"allow_from = '192.0.2.7'", at, "::ffff:192.0.2.7", ""},
		{"allow_from = '192.0.2.7'", at, "192.0.2.8", "192.0.2.8 is in none of the user's networks"},
		{"allow_from = ['192.0.2.0/25', '2001:db8::/32', 'fe80::/10']", at, "2001:db8:1::1", ""},
		{"allow_from = ['192.0.2.0/25', '2001:db8::/32', 'fe80::/10']", at, "fe80::1%eth0", ""},
		{"allow_from = ['192.0.2.0/25', '2001:db8::/32']", at, "2001:db9::1", "networks"},
		{"allow_from = ['::/0']", at, from, "networks"},
		{"valid_from = 2026-11-30", at, from, ""},
		{"valid_from = 2026-11-30", "2026-11-29T23:30:00Z", from, ""},
		{"valid_from = 2026-11-30", "2026-11-29T22:59:59Z", from, "valid from 2026-11-30T00:00:00+01:00 on"},
		{"valid_until = 2026-11-30", "2026-11-30T22:59:59Z", from, ""},
		{"valid_until = 2026-11-30", "2026-11-30T23:00:00Z", from, "valid until 2026-12-01T00:00:00+01:00"},
		{"valid_until = 2026-11-30T09:59:59", at, from, "valid until"},
		{"valid_until = 2026-11-30 10:00:01", at, from, ""},
		{"valid_until = 2026-11-30T09:00:01Z", at, from, ""},
		{"valid_until = '2026-11-30T09:00:00Z'", at, from, "valid until"},
		{"weekdays = 'mon-fri'", at, from, ""},
		{"weekdays = 'sun-mon'", at, from, ""},
		{"weekdays = ['tue', 'sat-sun']", at, from, "Monday is none of the user's days"},
		{"weekdays = 'mon'", "2026-11-30T23:30:00Z", from, "Tuesday"},
		{"hours = '10:00-11:00'", at, from, ""},
		{"hours = '09:00-10:00'", at, from, "10:00 is in none of the user's hours"},
		{"hours = ['08:00-09:00', '09:59-24:00']", at, from, ""},
		{"hours = '22:00-10:01'", at, from, ""},
		{"hours = '22:00-10:00'", at, from, "hours"},
		{"hours = '22:00-10:00'", "2026-11-30T23:59:59+01:00", from, ""},
		{"tls_required = true", at, from, "under TLS"},
	} {
		a := admissionOf(t, test.keys)
		now, err := time.Parse(time.RFC3339, test.at)
		if err != nil {
			t.Fatal(err)
		}
		err = a.refusal(host.Login{Client: netip.AddrPortFrom(netip.MustParseAddr(test.from), 5000)}, now)
		told := ""
		if errors.Is(err, host.ErrDenied) {
			told = err.Error()
		}
		if (err == nil) != (test.refused == "") || !strings.Contains(told, test.refused) {
			t.Errorf("%q at %s from %s: %v, want %q", test.keys, test.at, test.from, err, test.refused)
		}
	}
}

// Who may not log in hears what everybody hears whose password is wrong; the log has the
// reason. What a user has counts before his group's, and that before the defaults.
func TestUserTablesAreKeptTo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"own", "cams/cam", "all"} {
		folder(t, filepath.Join(dir, name))
	}
	past := time.Now().AddDate(0, 0, -2).Format(time.DateOnly)
	file := write(t, dir, "wasiftpd.toml", "[defaults]\nroot = 'all'\nrights = 'rw'\nsessions = 1\n"+
		"[[group]]\nname = 'cams'\nroot = 'cams/%u'\nsessions = 2\numask = '027'\n"+
		userTable("plain", "")+userTable("cam", "group = 'cams'")+
		userTable("own", "group = 'cams'\nroot = 'own'\nsessions = 0\numask = 0o002")+
		userTable("locked", "locked = true")+userTable("far", "allow_from = ['192.0.2.0/24']")+
		userTable("old", "valid_until = "+past)+
		"[[user]]\nname = 'two'\npasswords = ['"+argonHash+"', '"+bcryptHash4+"']\n")
	s := start(t, "--config", file)
	for user, reason := range map[string]string{
		"locked": "the account is locked", "far": "127.0.0.1 is in none of the user's networks", "old": "the account was valid until",
	} {
		s.refused(user, "secret")
		if log := s.log.until(reason); !strings.Contains(log, reason) {
			t.Errorf("the log has no %q:\n%s", reason, log)
		}
	}
	s.admitted("two", "secret").Close()
	for _, user := range []string{"plain", "cam", "own"} {
		d := s.admitted(user, "secret")
		data := d.data(s.addr)
		d.do(150, "STOR by "+user)
		fmt.Fprint(data, "content")
		data.Close()
		d.expect(226)
		d.do(257, "MKD folder of "+user)
		if user == "plain" {
			continue
		}
		s.admitted(user, "secret")
		if user == "own" {
			s.admitted(user, "secret")
		} else {
			third := s.dial()
			third.do(331, "USER cam")
			third.PrintfLine("PASS secret")
			if code, text, err := third.ReadResponse(0); code/100 == 2 {
				t.Errorf("a third session of cam gets %d %s, %v", code, text, err)
			}
		}
	}
	for path, want := range map[string]os.FileMode{
		"all/by plain": 0, "cams/cam/by cam": 0o640, "cams/cam/folder of cam": 0o750, "own/by own": 0o664, "own/folder of own": 0o775,
	} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil || want != 0 && info.Mode().Perm() != want && os.PathSeparator == '/' {
			t.Errorf("%s: %v, %v; want %o", path, info, err, want)
		}
	}
}

// tls_required and certificate count for the login.
func TestUserTablesUnderTLS(t *testing.T) {
	t.Parallel()
	dir, ca := t.TempDir(), newAuthority(t)
	cert, key := ca.files(dir, "a.example.org")
	file := write(t, dir, "wasiftpd.toml", fmt.Sprintf("tls-cert = %q\ntls-key = %q\ntls-client-ca = %q\n"+
		"tls-client-auth = 'login'\nlisten = '127.0.0.1:0'\nimplicit-listen = '127.0.0.1:0'\n[defaults]\nrights = 'ro'\n",
		cert, key, write(t, dir, "ca", ca.pem()))+
		userTable("safe", "tls_required = true")+userTable("shown", "certificate = 'a device'")+
		"[[user]]\nname = 'bare'\ncertificate = 'another'\n"+
		"[[user]]\nname = 'shut'\ncertificate = 'another'\nlocked = true\n")
	s := program{}.start(t, "--config", file, "--root", dir)
	s.refused("safe", "secret")
	s.log.until("the user must log in under TLS")
	s.dialTLS(ca.client("a.example.org")).login("safe", "secret")
	s.refused("shown", "secret")
	s.log.until(`the client certificate is that of`)
	wrong := s.dialTLS(ca.client("a.example.org", "shown"))
	wrong.do(331, "USER shown")
	wrong.do(530, "PASS secret")
	for user, certificate := range map[string]string{"shown": "a device", "bare": "another"} {
		s.dialTLS(ca.client("a.example.org", certificate)).login(user, "anything")
	}
	shut := s.dialTLS(ca.client("a.example.org", "another"))
	shut.do(331, "USER shut")
	shut.do(530, "PASS secret")

	// Without login, a user needs both, and one without a password is a fault.
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	other := write(t, dir, "other.toml", strings.Replace(string(content), "'login'", "'require'", 1))
	_, errs := exits(t, 2, nil, "check", "--config", other)
	if !strings.Contains(errs, `user "bare" has no password; only with tls-client-auth`) {
		t.Error(errs)
	}
}
