package main

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wasiftp/host"
)

// imported runs import, and logs in with its tables.
func imported(t *testing.T, args ...string) (*roster, string) {
	t.Helper()
	code, out, errs := run(t, nil, append([]string{"import"}, args...)...)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	c := &configFile{path: filepath.Join(t.TempDir(), "wasiftpd.toml")}
	o, _, err := c.parse([]byte(out), nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	o.root = filepath.Dir(c.path)
	r, err := o.roster(t.Context(), &follower{logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return r, errs
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

// here is how hours of this machine's zone end.
var here = " (" + time.Local.String() + ")"

func TestImportPureFTPd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sub := filepath.Join(dir, "sub")
	folder(t, sub)
	from, to := time.Now().Add(-2*time.Hour), time.Now().Add(2*time.Hour) // so that bob may come now
	file := write(t, dir, "pureftpd.passwd",
		"ann:"+foreign["scrypt"]+":1000:1000::"+dir+"/./::::::::::::\n"+
			"bob:"+foreign["sha512-crypt"]+":1000:1000:Bob:"+dir+":1024:0:::5:::::::"+
			from.Format("1504-")+to.Format("1504")+"\n\n"+
			"cat:*:1:1::"+sub+"/./in/it:0:0:0:0:0:20:0:::example.org, 10.1.2.3/8,192.0.2.9::2200-30\n"+
			"dan:*:1:1::"+dir+"/./::512:1:2::::127.0.0.1:10.0.0.0/8::192.0.2.1:\n")
	r, errs := imported(t, "pure-ftpd", file, "--rights", "rw")
	r.lets(t, "ann", "secret", host.ReadWrite)
	r.lets(t, "bob", "secret", host.ReadWrite)
	all := r.current.Load().byName
	for name, want := range map[string]string{
		"ann": "", "bob": "sessions 5, rate 1k:0, hours " + from.Format("15:04-") + to.Format("15:04") + here,
		"cat": "locked, quota 0:20, from [10.0.0.0/8 192.0.2.9/32], hours 22:00-00:30" + here, "dan": "locked, rate 0:512",
	} {
		own := all[name]
		if got := strings.Join(own.notes()[1:], ", "); got != want {
			t.Errorf("%s has %s, want %s", name, got, want)
		}
	}
	if all["cat"].root != sub {
		t.Errorf("cat has the root %s", all["cat"].root)
	}
	wants := []string{
		`:2: the way of user "bob" out of ` + dir, `:4: "example.org", from where user "cat" may come: it is no network`,
		`:4: the folder "in/it" in which user "cat" begins`, `:5: the upload ratio of user "dan": 1`,
		`:5: the download ratio of user "dan": 2`, `:5: the server addresses allowed of user "dan": 127.0.0.1`,
		`:5: the server addresses refused of user "dan": 10.0.0.0/8`, `:5: the client addresses refused of user "dan": 192.0.2.1`,
		": each uid and gid",
	}
	for _, want := range wants {
		if !strings.Contains(errs, "Left out: "+file+want) {
			t.Errorf("it does not say %s:\n%s", want, errs)
		}
	}
	if n := strings.Count(errs, "Left out: "); n != len(wants) {
		t.Errorf("it says %d things:\n%s", n, errs)
	}

	code, out, errs := run(t, nil, "import", "pure-ftpd", file, "--users-file")
	if code != 0 {
		t.Fatal(errs)
	}
	lines := openAccounts(t, "--root", dir, "--users", write(t, dir, "users", out))
	lines.lets(t, "bob", "secret", host.ReadOnly)
	for _, want := range []string{
		`:2: the sessions at a time of user "bob"`, `:2: the rate of user "bob"`, `:2: the hours of user "bob"`,
		`:4: the quota of user "cat"`, `:4: the client networks of user "cat"`,
	} {
		if !strings.Contains(errs, "Left out: "+file+want) {
			t.Errorf("it does not say %s:\n%s", want, errs)
		}
	}
}

// Whatever a name, a folder or a hash holds, the tables have it as it was.
func TestImportWritesTOML(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var lines strings.Builder
	odd := []string{`'`, `"`, `\`, `\n`, `'''`, `"""`, "é\u2028x", "]]", "a = 1", "a#", "${x}", "\U0001f600"}
	for _, text := range odd {
		lines.WriteString(text + ":*" + text + ":1:1::" + dir + "/" + text + "/./\n")
	}
	r, _ := imported(t, "pure-ftpd", write(t, dir, "passwd", lines.String()))
	for _, text := range odd {
		own, ok := r.current.Load().byName[text]
		if !ok || own.root != filepath.Join(dir, text) || own.hash != "*"+text {
			t.Errorf("%q is %+v", text, own.entry)
		}
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
		"dan:"+foreign["bcrypt"]+":1:1::srv\n:"+foreign["bcrypt"]+":1:1::/srv\n"+
		"eve:*:1:1::/srv/%u\nfay:*:1:1::/srv:-1\ngil:*:1:1::/srv::::::x\nhal:*:1:1::/srv::::::::::a.example.org,b\n"+
		"ike:*:1:1::/srv::::::::::::9-2500\njoe:*:1:1::/srv::::::::::::day\nlea:*:1:1::/srv::::::::::::::1\nk\xe9:*:1:1::/srv\n")
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
			pure + `:5: the folder "srv" of user "dan"`, pure + ":6: the user's name is missing",
			pure + `:7: the folder "/srv/%u" of user "eve" holds %u`, pure + `:8: user "fay": field 7 is "-1" and no whole number`,
			pure + `:9: user "gil": field 12 is "x" and no whole number`,
			pure + `:10: user "hal": he may come from a.example.org,b, which is no network such as 192.0.2.0/24`,
			pure + `:11: user "ike": "00:09-25:00" are no hours`, pure + `:12: user "joe": the hours are "day"`,
			pure + `:13: it has 20 fields, and a line of pure-pw 6 to 18`,
			pure + `:14: the name or the folder of user "k\xe9" is no UTF-8`, "nothing is printed",
		}},
		{[]string{"passwd", passwd, "--shadow", write(t, dir, "shadow", "zoe\n")}, 1, []string{
			"shadow:1: it is not", passwd + `:1: user "ann" has no line in `,
			passwd + `:2: "one" is no number`, passwd + ":3: it has 2 fields",
		}},
		{[]string{"vsftpd", vsftpd}, 1, []string{vsftpd + ":2: the password is empty", vsftpd + ":3: a user without"}},
		{[]string{"pure-ftpd", database}, 1, []string{database + ": it is the database", "give the passwd file"}},
		{[]string{"vsftpd", write(t, dir, "db", "a\x00")}, 1, []string{"db: it is no text"}},
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
	if code != 0 || strings.Count(out, "[[user]]") != 1 || strings.Count(errs, "Left out: "+pure+":") < 12 {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}

// What pure-pw itself has written is read, and the server keeps to it.
func TestImportFromPurePw(t *testing.T) {
	t.Parallel()
	pure := tool(t, "pure-pw")
	dir := t.TempDir()
	file := filepath.Join(dir, "passwd")
	add := func(name string, flags ...string) {
		t.Helper()
		folder(t, filepath.Join(dir, name))
		args := slices.Concat([]string{"useradd", name, "-u", "1000", "-g", "1000", "-f", file}, flags)
		cmd := exec.Command(pure, args...)
		cmd.Stdin = strings.NewReader("geheim\ngeheim\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v: %s", args, err, out)
		}
	}
	add("ann", "-d", dir+"/ann", "-c", "Ann, of Room 1", "-t", "100", "-T", "2048", "-n", "3", "-N", "1", "-q", "1", "-Q", "10",
		"-y", "2", "-r", "127.0.0.0/8,192.0.2.8", "-R", "192.0.2.1", "-i", "127.0.0.1", "-I", "192.0.2.2", "-z", "0000-2359")
	add("bob", "-D", dir+"/bob", "-z", "2200-0600", "-r", "192.0.2.0/24")
	code, out, errs := run(t, nil, "import", "pure-ftpd", file, "--rights", "rw")
	if code != 0 {
		t.Fatal(errs)
	}
	for _, want := range []string{
		`upload ratio of user "ann": 1`, `download ratio of user "ann": 10`, `server addresses allowed of user "ann": 127.0.0.1`,
		`server addresses refused of user "ann": 192.0.2.2`, `client addresses refused of user "ann": 192.0.2.1`,
		`the way of user "bob" out of ` + dir + "/bob", "each uid and gid",
	} {
		if !strings.Contains(errs, want) {
			t.Errorf("it does not say %s:\n%s", want, errs)
		}
	}
	config := write(t, dir, "wasiftpd.toml", "state-dir = 'state'\n"+out)
	shown, _ := exits(t, 0, nil, "check", "--config", config)
	for _, want := range []string{
		"sessions 2, rate 2M:100k, quota 1M:3, from [127.0.0.0/8 192.0.2.8/32], hours 00:00-23:59" + here + "\n",
		"from [192.0.2.0/24], hours 22:00-06:00" + here + "\n", dir + "/ann ", dir + "/bob ",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("check does not say %s:\n%s", want, shown)
		}
	}
	s := start(t, "--config", config)
	if out, ok := curl(t, "-T", write(t, dir, "small", "content"), "ftp://ann:geheim@"+s.addr+"/"); !ok {
		t.Errorf("the upload of ann: %s", out)
	}
	if out, ok := curl(t, "-T", write(t, dir, "large", strings.Repeat("x", 1<<20)), "ftp://ann:geheim@"+s.addr+"/"); ok ||
		!strings.Contains(out, "< 552 ") {
		t.Errorf("beyond the quota of ann: %s", out)
	}
	for _, login := range []string{"ann:gehei", "bob:geheim"} {
		if out, ok := curl(t, "ftp://"+login+"@"+s.addr+"/"); ok || !strings.Contains(out, "< 530 ") {
			t.Errorf("%s: %s", login, out)
		}
	}
	if out, err := exec.Command(pure, "mkdb", file+".pdb", "-f", file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if _, errs := exits(t, 1, nil, "import", "pure-ftpd", file+".pdb"); !strings.Contains(errs, "give the passwd file") {
		t.Error(errs)
	}
}
