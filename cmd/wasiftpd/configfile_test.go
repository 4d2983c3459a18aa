package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// userTable is a [[user]] with the password "secret".
func userTable(name, more string) string {
	return fmt.Sprintf("[[user]]\nname = %q\npassword = %q\n%s\n", name, bcryptHash4, more)
}

// inline is a table of the array user, which may hold those of --user too.
func inline(name, more string) string {
	return fmt.Sprintf("{name = %q, password = %q%s}, ", name, bcryptHash4, more)
}

// exits runs a command with an environment, and returns what it prints.
func exits(t *testing.T, code int, environment []string, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	p := program{stdin: strings.NewReader(""), stdout: &out, stderr: &errs, environment: environment}
	if got := p.run(args...); got != code {
		t.Errorf("%q exits with %d, want %d; it says\n%s%s", args, got, code, &out, &errs)
	}
	return out.String(), errs.String()
}

// A flag counts before a variable, that before the file, and that before the default.
func TestConfigurationPrecedence(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder(t, filepath.Join(dir, "sub"))
	file := write(t, dir, "wasiftpd.toml", "greeting = 'of the file'\nroot = 'sub'\nallow = ['site-copy', 'comb']\n"+
		"max-sessions = 7\n")
	for _, test := range []struct {
		greeting    string
		environment []string
		args        []string
	}{
		{"of the file", nil, []string{"--config", file}},
		{"of the file", []string{"WASIFTPD_CONFIG=" + file, "OTHER=1", "WASIFTPD_GREETING="}, nil},
		{"of the variable", []string{"WASIFTPD_GREETING=of the variable"}, []string{"--config", file}},
		{"of the flag", []string{"WASIFTPD_GREETING=of the variable"}, []string{"--config", file, "--greeting", "of the flag"}},
		{"of the variable", []string{"WASIFTPD_GREETING=of the variable", "WASIFTPD_ROOT=" + dir}, nil},
	} {
		s := program{environment: test.environment}.start(t, append([]string{"--listen", "127.0.0.1:0"}, test.args...)...)
		c, err := textproto.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, text, err := c.ReadResponse(220); !strings.Contains(text, test.greeting) {
			t.Errorf("%q with %q greet with %q, %v", test.args, test.environment, text, err)
		}
		c.Close()
	}
	out, _ := exits(t, 0, []string{"WASIFTPD_LISTEN=:1\n127.0.0.1:2\n"}, "check", "--config", file)
	for _, want := range []string{"listen     :1 ", "listen     127.0.0.1:2 ", filepath.Join(dir, "sub")} {
		if !strings.Contains(out, want) {
			t.Errorf("the preview lacks %q:\n%s", want, out)
		}
	}
}

// Each setting can be given in all three ways, and means the same.
func TestConfigurationHasAllSettings(t *testing.T) {
	t.Parallel()
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	newSettings(f, new(options))
	for _, flag := range settings(f) {
		if flag.Hidden {
			continue
		}
		value := example(flag)
		if value == "" {
			t.Errorf("--%s has no default in its help; give it an example for the sample", flag.Name)
			continue
		}
		c := &configFile{path: "wasiftpd.toml"}
		_, byFile, err := c.parse([]byte(flag.Name+" = "+value), nil)
		if err != nil {
			t.Error(err)
			continue
		}
		want := strings.Join(texts(byFile.Lookup(flag.Name)), "\n")
		byVariable := pflag.NewFlagSet("", pflag.ContinueOnError)
		newSettings(byVariable, new(options))
		if faults := readVariables(byVariable, []string{variable(flag.Name) + "=" + want}); len(faults) > 0 {
			t.Error(faults)
		}
		if got := strings.Join(texts(byVariable.Lookup(flag.Name)), "\n"); got != want || want == "" {
			t.Errorf("%s is %q by a variable and %q by the file", flag.Name, got, want)
		}
	}
}

// Each fault is a line with its place, and the program exits with code 2.
func TestConfigurationFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ content, want string }{
		{"listen = [':2121',\n  ':x']", `2:3: listen: ":x" is no HOST:PORT such as`},
		{"\nlisen = ':1'", `2:1: there is no key "lisen"; did you mean listen?`},
		{"max_sessions = 3", `1:1: there is no key "max_sessions"; did you mean max-sessions?`},
		{"zzz = 3", `1:1: there is no key "zzz"`},
		{"config = 'x'", `1:1: there is no key "config"`},
		{"help = true", `1:1: there is no key "help"`},
		{"max-sessions = -1", `1:16: max-sessions: "-1" is no whole number`},
		{"'max-sessions' = 1.5", `1:18: max-sessions: "1.5" is no whole number`},
		{"sync = 'yes'", `1:8: sync: it takes true or false, without quotes`},
		{"idle-timeout = 90", `1:16: idle-timeout: "90" is no length of time such as`},
		{"anonymous = ['ro']", `1:1: anonymous: it takes one value, no array`},
		{"root = {a = 1}", `1:8: root: it takes a value, no table`},
		{"[root]\na = 1", `1:2: root: it takes a value, no table`},
		{"user = ['alice']", `1:9: user: the password is empty`},
		{"x = 1\nx = 2", `2:1: `},
		{"x = ", `1:`},
		{"valid = 2026-02-30", `1:`},
		{"sync = true\n\xff = 1", `2:1: `},
		{"[default]\n", `1:2: there is no key "default"; did you mean defaults?`},
		{"defaults = 1", `1:12: it is no table`},
		{"[defaults]\nright = 'ro'", `2:1: there is no key "right" here; did you mean rights?`},
		{"[defaults]\npassword = '*'", `2:1: there is no key "password" here`},
		{"[defaults]\nrights = 'x'\n" + userTable("a", "") + userTable("b", ""), `2:10: rights: "x" is no right`},
		{"[group]\nname = 'x'", `1:2: a group is a table with the header [[group]]`},
		{"[[group]]\nrights = 'ro'", `1:3: the group has no name`},
		{"[[group]]\nname = 'x'\n[[group]]\nname = 'x'", `3:3: group "x" is given twice, the first time at FILE:1:3`},
		{"[[group]]\nname = 'x'\nroof = 1", `3:1: there is no key "roof" here; did you mean root?`},
		{userTable("a", "group = 'cams'\nrights = 'ro'") + "[[group]]\nname = 'cam'",
			`4:9: there is no [[group]] "cams"; did you mean cam?`},
		{"[[user]]\npassword = '*'", `1:3: the user has no name`},
		{"[[user]]\nname = 3", `1:3: the user has no name`},
		{"[[user]]\nname = 'a:b'\npassword = '*'", `2:8: name: a user's name can't hold a colon`},
		{"[[user]]\nname = 'a'\nrights = 'ro'", `1:3: user "a" has no password`},
		{"[[user]]\nname = 'a'\npassword = 'secret'", `3:12: password: it is no hash that is known`},
		{"[[user]]\nname = 'a'\npasswords = ['*', 'x']", `3:19: passwords: it is no hash that is known`},
		{userTable("a", "passwords = ['*']\nrights = 'ro'"), `4:1: user "a" has a password and passwords`},
		{userTable("a", "passwrd = 3"), `4:1: there is no key "passwrd" here; did you mean password?`},
		{userTable("a", "rights = 'ro'\nlisten = ':1'"),
			`5:1: there is no key "listen" here; as a key of the server it comes before all tables`},
		{userTable("a", ""), `1:3: user "a" has no rights`},
		{userTable("a", "rights = 'all'"), `4:10: rights: "all" is no right`},
		{userTable("a", "rights = ['ro']"), `4:1: rights: it takes one value`},
		{userTable("../a", "rights = 'ro'\nroot = '/srv/%u'"), `5:8: root: the name of the user "../a" can't stand for %u`},
		{userTable("..", "rights = 'ro'\nroot = '/srv/%u'"), `5:8: root: the name of the user ".." can't stand for %u`},
		{userTable("a", "charset = 'klingon'"), `4:11: charset: "klingon"`},
		{userTable("a", "umask = 22"), `4:9: umask: it is no octal number`},
		{userTable("a", "umask = '1777'"), `4:9: umask: it is no octal number`},
		{userTable("a", "locked = 'no'"), `4:10: locked: it takes true or false, without quotes`},
		{userTable("a", "sessions = -1"), `4:12: sessions: "-1" is no whole number`},
		{userTable("a", "allow_from = ['192.0.2.1', '192.0.2.1/24']"), `4:28: allow_from: "192.0.2.1/24" has bits behind its length; ` +
			`did you mean 192.0.2.0/24?`},
		{userTable("a", "allow_from = []"), `4:1: allow_from: nothing is given`},
		{userTable("a", "valid_from = 'soon'"), `4:14: valid_from: "soon" is no date`},
		{userTable("a", "rights = 'ro'\nvalid_from = 2026-03-01\nvalid_until = 2026-02-28"), `6:15: user "a" is never valid`},
		{userTable("a", "weekdays = ['mon', 'son']"), `4:20: weekdays: "son" is no day or days`},
		{userTable("a", "hours = ['8-9']"), `4:10: hours: "8-9" are no hours`},
		{userTable("a", "time_zone = 'Mars'"), `4:13: time_zone: "Mars" is no time zone`},
		{userTable("a", "rights = 'ro'\ntls_required = true"), `1:3: user "a" needs TLS, which is off`},
		{userTable("a", "rights = 'ro'\ncertificate = 'x'"), `1:3: user "a" is to show a certificate, which needs tls-client-ca`},
		{userTable("a", "rules = [{path = 'x', rights = ''}]"), `4:18: rules: path: the path does not begin with /`},
		{userTable("a", "rules = [{path = '/x', rights = 'x'}]"), `4:33: rules: rights: "x" is no right`},
		{userTable("a", "rules = [{path = '/x', rights = '', max = '1X'}]"),
			`4:43: rules: max: "1X" is no number of bytes such as 4096, 512k, 10M or 1G`},
		{userTable("a", "rules = [{path = '/x'}]"), `4:10: rules: a rule needs a path`},
		{userTable("a", "rules = [{pat = '/x'}]"), `4:11: rules: there is no key "pat"; did you mean path?`},
		{userTable("a", "rights = 'ro'\nrules = [{path = '/x[', rights = ''}]"), `5:10: rules: `},
		{userTable("é", "rights = 'ro'") + userTable("é", "rights = 'ro'"),
			`5:3: user "é" is given twice, the first time at FILE:1:3`},
		{"user = ['a:secret']\nroot = '.'\nanonymous='off'\nusers = 'users'", `1: user "a" is given twice, the first time by --user`},
	} {
		dir := t.TempDir()
		file := write(t, dir, "wasiftpd.toml", test.content)
		at := file
		if strings.Contains(test.content, "users = ") {
			at = write(t, dir, "users", "a:*::ro\n")
		}
		want := "wasiftpd: " + at + ":" + strings.ReplaceAll(test.want, "FILE", file)
		for _, args := range [][]string{{"check", "--config", file}, {"--listen", "127.0.0.1:0", "--config", file}} {
			p := program{}
			var errs bytes.Buffer
			p.stdout, p.stderr = &errs, &errs
			p.hangups = func() <-chan os.Signal { return nil }
			code := p.run(args...)
			first := ""
			for line := range strings.Lines(errs.String()) {
				if first == "" && strings.HasPrefix(line, "wasiftpd: ") {
					first = line
				}
			}
			if !strings.HasPrefix(first, want) || code == 0 || args[0] == "check" && code != exitUsage {
				t.Errorf("%q %q: code %d,\n%s\nwant\n%s", test.content, args, code, &errs, want)
			}
			if n := strings.Count(errs.String(), "wasiftpd: "); n != 1 && !strings.Contains(test.content, "lisen") {
				t.Errorf("%q: %d faults:\n%s", test.content, n, &errs)
			}
			if strings.Contains(errs.String(), "secret") {
				t.Errorf("the faults tell a password: %s", &errs)
			}
		}
	}
	_, errs := exits(t, 2, nil, "check", "--config", filepath.Join(t.TempDir(), "missing"))
	if !strings.Contains(errs, "cannot read the configuration") || !strings.Contains(errs, "--config") {
		t.Error(errs)
	}
}

// All faults come together: those of variables, keys and tables.
func TestConfigurationAllFaults(t *testing.T) {
	t.Parallel()
	file := write(t, t.TempDir(), "wasiftpd.toml", "lisen = 1\ntls-min = 1.1\n"+
		userTable("a", "right = 'ro'\nhours = '1'")+"[defaults]\nrights = 'ro'")
	environment := []string{"WASIFTPD_LISTN=:1", "WASIFTPD_SYNC=maybe", "WASIFTPD_LISTEN=:1,:2"}
	_, errs := exits(t, 2, environment, "check", "--config", file)
	for _, want := range []string{
		"there is no variable WASIFTPD_LISTN; did you mean WASIFTPD_LISTEN?\n", `WASIFTPD_SYNC: "maybe" is neither true nor false`,
		`WASIFTPD_LISTEN: ":1,:2" is no HOST:PORT`, file + ":1:1: ", file + ":2:11: tls-min: ", file + ":6:1: ", file + ":7:9: hours: ",
	} {
		if !strings.Contains(errs, want) {
			t.Errorf("the faults lack %q:\n%s", want, errs)
		}
	}
	if n := strings.Count(errs, "\n"); n != 7 {
		t.Errorf("%d faults:\n%s", n, errs)
	}
	// A key that a flag takes the place of is checked all the same.
	_, errs = exits(t, 2, nil, "check", "--config", write(t, t.TempDir(), "c", "tls-min = 1.1"), "--tls-min", "1.3")
	if !strings.Contains(errs, ":1:11: tls-min: ") {
		t.Error(errs)
	}
}

// The sample says nothing as it is. Without its comment signs it sets all keys.
func TestConfigurationSample(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sample, _ := exits(t, 0, nil, "config")
	exits(t, 0, nil, "check", "--root", dir, "--config", write(t, dir, "wasiftpd.toml", sample))
	bare := regexp.MustCompile(`(?m)^#(\S)`).ReplaceAllString(sample, "$1")
	// These are faults beside password, [[user]] and run.
	for _, key := range []string{"\npasswords = [", "\nuser = [", "\nurl = ", "\nheaders = "} {
		bare = strings.Replace(bare, key, "\n#", 1)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bare = strings.Replace(bare, `"/usr/local/bin/scan"`, strconv.Quote(program), 1)
	c := &configFile{path: filepath.Join(dir, "bare.toml")}
	o, f, err := c.parse([]byte(bare), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range settings(f) {
		if !flag.Changed && !flag.Hidden && flag.Name != "user" {
			t.Errorf("the sample lacks %s", flag.Name)
		}
	}
	if len(o.entries) != 1 || o.entries[0].name != "alice" || o.entries[0].root != "/srv/alice" && filepath.IsAbs("/srv") {
		t.Errorf("the users of the sample are %+v", o.entries)
	}
	for _, s := range userSettings {
		if s.help != "" && !strings.Contains(sample, "\n#"+s.key+" = ") {
			t.Errorf("the sample lacks %s", s.key)
		}
	}
}

func TestConfigurationInHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"check", "--help"}} {
		out, _ := exits(t, 0, nil, args...)
		if !strings.Contains(out, "WASIFTPD_TLS_MIN") || !strings.Contains(out, "--config FILE") ||
			strings.Contains(out, "(default [])") {
			t.Errorf("%q says\n%s", args, out)
		}
	}
}

// check tells what a server would do. It opens no port and makes no file.
func TestConfigurationPreview(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir, ca := t.TempDir(), newAuthority(t)
	cert, key := ca.files(dir, "a.example.org")
	for _, name := range []string{"alice", "bob"} {
		folder(t, filepath.Join(dir, name))
	}
	file := write(t, dir, "wasiftpd.toml", fmt.Sprintf("listen = [%q]\nimplicit-listen = [':990']\n"+
		"tls-cert = [%q]\ntls-key = [%q]\n"+
		"tls-require = 'login'\npassive-ports = '50000-50001'\npublic-address = '203.0.113.7'\nroot = '.'\n"+
		"host = ['b.example.org,anonymous=ro']\n"+
		"cache-dir = 'cache'\n[defaults]\nrights = 'rw'\nroot = '%%u'\nsessions = 3\n", taken.Addr(), cert, key)+
		userTable("alice", "rights = 'list,write'\nlocked = true\numask = '027'\nsessions = 0")+
		userTable("bob", "weekdays = 'mon'\nhours = '08:00-18:00'\ntime_zone = 'UTC'\nallow_from = '::1'\ntls_required = true"))
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out, _ := exits(t, 0, nil, "check", "--config", file)
	table := regexp.MustCompile(` +`).ReplaceAllString(out, " ")
	for _, want := range []string{
		"listen " + taken.Addr().String() + " AUTH TLS, required for login\n", "listen :990 TLS from the start\n",
		"passive 50000-50001 203.0.113.7", "certificate a.example.org expires on ", cert,
		"user alice list,write " + filepath.Join(dir, "alice") + " " + file + ":15:3, locked, umask 027\n",
		"user bob rw " + filepath.Join(dir, "bob") + " " + file +
			":22:3, sessions 3, from [::1/128], TLS required, Monday (UTC), hours 08:00-18:00 (UTC)\n",
		"host b.example.org\n anonymous ro " + dir,
	} {
		if !strings.Contains(table, want) {
			t.Errorf("the preview lacks %q:\n%s", want, table)
		}
	}
	after, _ := os.ReadDir(dir)
	if len(after) != len(before) {
		t.Errorf("check has made files: %v", after)
	}
}

// What can change while the server runs does, and the log names the rest in one line.
func TestConfigurationReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"one", "two"} {
		folder(t, filepath.Join(dir, name))
		write(t, filepath.Join(dir, name), "in "+name, "")
	}
	const head = "root = 'one'\nanonymous = 'ro'\n"
	file := write(t, dir, "wasiftpd.toml", head+"user = ['plain:secret', 'other:secret', "+
		inline("same", ", root = 'one'")+inline("gone", "")+inline("less", ", rights = 'rw'")+"]\n[defaults]\nrights = 'rw'\n")
	users := write(t, dir, "users", "filed:"+bcryptHash4+":two:ro\n")
	s := start(t, "--config", file, "--users", users)
	sessions := map[string]dialogue{}
	for _, name := range []string{"same", "gone", "less", "plain", "other", "filed", "anonymous"} {
		sessions[name] = s.admitted(name, "secret")
	}
	sessions["less"].do(257, "MKD made")

	write(t, dir, "wasiftpd.toml", "root = 'one'\nanonymous = 'off'\nlisten = ':1'\nlog-format = 'json'\n"+
		"sessions-per-instance = 3\n"+
		"user = ['plain:secret', 'other:changed', "+
		inline("same", ", root = 'one'")+inline("less", ", rights = 'ro'")+inline("new", "")+"]\n[defaults]\nrights = 'rw'\n")
	s.hangup <- os.Interrupt
	log := s.log.until(`msg="configuration loaded"`)
	for _, want := range []string{
		"file=" + file, "added=new", "removed=gone", `changed="less, other"`, `"sessions ended"=4`,
		`msg="sessions-per-instance, log-format changed in the configuration and needs a restart"`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %s:\n%s", want, log)
		}
	}
	for _, name := range []string{"gone", "less", "other", "anonymous"} {
		sessions[name].expect(421)
	}
	for _, name := range []string{"same", "plain", "filed"} {
		sessions[name].do(200, "NOOP")
	}
	s.admitted("less", "secret").do(550, "MKD again")
	s.admitted("new", "secret")
	s.admitted("other", "changed")
	s.refused("gone", "secret")

	// Without a hangup: another root.
	write(t, dir, "wasiftpd.toml", "root = 'two'\n"+userTable("same", "root = 'one'\nrights = 'rw'")+
		userTable("new", "rights = 'rw'"))
	s.log.until(`removed="less, other, plain"`)
	if text := s.admitted("new", "secret").do(213, "SIZE in two"); text != "0" {
		t.Errorf("the new root has a file of %s bytes", text)
	}
	sessions["same"].do(200, "NOOP")
}

// A bad file changes nothing, and the log tells its faults.
func TestBadConfigurationStaysOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := userTable("bob", "rights = 'ro'")
	file := write(t, dir, "wasiftpd.toml", good)
	s := start(t, "--config", file, "--root", dir, "--users", write(t, dir, "users", "filed:*::ro"))
	d := s.admitted("bob", "secret")
	for _, test := range []struct{ content, want string }{
		{userTable("carol", "rights = 'ro'") + "lisen = 1", file + ":5:1: there is no key"},
		{"listen = 'x'\n" + userTable("carol", "rights = 'ro'"), file + ":1:10: listen: "},
		{"[[user]", file + ":1:7: "},
		{userTable("carol", "rights = 'ro'") + userTable("filed", "rights = 'ro'"), "filed"},
		{"tls-acme-ca = 'https://a/'\n", "--tls-acme-ca needs --tls-acme"},
	} {
		write(t, dir, "wasiftpd.toml", test.content)
		log := s.log.until(test.want)
		if !strings.Contains(log, `msg="the old configuration stays" err=`) {
			t.Errorf("%q: the log is\n%s", test.content, log)
		}
		d.do(200, "NOOP")
	}
	s.admitted("bob", "secret").Close()
	s.refused("carol", "secret")
	write(t, dir, "wasiftpd.toml", userTable("carol", "rights = 'ro'"))
	s.log.until("added=carol removed=bob")
	d.expect(421)
}

// The last user of the file who goes does not open the server to anonymous ones.
func TestLastUserOfConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := write(t, dir, "wasiftpd.toml", userTable("bob", "rights = 'ro'"))
	s := start(t, "--config", file, "--root", dir)
	write(t, dir, "wasiftpd.toml", "")
	s.log.until("no user is left")
	s.admitted("bob", "secret")
	d := s.dial()
	d.do(331, "USER anonymous")
	d.do(530, "PASS x")
	write(t, dir, "wasiftpd.toml", "anonymous = 'off'")
	s.log.until("removed=bob")
	s.refused("bob", "secret")
}

// A user may move between the users file and the configuration, both of which change at once.
func TestUserMovesBetweenFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	line, table := "bob:"+bcryptHash4+"::ro\n", userTable("bob", "rights = 'ro'")
	file, users := write(t, dir, "wasiftpd.toml", "anonymous = 'off'\n"), write(t, dir, "users", line)
	s := start(t, "--config", file, "--users", users, "--root", dir)
	s.admitted("bob", "secret")
	write(t, dir, "wasiftpd.toml", "anonymous = 'off'\n"+table)
	write(t, dir, "users", "carol:*::ro\n")
	s.log.until(`file=` + file + ` added=bob`)
	s.admitted("bob", "secret")
	write(t, dir, "users", line)
	write(t, dir, "wasiftpd.toml", "anonymous = 'off'\n")
	s.log.until(`file=` + users + ` added=bob removed=carol`)
	s.admitted("bob", "secret")
}

// FuzzConfiguration reads files. A fault has a place, and a file without one is read the same
// way twice.
func FuzzConfiguration(f *testing.F) {
	seeds := []string{
		userTable("a", "rights = 'ro'\nrules = [{path = '/', rights = ''}]"), "user = ['a:b', {name = 'x'}]",
		"a.b.c = [{x = 1}, [2, 3]]", "[[user]]\n[user.rules]\n[[user.rules]]", "group = [1]",
		"[[a.b]]\n[a.b.c]\nd = 1", "\ufeffsync = true",
		"defaults.rights = 'ro'", "[[group]]\nname = 'g'\n[[user]]\nname = 'a'\ngroup = 'g'\npassword = '*'\nrights = 'ro'",
		"listen = [':1']\ntls-min = 1.2\nidle-timeout = '5m'\nmax-sessions = 0x10",
	}
	for _, s := range userSettings { // short ones: the fuzzer takes a minute to shorten a long one
		seeds = append(seeds, "[[user]]\nname = 'a'\n"+s.key+" = "+s.sample)
	}
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		c := &configFile{path: "/fuzz/file.toml"}
		first, _, err := c.parse(content, nil)
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "/fuzz/file.toml:") {
					t.Errorf("a fault has no place: %s", line)
				}
			}
			return
		}
		again, _, err := c.parse(content, nil)
		if err != nil || len(first.entries) != len(again.entries) {
			t.Fatalf("read again: %v", err)
		}
		for i := range first.entries {
			if !first.entries[i].same(again.entries[i]) {
				t.Errorf("read again, user %d differs", i)
			}
		}
	})
}

// BenchmarkConfiguration starts with 10,000 users, whose group has 100 rules and a quota, and loads
// them again when one has changed.
func BenchmarkConfiguration(b *testing.B) {
	dir := b.TempDir()
	var content strings.Builder
	content.WriteString("[defaults]\nrights = 'rw'\ntime_zone = 'Europe/Berlin'\n" +
		"[[group]]\nname = 'cameras'\nroot = 'users/%u'\nhours = '08:00-18:00'\nquota = '10G:100000'\n" +
		"rules = [\n")
	for i := range 100 {
		fmt.Fprintf(&content, "{path = '/archive-%d/*.jpg', rights = 'ro', max = '10M'},\n", i)
	}
	content.WriteString("]\n")
	for i := range 10_000 {
		fmt.Fprintf(&content, "[[user]]\nname = 'user%d'\npassword = '%s'\ngroup = 'cameras'\n"+
			"allow_from = ['192.0.2.0/24']\n", i, argonHash)
		if err := os.MkdirAll(filepath.Join(dir, "users", fmt.Sprint("user", i)), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	file := filepath.Join(dir, "wasiftpd.toml")
	if err := os.WriteFile(file, []byte(content.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	begin := func(b *testing.B) *configFile {
		f, o := pflag.NewFlagSet("", pflag.ContinueOnError), new(options)
		newSettings(f, o)
		if err := f.Parse([]string{"--config", file}); err != nil {
			b.Fatal(err)
		}
		c, err := new(program).configure(f, o)
		if err != nil {
			b.Fatal(err)
		}
		files := &follower{logger: logger}
		r, err := o.roster(b.Context(), files)
		if err != nil {
			b.Fatal(err)
		}
		c.follow(r, files)
		return c
	}
	b.Run("start", func(b *testing.B) {
		for b.Loop() {
			begin(b)
		}
	})
	b.Run("reload", func(b *testing.B) {
		c := begin(b)
		c.roster.revoke = func(func(string) bool) int { return 0 }
		for i := 0; b.Loop(); i++ {
			if err := c.take([]byte(content.String()+userTable(fmt.Sprint("new", i), "")), logger); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// wasiftpd check warns, as the server does, of a file with secrets that everybody can read.
func TestConfigurationIsOpen(t *testing.T) {
	t.Parallel()
	needsModes(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "wasiftpd.toml")
	sql := "auth-root = '.'\nauth-sql = ['%s']\n"
	for _, test := range []struct {
		content string
		mode    os.FileMode
		args    []string
		warned  bool
	}{
		{userTable("a", "rights = 'ro'"), 0o644, nil, true},
		{userTable("a", "rights = 'ro'"), 0o602, nil, true},
		{userTable("a", "rights = 'ro'"), 0o640, nil, false},
		{"user = 'ann:secret:ro'", 0o644, nil, true},
		{"greeting = 'Hello.'", 0o644, []string{"--user", "ann:secret:ro"}, false},
		{fmt.Sprintf(sql, "postgres://ftp:secret@127.0.0.1/accounts"), 0o644, nil, true},
		{fmt.Sprintf(sql, "postgres://ftp@127.0.0.1/accounts?password=secret"), 0o644, nil, true},
		{fmt.Sprintf(sql, "postgres://ftp@127.0.0.1/accounts"), 0o644, nil, false},
		{"auth-root = '.'\nauth-http = ['https://ftp:secret@127.0.0.1/login']\n", 0o644, nil, true},
		{"[[hook]]\non = ['upload']\nurl = 'https://127.0.0.1/x'\nheaders = ['Authorization: Bearer secret']", 0o644, nil, true},
		{"[[hook]]\non = ['upload']\nurl = 'https://ftp:secret@127.0.0.1/x'", 0o644, nil, true},
		{"[[hook]]\non = ['upload']\nurl = 'https://127.0.0.1/x'", 0o644, nil, false},
	} {
		write(t, dir, "wasiftpd.toml", test.content)
		if err := os.Chmod(file, test.mode); err != nil {
			t.Fatal(err)
		}
		_, errs := exits(t, 0, nil, append([]string{"check", "--config", file}, test.args...)...)
		want := fmt.Sprintf("can read or change the configuration, which has passwords or hashes of them; chmod 640 it\" "+
			"file=%s mode=%04o", file, test.mode)
		if strings.Contains(errs, want) != test.warned || !test.warned && errs != "" {
			t.Errorf("%o %q: it says %q", test.mode, test.content, errs)
		}
	}
}
