package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"wasiftp/fsbridge"
	"wasiftp/host"
)

// rosterOf makes the roster of a command line.
func rosterOf(t *testing.T, args ...string) (*roster, error) {
	t.Helper()
	o := parse(t, args...)
	return o.roster(t.Context(), &follower{logger: slog.New(slog.DiscardHandler)})
}

func openAccounts(t *testing.T, args ...string) *roster {
	t.Helper()
	r, err := rosterOf(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *roster) login(user, password string) (*host.Account, error) {
	return r.Authenticate(context.Background(), host.Login{User: user, Password: host.Password(password)})
}

func TestLogin(t *testing.T) {
	t.Parallel()
	dir, other := t.TempDir(), t.TempDir()
	write(t, dir, "here", "")
	write(t, other, "there", "")
	users := write(t, dir, "users", "argon:"+argonHash+":"+other+":rw\n"+"bcrypt:"+bcryptHash4+"::ro:charset=Big5\n")
	a := openAccounts(t, "--root", dir, "--users", users, "--user", "plain:secret:rw", "--anonymous", "ro")
	for _, test := range []struct {
		user, password string
		name, sees     string // "" is denied
		rights         host.Rights
	}{
		{"argon", "password", "argon", "there", host.ReadWrite},
		{"bcrypt", "secret", "bcrypt", "here", host.ReadOnly},
		{"plain", "secret", "plain", "here", host.ReadWrite},
		{"anonymous", "", "anonymous", "here", host.ReadOnly},
		{"FTP", "guest@example.org", "anonymous", "here", host.ReadOnly},
		{user: "argon", password: "secret"},
		{user: "bcrypt", password: "password"},
		{user: "plain", password: "secre"},
		{user: "plain", password: "secretx"},
		{user: "Plain", password: "secret"},
		{user: "nobody", password: "secret"},
	} {
		account, err := a.login(test.user, test.password)
		if test.name == "" {
			if account != nil || !errors.Is(err, host.ErrDenied) {
				t.Errorf("%s with %q: %v, %v; want a denial", test.user, test.password, account, err)
			}
			continue
		}
		if err != nil || account.Name != test.name || account.Rights != test.rights {
			t.Errorf("%s with %q: %+v, %v; want %+v", test.user, test.password, account, err, test)
			continue
		}
		if got := account.Shared; got != (test.name == "anonymous") {
			t.Errorf("strangers share the account %s: %t", test.name, got)
		}
		if got := account.Charset == "Big5"; got != (test.name == "bcrypt") {
			t.Errorf("%s writes names in %q", test.user, account.Charset)
		}
		defer account.Close()
		if _, err := fs.Stat(account.FS, test.sees); err != nil {
			t.Errorf("%s does not see its folder: %v", test.user, err)
		}
		if _, writes := account.FS.(fsbridge.CreateFS); writes != (test.rights == host.ReadWrite) {
			t.Errorf("the folder of %s can be written to: %t", test.user, writes)
		}
	}
}

// A configured user called ftp is not anonymous.
func TestNamedFTP(t *testing.T) {
	t.Parallel()
	a := openAccounts(t, "--root", t.TempDir(), "--user", "ftp:secret", "--anonymous", "ro")
	if _, err := a.login("ftp", "guest"); !errors.Is(err, host.ErrDenied) {
		t.Errorf("ftp without its password: %v", err)
	}
	if account, err := a.login("ftp", "secret"); err != nil || account.Name != "ftp" {
		t.Errorf("ftp with its password: %v, %v", account, err)
	}
}

func TestThreat15StoredHashes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	users := write(t, dir, "users", "star:*::rw\nbang:!::rw\nwas:!"+bcryptHash4+"::rw\ngood:"+bcryptHash4+"::rw\n")
	a := openAccounts(t, "--root", dir, "--users", users)
	for _, user := range []string{"star", "bang", "was", "", "*", "!", "\x00", "good\x00", "anonymous"} {
		for _, password := range []string{"", "*", "!", "!" + bcryptHash4, bcryptHash4, "secret", "\x00"} {
			if account, err := a.login(user, password); account != nil || !errors.Is(err, host.ErrDenied) {
				t.Errorf("%q with %q: %v, %v; want a denial", user, password, account, err)
			}
		}
	}
	for _, password := range []string{"", "\x00", "secret\x00", "\x00secret", "secret\x00x", "secret\r"} {
		if account, err := a.login("good", password); account != nil || !errors.Is(err, host.ErrDenied) {
			t.Errorf("good with %q: %v, %v; want a denial", password, account, err)
		}
	}
	if _, err := a.login("good", "secret"); err != nil {
		t.Errorf("good with its password: %v", err)
	}

	empty := write(t, dir, "empty", "nobody:::rw\n")
	_, err := rosterOf(t, "--root", dir, "--users", empty)
	if err == nil || !strings.HasPrefix(err.Error(), filepath.Join(dir, "empty:1: ")) {
		t.Errorf("an empty hash: %v", err)
	}
}

// countedSecret matches no password, and counts the checks.
type countedSecret struct{ asked atomic.Int32 }

func (s *countedSecret) matches(string) (bool, error) { s.asked.Add(1); return false, nil }

func TestThreat16UnknownUser(t *testing.T) {
	t.Parallel()
	s := &countedSecret{}
	a := openAccounts(t, "--root", t.TempDir(), "--anonymous", "ro")
	for _, name := range []string{"alice", "bob", "locked"} {
		var own secret = s
		if name == "locked" {
			own = nil
		}
		if err := a.current.Load().add(entry{name: name, rights: host.ReadOnly, secret: own}); err != nil {
			t.Fatal(err)
		}
	}
	for i, user := range []string{"alice", "bob", "locked", "carol", "", "\x00"} {
		_, err := a.login(user, "secret")
		if !errors.Is(err, host.ErrDenied) || int(s.asked.Load()) != i+1 {
			t.Errorf("%q: %v after %d checks, want %v after %d", user, err, s.asked.Load(), host.ErrDenied, i+1)
		}
	}
}

// A login whose session has ended does not wait for the checks of others.
func TestLoginEnds(t *testing.T) {
	t.Parallel()
	a := openAccounts(t, "--root", t.TempDir(), "--user", "alice:secret")
	for range a.checks.Places {
		if err := a.checks.Enter(t.Context(), netip.Prefix{}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := a.Authenticate(ctx, host.Login{User: "alice", Password: "secret"}); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v, want %v", err, context.Canceled)
	}
}
