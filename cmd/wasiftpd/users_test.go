package main

import (
	"path/filepath"
	"strings"
	"testing"

	"wasiftp/host"
)

// Cheap hashes made by others: of "password" by argon2's own test.c, of
// "secret" by crypt(3).
const (
	argonHash   = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	bcryptHash4 = "$2b$04$ZQ1K5eBN4yg49rG4mYUiIeOgGOtilroF.3F08DtquyBrwlyCMxcGW"
)

func TestUsersFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	entries, err := parseUsers(strings.NewReader("\ufeff# all of us\r\n\r\n"+
		"alice:"+argonHash+":/srv/alice:rw\r\n"+
		"  # bob left\n"+
		"bob:*::ro\n"+
		"zoë k:"+bcryptHash4+":sub/folder:read,list\n"+
		"dan:!"+bcryptHash4+":C:\\data:write\n"+
		"eiji:*:C:\\data:ro:charset=Shift_JIS"), filepath.Join(dir, "users"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		line       int
		name, root string
		locked     bool
		rights     host.Rights
		charset    string
	}{
		{3, "alice", below(dir, "/srv/alice"), false, host.ReadWrite, ""},
		{5, "bob", "", true, host.ReadOnly, ""},
		{6, "zoë k", filepath.Join(dir, "sub/folder"), false, host.ReadOnly, ""},
		{7, "dan", below(dir, `C:\data`), true, host.RightWrite, ""},
		{8, "eiji", below(dir, `C:\data`), true, host.ReadOnly, "Shift_JIS"},
	} {
		got := entries[i]
		if got.line != want.line || got.name != want.name || got.root != want.root ||
			(got.secret == nil) != want.locked || got.rights != want.rights || got.charset != want.charset {
			t.Errorf("entry %d is %+v, want %+v", i, got, want)
		}
	}
	if len(entries) != 5 {
		t.Errorf("%d entries, want 5", len(entries))
	}
}

// below is path, which counts from dir unless it is absolute on this system.
func below(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func TestUsersFileFaults(t *testing.T) {
	t.Parallel()
	_, err := parseUsers(strings.NewReader("alice\n"+
		"alice:x\n"+
		"alice:secret:/srv\n"+
		"alice:secret:/srv:rw\n"+
		"alice::/srv:rw\n"+
		"alice:"+argonHash+"::all\n"+
		":"+argonHash+"::ro\n"+
		"alice:"+argonHash+"::ro\n"+
		"alice:"+argonHash+"::ro\n"+
		"bob:$2b$32"+bcryptHash4[6:]+"::ro\n"+
		"bob:$argon2x"+argonHash[9:]+"::ro\n"+
		"bob:"+strings.Replace(argonHash, "v=19", "v=16", 1)+"::ro\n"+
		"a\x1b:"+argonHash+"::ro\n"+
		"carol:*::ro:charset=klingon\n"+
		"carol:*:charset=Shift_JIS\n"+
		strings.Repeat("x", 1<<17)), "users")
	want := []string{
		"users:1: it is not NAME:HASH:ROOT:RIGHTS",
		"users:2: it is not NAME:HASH:ROOT:RIGHTS",
		"users:3: it is not NAME:HASH:ROOT:RIGHTS",
		"users:4: " + errHash.Error(),
		"users:5: " + errHash.Error(),
		`users:6: "all" is no right; write ` + host.RightsHelp,
		"users:7: the user's name is missing",
		`users:9: user "alice" is already in line 8`,
		"users:10: " + errHash.Error(),
		"users:11: " + errHash.Error(),
		"users:12: " + errHash.Error(),
		"users:13: a user's name can't hold",
		`users:14: "klingon": no such character set`,
		"users:15: it is not NAME:HASH:ROOT:RIGHTS",
		"users:16: bufio.Scanner: token too long",
	}
	if err == nil {
		t.Fatal("no fault was found")
	}
	got := strings.Split(err.Error(), "\n")
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || !strings.HasPrefix(got[i], want[i]) {
			t.Fatalf("faults are\n%s\nwant\n%s", err, strings.Join(want, "\n"))
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the faults tell a password: %v", err)
	}
}

// Faults of single lines and of accounts that are given twice come together, once each.
func TestUsersFileAllFaults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	users := write(t, dir, "users", "alice:*::ro\nbob:*:missing:ro\ncarol:*::rw\ndan:*::all\nerin:*::ro\n")
	_, err := rosterOf(t, "--root", dir, "--user", "erin:secret", "--users", users)
	want := users + ":4: \"all\" is no right; write " + host.RightsHelp + "\n" +
		users + ":5: user \"erin\" is given twice, the first time by --user"
	if err == nil || err.Error() != want {
		t.Errorf("the faults are\n%v\nwant\n%s", err, want)
	}
}
