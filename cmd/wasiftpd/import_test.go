package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"wasiftp/host"
)

// imported runs import, and logs in with its lines.
func imported(t *testing.T, args ...string) (*roster, string) {
	t.Helper()
	code, out, errs := run(t, nil, append([]string{"import"}, args...)...)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	dir := t.TempDir()
	return openAccounts(t, "--root", dir, "--users", write(t, dir, "users", out)), errs
}

func (r *roster) lets(t *testing.T, user, password string, rights host.Rights) {
	t.Helper()
	a, err := r.login(user, password)
	if err != nil {
		t.Errorf("%s: %v", user, err)
		return
	}
	if a.Close(); a.Rights != rights {
		t.Errorf("%s has the rights %b", user, a.Rights)
	}
	if _, err := r.login(user, password+"x"); err == nil {
		t.Errorf("%s gets in with any password", user)
	}
}

func TestImportPureFTPd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := write(t, dir, "pureftpd.passwd",
		"ann:"+foreign["scrypt"]+":1000:1000::"+dir+"/./::::::::::::\n"+
			"bob:"+foreign["sha512-crypt"]+":1000:1000:Bob:"+dir+":1024:0:::5:::::::0800-1800\n\n")
	r, errs := imported(t, "pure-ftpd", file, "--rights", "rw")
	r.lets(t, "ann", "secret", host.ReadWrite)
	r.lets(t, "bob", "secret", host.ReadWrite)
	want := "Left out: " + file + `:2: the upload rate of user "bob"` +
		"\nLeft out: " + file + `:2: the sessions at a time of user "bob"` +
		"\nLeft out: " + file + `:2: the hours of user "bob"` + "\n"
	if errs != want {
		t.Errorf("it says\n%s, want\n%s", errs, want)
	}
}

func TestImportProFTPD(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := write(t, dir, "ftpd.passwd", "# users\nann:"+foreign["md5-crypt"]+":1000:1000::"+dir+":/bin/false\n"+
		"bob:"+foreign["sha256-crypt"]+":1000:1000::"+dir+":/bin/false\n")
	r, _ := imported(t, "proftpd", file)
	r.lets(t, "ann", "secret", host.ReadOnly)
	r.lets(t, "bob", "secret", host.ReadOnly)
}

func TestImportVsftpd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "ann"), 0o700); err != nil {
		t.Fatal(err)
	}
	r, _ := imported(t, "vsftpd", write(t, dir, "logins.txt", "ann\nse:cret\n"), "--root", filepath.Join(dir, "%u"))
	r.lets(t, "ann", "se:cret", host.ReadOnly)
	if root := r.current.Load().byName["ann"].root; root != filepath.Join(dir, "ann") {
		t.Errorf("the root is %s", root)
	}
}

func TestImportPasswd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	passwd := write(t, dir, "passwd", "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/bin/false\n"+
		"ann:x:1000:1000:Ann,,,:"+dir+":/bin/sh\n"+
		"open:x:1001:1001::/:/bin/sh\nbob:"+foreign["bcrypt"]+":1002:1002::"+dir+":/bin/sh\n")
	shadow := write(t, dir, "shadow", "root:"+foreign["yescrypt"]+":1::::::\ndaemon:*:1::::::\n"+
		"ann:"+foreign["yescrypt"]+":1:0:99999:7:::\n"+
		"open::1::::::\n")
	r, errs := imported(t, "passwd", passwd, "--shadow", shadow)
	r.lets(t, "ann", "secret", host.ReadOnly)
	r.lets(t, "bob", "secret", host.ReadOnly)
	if all := r.current.Load().byName; len(all) != 2 {
		t.Errorf("the users are %v", all)
	}
	for _, want := range []string{
		`:1: user "root", who is root`, `:4: user "open", who has no password`, ": 1 users who are locked",
	} {
		if !strings.Contains(errs, want) {
			t.Errorf("it does not say %s:\n%s", want, errs)
		}
	}
}

// Each fault has file and line, and none tells a hash or a password.
func TestImportFaults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pure := write(t, dir, "pure", "ann:"+foreign["bcrypt"]+":1:1::/srv\n"+
		"ann:"+foreign["bcrypt"]+":1:1::/srv\nbob\ncat:topsecret:1:1::/srv\n"+
		"dan:"+foreign["bcrypt"]+":1:1::srv\n:"+foreign["bcrypt"]+":1:1::/srv\n")
	passwd := write(t, dir, "passwd", "ann:x:1:1::/:/bin/sh\nbob:x:one:1::/:/bin/sh\ncat:x\n")
	vsftpd := write(t, dir, "vsftpd", "ann\n\nbob\n")
	database := write(t, dir, "pdb", "PDB2\x00\x00")
	for _, test := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"pure-ftpd", pure}, 1, []string{
			pure + `:2: user "ann" is there twice`, pure + ":3: it has 1 fields", pure + `:4: the hash of user "cat"`,
			pure + `:5: the folder "srv" of user "dan"`, pure + ":6: the user's name is missing", "nothing is printed",
		}},
		{[]string{"passwd", passwd, "--shadow", write(t, dir, "shadow", "zoe\n")}, 1, []string{
			"shadow:1: it is not", passwd + `:1: user "ann" has no line in `,
			passwd + `:2: "one" is no number`, passwd + ":3: it has 2 fields",
		}},
		{[]string{"vsftpd", vsftpd}, 1, []string{vsftpd + ":2: the password is empty", vsftpd + ":3: a user without"}},
		{[]string{"pure-ftpd", database}, 1, []string{database + ": it is no text"}},
		{[]string{"proftpd", filepath.Join(dir, "missing")}, 1, []string{"missing"}},
		{[]string{"passwd", passwd, "--shadow", filepath.Join(dir, "missing")}, 1, []string{"--shadow", "missing"}},
		{[]string{"wu-ftpd", pure}, 2, []string{`"wu-ftpd" is no format; give one of passwd, proftpd, pure-ftpd, vsftpd`}},
		{[]string{"proftpd"}, 2, []string{"FILE is missing"}},
		{[]string{"proftpd", pure, "--rights", "all"}, 2, []string{"--rights"}},
	} {
		code, out, errs := run(t, nil, append([]string{"import"}, test.args...)...)
		if code != test.code || out != "" || strings.Contains(errs, "topsecret") || strings.Contains(errs, "$2y$") {
			t.Errorf("%q: exit code %d, stdout %q\n%s", test.args, code, out, errs)
		}
		for _, want := range test.want {
			if !strings.Contains(errs, want) {
				t.Errorf("%q: it does not say %q:\n%s", test.args, want, errs)
			}
		}
	}
	code, out, errs := run(t, nil, "import", "pure-ftpd", pure, "--skip-faulty")
	if code != 0 || strings.Count(out, "\n") != 1 || strings.Count(errs, "Left out: ") != 5 {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}

// What pure-pw itself has written is read.
func TestImportFromPurePw(t *testing.T) {
	t.Parallel()
	pure, err := exec.LookPath("pure-pw")
	if err != nil {
		t.Skip("pure-pw is not here; Debian's pure-ftpd has it")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "passwd")
	cmd := exec.Command(pure, "useradd", "ann", "-u", "1000", "-g", "1000", "-d", dir, "-f", file)
	cmd.Stdin = strings.NewReader("secret\nsecret\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r, _ := imported(t, "pure-ftpd", file)
	r.lets(t, "ann", "secret", host.ReadOnly)
}
