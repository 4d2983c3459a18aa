package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/pflag"
)

// badValue is a value, as TOML, and a part of its fault that says what a good one is.
type badValue struct{ value, hint string }

// badValues are values that settings refuse. Each setting has an entry: a new one comes with one.
var badValues = map[string][]badValue{
	"listen":          {{`":x"`, "127.0.0.1:2121"}, {`"2121"`, ":2121"}, {`":65536"`, ":2121"}, {`2121`, ":2121"}},
	"implicit-listen": {{`"990"`, ":2121"}, {`"a b:21"`, ":2121"}},
	"root":            {{`""`, "DIR"}},
	"anonymous":       {{`"all"`, "off, ro, rw"}, {`"ro,off"`, "off, ro, rw"}},
	"user": {
		{`"alice"`, "NAME:PASSWORD"}, {`"alice:x:all"`, "ro, rw"}, {`":x"`, "missing"}, {`"a:x\ny"`, "line end"},
	},
	"users":         {{`""`, "FILE"}},
	"admin-socket":  {{`""`, "FILE"}},
	"admin-listen":  {{`"8443"`, ":2121"}},
	"admin-tokens":  {{`""`, "FILE"}},
	"metrics-users": {{`"often"`, "true"}},
	"auth-http":     {{`"ftp://a"`, "https://"}, {`"https://"`, "https://"}, {`"a b"`, "https://"}},
	"auth-program":  {{`""`, "FILE"}},
	"auth-ldap":     {{`"https://a"`, "ldaps://"}, {`"ldaps://u:x@a"`, "ldaps://"}},
	"auth-ldap-dn":  {{`"uid=a"`, "uid=%u"}, {`"%u"`, "uid=%u"}},
	"auth-sql": {
		{`"mysql://a"`, "sqlite:FILE"}, {`"sqlite:"`, "sqlite:FILE"}, {`"postgres://a:b:c"`, "sqlite:FILE"},
	},
	"auth-sql-query": {{`"SELECT hash FROM users"`, "$1"}, {`"$1\u0000"`, "$1"}},
	"auth-root":      {{`""`, "DIR"}},
	"auth-rights":    {{`"RW"`, "ro, rw"}},
	"auth-group":     {{`""`, "NAME"}},
	"rehash":         {},
	"auth-timeout":   {{`"5"`, "5s"}, {`"0"`, "5s"}, {`"-1s"`, "5s"}, {`"9999999h"`, "5s"}},
	"auth-cache":     {{`"x"`, "30s"}, {`"-1s"`, "30s"}, {`-1`, "30s"}},
	"rule": {
		{`"/in"`, "/archive/** ro"}, {`"in ro"`, "begin with /"}, {`"/in all"`, "ro, rw"}, {`"/a ro max=0"`, "20M"},
	},
	"host": {
		{`"a b"`, "ftp.example.org"}, {`"a,b=c"`, "root=DIR"}, {`"a,root="`, "give a path"},
		{`"a,cert=b"`, "cert and key"},
	},
	"tls":                 {{`"on"`, "off, self-signed"}},
	"tls-cert":            {{`""`, "FILE"}},
	"tls-key":             {{`""`, "FILE"}},
	"tls-acme":            {{`"*.a"`, "ftp.example.org"}, {`"a b"`, "ftp.example.org"}},
	"tls-acme-ca":         {{`"http://a/"`, "https://"}, {`"a"`, "https://"}},
	"tls-dir":             {{`""`, "DIR"}},
	"tls-require":         {{`"yes"`, "off, login, control, data"}},
	"tls-min":             {{`1.1`, "1.2, 1.3"}, {`"TLS1.2"`, "1.2, 1.3"}, {`1`, "1.2, 1.3"}},
	"tls-data-resumption": {{`"on"`, "prefer, require, off"}},
	"tls-close":           {{`"off"`, "prefer, require"}},
	"tls-lenient-close":   {},
	"tls-client-ca":       {{`""`, "FILE"}},
	"tls-client-auth":     {{`"maybe"`, "require, login"}},
	"passive-ports": {
		{`"50000"`, "50000-50099"}, {`"2-1"`, "50000-50099"}, {`"0-9"`, "50000-50099"}, {`"1-65536"`, "50000-50099"},
		{`5`, "50000-50099"},
	},
	"public-address": {{`"300.1.1.1"`, "203.0.113.7"}, {`"::1"`, "203.0.113.7"}, {`"x=192.0.2.1"`, "192.0.2.0/24"}},
	"proxy-protocol": {{`"a"`, "192.0.2.0/24"}, {`"10.0.0.0/33"`, "192.0.2.0/24"}, {`"10.0.0.1/8"`, "10.0.0.0/8"}},
	"max-sessions": {
		{`-1`, "0 to 2147483647"}, {`1.5`, "0 to"}, {`2147483648`, "0 to 2147483647"}, {`99999999999999999`, "0 to"},
		{`"many"`, "0 to"},
	},
	"max-sessions-per-address": {{`-1`, "0 to 2147483647"}, {`"1k"`, "0 to"}},
	"max-startups": {
		{`"60"`, "100:30:1000"}, {`"10:101:60"`, "100:30:1000"}, {`"61:30:60"`, "100:30:1000"}, {`5`, "100:30:1000"},
	},
	"max-sessions-per-user": {{`-1`, "0 to 2147483647"}},
	"rate": {
		{`-1`, "512k:10M"}, {`"1X"`, "512k:10M"}, {`"9999999999T"`, "512k:10M"}, {`1.5`, "512k:10M"},
		{`inf`, "quotes"},
	},
	"rate-per-user":    {{`"1:"`, "512k:10M"}},
	"rate-per-session": {{`"1:2:3"`, "512k:10M"}},
	"allow-from": {
		{`"example.org"`, "192.0.2.0/24"}, {`"10.0.0.0/33"`, "192.0.2.0/24"}, {`10.1`, "192.0.2.0/24"},
	},
	"deny-from":                  {{`"10.0.0.0/8,"`, "192.0.2.0/24"}},
	"ban-after":                  {{`20`, "20/1m"}, {`"0/1m"`, "20/1m"}, {`"20/0s"`, "20/1m"}, {`"9999999/1m"`, "20/1m"}},
	"ban-time":                   {{`"0"`, "10m"}, {`10`, "10m"}},
	"max-connection-rate":        {{`-1`, "0 to 2147483647"}},
	"quota-per-user":             {{`"10X"`, "10G"}, {`"1G:-1"`, "10G"}, {`-1`, "10G"}, {`"9999999999T"`, "10G"}},
	"state-dir":                  {{`""`, "DIR"}},
	"idle-timeout":               {{`90`, "90s"}, {`"0"`, "90s"}, {`"-5m"`, "90s"}, {`"1d"`, "90s"}},
	"login-timeout":              {{`60`, "30s"}, {`"0"`, "30s"}},
	"data-timeout":               {{`"0"`, "30s"}},
	"stall-timeout":              {{`"-1s"`, "5m"}},
	"stop-timeout":               {{`"30"`, "30s"}, {`"-1s"`, "30s"}},
	"upgrade-timeout":            {{`"30"`, "1h"}, {`"-1s"`, "1h"}},
	"allow-foreign-data-address": {},
	"atomic-uploads":             {},
	"sync":                       {},
	"behaviour": {
		{`"follow-lynx"`, "did you mean follow-links?"}, {`"x"`, "--help"}, {`"make-parents,"`, "--help"},
	},
	"allow":                 {{`"site-copie"`, "did you mean site-copy?"}, {`"x"`, "--help"}},
	"charset":               {{`"klingon"`, "Windows-1252"}, {`"UTF-16"`, "ASCII"}},
	"list-time-zone":        {{`"Mars"`, "Europe/Berlin"}, {`"../etc/passwd"`, "Europe/Berlin"}},
	"owner":                 {{`"me:"`, "OWNER:GROUP"}, {`"é"`, "OWNER:GROUP"}},
	"run-as":                {{`""`, "USER[:GROUP]"}},
	"landlock":              {{`""`, "off|DIR"}},
	"greeting":              {{`"a\r\n220 b"`, "leave that out"}},
	"sessions-per-instance": {{`-1`, "0 to 2147483647"}},
	"module":                {{`""`, "FILE"}},
	"cache-dir":             {{`""`, "DIR"}},
	"log-format":            {{`"xml"`, "text, json"}},
	"log-level":             {{`"loud"`, "debug, info, warn, error"}, {`"INFO"`, "debug, info, warn, error"}},
	"log-file":              {{`""`, "FILE"}},
	"transfer-log":          {{`""`, "FILE"}},
}

// allSettings are the flags that are settings.
func allSettings() []*pflag.Flag {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	newSettings(f, new(options))
	return settings(f)
}

// generalBadValues are refused whatever the setting: nothing, a control character, a wrong type.
func generalBadValues(flag *pflag.Flag) (all []badValue) {
	if flag.Name != "user" { // whose tables are accounts
		all = []badValue{{`{}`, "takes a value"}, {`{a = 1}`, "takes a value"}}
	}
	if takesBool(flag) {
		return append(all, badValue{`"yes"`, "true"}, badValue{`"true"`, "without quotes"}, badValue{`1`, "true or false"},
			badValue{`0.5`, "true or false"}, badValue{`2026-01-01`, "true or false"}, badValue{`""`, "true"},
			badValue{`[true]`, "one value"})
	}
	quotes := "text in quotes, as in " + flag.Name + " = "
	all = append(all, badValue{`""`, ""}, badValue{`true`, quotes}, badValue{`2026-01-01`, quotes}, badValue{`08:00:00`, quotes},
		badValue{`2026-01-01T08:00:00Z`, quotes}, badValue{`nan`, ""})
	if flag.Name != "user" && flag.Name != "auth-sql-query" {
		all = append(all, badValue{`"a\u0000"`, "control character"}, badValue{`"\u001b[2J"`, "control character"})
	}
	if !repeatable(flag) {
		all = append(all, badValue{`["x"]`, "one value"}, badValue{`[]`, "one value"})
	} else {
		all = append(all, badValue{`[]`, "give a value as in " + flag.Name + " = "})
	}
	return all
}

// words is the value as a flag and a variable have it. ok is false if they can't.
func (b badValue) words(t *testing.T, flag *pflag.Flag) (text string, ok bool) {
	t.Helper()
	d, err := parseDocument("words", []byte("x = "+b.value))
	if err != nil {
		t.Fatal(err)
	}
	text, single := d.top.get("x").single()
	_, err = settingText(flag, d.top.get("x"))
	return text, single && err == nil
}

// Whatever is refused is told with its place, the key and a hint, in each of the three ways.
func TestBadValues(t *testing.T) {
	t.Parallel()
	for _, flag := range allSettings() {
		own, known := badValues[flag.Name]
		if !known || len(own) == 0 && !takesBool(flag) {
			t.Errorf("%s has no bad value here: add one, with the part of its fault that says what a good one is", flag.Name)
			continue
		}
		for _, bad := range append(generalBadValues(flag), own...) {
			badInFile(t, flag, bad)
			badInWords(t, flag, bad)
		}
	}
	for key := range badValues {
		if setting(flagsOf(t), key) == nil {
			t.Errorf("%s is no setting any more", key)
		}
	}
}

func flagsOf(t *testing.T) *pflag.FlagSet {
	t.Helper()
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	newSettings(f, new(options))
	return f
}

func badInFile(t *testing.T, flag *pflag.Flag, bad badValue) {
	t.Helper()
	const indent = "  "
	begin, column := indent+flag.Name+" = ", len(indent+flag.Name+" = ")+1
	if strings.HasPrefix(bad.value, "[") {
		column = len(indent) + 1 // an array has the place of its key
	}
	files := map[string]int{begin + bad.value: column}
	if repeatable(flag) && column != len(indent)+1 {
		files[begin+"["+bad.value+"]"] = column + 1
	}
	for line, column := range files {
		for name, content := range map[string]string{
			"LF": "# é\n" + line + "\n", "CRLF": "# é\r\n" + line + "\r\n", "BOM": "\ufeff\n" + line,
		} {
			c := &configFile{path: "/etc/wasiftpd.toml"}
			_, _, err := c.parse([]byte(content), nil)
			checkFault(t, line+" in a file with "+name, err, fmt.Sprintf("/etc/wasiftpd.toml:2:%d: %s: ", column, flag.Name), bad.hint)
		}
	}
}

// badInWords gives a value by a flag and by a variable, in which there are no types.
func badInWords(t *testing.T, flag *pflag.Flag, bad badValue) {
	t.Helper()
	text, ok := bad.words(t, flag)
	if !ok {
		return
	}
	if !strings.ContainsRune(text, 0) {
		_, _, stderr := code(t, nil, "check", "--"+flag.Name+"="+text)
		checkFault(t, flag.Name+" by a flag: "+bad.value, fmt.Errorf("%s", stderr), "wasiftpd: --"+flag.Name+": ", bad.hint)
	}
	if text == "" || repeatable(flag) && strings.ContainsAny(text, "\r\n") {
		return // a variable without a value sets nothing, and one line is one value
	}
	faults := readVariables(flagsOf(t), []string{variable(flag.Name) + "=" + text})
	if len(faults) != 1 {
		t.Errorf("%s=%q has the faults %v", variable(flag.Name), text, faults)
		return
	}
	checkFault(t, flag.Name+" by a variable: "+bad.value, faults[0], variable(flag.Name)+": ", bad.hint)
}

// code runs a command with an environment.
func code(t *testing.T, environment []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	p := program{stdin: strings.NewReader(""), stdout: &out, stderr: &errs, environment: environment}
	return p.run(args...), out.String(), errs.String()
}

func checkFault(t *testing.T, what string, err error, begin, hint string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no fault", what)
		return
	}
	text := strings.TrimSuffix(err.Error(), "\n")
	after, ok := strings.CutPrefix(text, begin)
	if !ok || !strings.Contains(after, hint) || strings.Contains(text, "\n") {
		t.Errorf("%s: the fault is\n%q, want one line\n%q… with %q", what, text, begin, hint)
	}
	for _, bare := range []string{"strconv", "invalid syntax", "parsing ", "%!"} {
		if strings.Contains(text, bare) {
			t.Errorf("%s: the fault has words of Go: %q", what, text)
		}
	}
}

// badUserValues are values that keys of users refuse. Each key has an entry: a new one comes
// with one.
var badUserValues = map[string][]badValue{
	"name": {
		{`""`, "missing"}, {`"a:b"`, "colon"}, {`"#a"`, "begin with #"}, {`" a"`, "blanks"}, {`"a\u0007"`, "control"},
	},
	"group": {{`"x"`, "[[group]]"}, {`["x"]`, "[[group]]"}, {`3`, "[[group]]"}},
	"password": {
		{`"secret"`, "wasiftpd passwd"}, {`""`, "wasiftpd passwd"}, {`3`, "wasiftpd passwd"},
		{`"$2y$99$x"`, "wasiftpd passwd"},
	},
	"passwords": {{`["x"]`, "wasiftpd passwd"}, {`[]`, "locked = true"}, {`[[]]`, "single values"}},
	"root":      {{`""`, "give a folder"}, {`3`, "quotes"}, {`"a\u0000"`, "control"}},
	"totp":      {{`""`, "wasiftpd totp"}, {`"secret!"`, "base32"}, {`3`, "quotes"}, {`"a\u0000"`, "control"}},
	"rights":    {{`"all"`, "ro, rw"}, {`""`, "ro, rw"}, {`7`, "quotes"}, {`"ro\n"`, "control"}},
	"rules": {
		{`"/in ro"`, "array of tables"}, {`[{path = "x", rights = ""}]`, "begin with /"},
		{`[{path = "/"}]`, "rights"}, {`[3]`, "path"}, {`[{path = "/", rights = "", max = -1}]`, "10M"},
		{`[{path = "/", rights = "", accept = [3]}]`, "quotes"}, {`[{path = "/", rights = 3}]`, "ro, rw"},
	},
	"charset":        {{`"klingon"`, "Windows-1252"}, {`1252`, "quotes"}},
	"list_time_zone": {{`"Mars"`, "Europe/Berlin"}, {`1`, "quotes"}},
	"owner":          {{`"me:"`, "OWNER:GROUP"}, {`"two words"`, "OWNER:GROUP"}, {`1`, "quotes"}},
	"umask":          {{`22`, "022"}, {`"1777"`, "022"}, {`"rw"`, "022"}, {`-1`, "022"}, {`true`, "022"}, {`[]`, "022"}},
	"locked":         {{`"true"`, "without quotes"}, {`1`, "true or false"}},
	"sessions": {
		{`-1`, "0 to 2147483647"}, {`2147483648`, "0 to"}, {`"x"`, "0 to"}, {`1.5`, "0 to"}, {`true`, "0 to"},
		{`[1]`, "one value"},
	},
	"rate":  {{`"1X"`, "512k:10M"}, {`-1`, "512k:10M"}, {`true`, "512k:10M"}, {`{}`, "one value"}},
	"quota": {{`"1X"`, "10G"}, {`"1:-1"`, "10G"}, {`2026-01-01`, "10G"}},
	"allow_from": {
		{`"example.org"`, "192.0.2.0/24"}, {`["192.0.2.1/24"]`, "192.0.2.0/24"}, {`[]`, "locked = true"},
		{`10.1`, "192.0.2.0/24"},
	},
	"time_zone":   {{`"Mars"`, "Europe/Berlin"}, {`1`, "quotes"}},
	"valid_from":  {{`"soon"`, "2026-12-31"}, {`2026`, "2026-12-31"}, {`08:00:00`, "2026-12-31"}, {`""`, "2026-12-31"}},
	"valid_until": {{`"2026-13-01"`, "2026-12-31"}, {`true`, "2026-12-31"}},
	"weekdays":    {{`"son"`, "mon, tue"}, {`1`, "mon, tue"}, {`[]`, "locked = true"}, {`""`, "mon, tue"}},
	"hours": {
		{`"8-9"`, "08:00-17:30"}, {`08:00:00`, "08:00-17:30"}, {`"08:00-25:00"`, "08:00-17:30"},
		{`"08:00-08:00"`, "08:00-17:30"},
	},
	"tls_required": {{`"yes"`, "without quotes"}},
	"certificate":  {{`""`, "common name"}, {`3`, "quotes"}, {`"a\u0000"`, "control"}},
}

// The same for the keys of users, of groups and of defaults.
func TestBadUserValues(t *testing.T) {
	t.Parallel()
	keys := []string{"name", "group"}
	for _, s := range userSettings {
		keys = append(keys, s.key)
	}
	for _, key := range keys {
		if len(badUserValues[key]) == 0 {
			t.Errorf("%s has no bad value here: add one, with the part of its fault that says what a good one is", key)
		}
	}
	for key, all := range badUserValues {
		for _, bad := range append(all, badValue{`{}`, ""}, badValue{`{a = 1}`, ""}, badValue{`[{}]`, ""}) {
			file := "[[user]]\n" + key + " = " + bad.value + "\n"
			for other, value := range map[string]string{"name": `"a"`, "password": `"*"`, "rights": `"ro"`} {
				if key != other && key != other+"s" {
					file += other + " = " + value + "\n"
				}
			}
			c := &configFile{path: "/etc/wasiftpd.toml"}
			_, _, err := c.parse([]byte(file), nil)
			begin := fmt.Sprintf("/etc/wasiftpd.toml:2:%d: ", len(key)+4)
			if err != nil && !strings.HasPrefix(err.Error(), begin) { // within the value, at the key, or at the table
				begin = "/etc/wasiftpd.toml:2:"
			}
			if key == "name" && err != nil && strings.HasPrefix(err.Error(), "/etc/wasiftpd.toml:1:3: ") {
				begin = "/etc/wasiftpd.toml:1:3: the user has no name"
			}
			checkFault(t, file, err, begin, bad.hint)
			if err != nil && key != "group" && key != "name" && !strings.Contains(err.Error(), ": "+key+": ") {
				t.Errorf("%s: the fault does not name the key: %v", file, err)
			}
			if key == "name" || key == "group" {
				continue
			}
			for _, s := range userSettings {
				if s.key != key || s.own {
					continue
				}
				for _, header := range []string{"[defaults]\n", "[[group]]\nname = 'g'\n"} {
					line := strings.Count(header, "\n") + 1
					_, _, err := c.parse([]byte(header+key+" = "+bad.value+"\n"), nil)
					checkFault(t, header+key+" = "+bad.value, err, fmt.Sprintf("/etc/wasiftpd.toml:%d:", line), bad.hint)
				}
			}
		}
	}
}

// What can't be read as TOML has a place too.
func TestBadDocuments(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"\xff\xfer\x00":                         "1:1: the file is in UTF-16; save it in UTF-8",
		"\xfe\xff\x00r":                         "1:1: the file is in UTF-16; save it in UTF-8",
		"sync = true\ngreeting = \"caf\xe9\"":   "2:",
		"sync = true\nsync = true":              "2:1: ",
		"[defaults]\n[defaults]":                "2:",
		"sync = true\r\ngreeting = 'a\nb'":      "2:",
		"max-sessions = 0777":                   "1:",
		"max-sessions = 99999999999999999999":   "1:",
		"x = 'a\x00'":                           "1:",
		"greeting = \"a\\q\"":                   "1:",
		"valid = 2026-02-30":                    "1:",
		"user = 3\n[[user]]\nname = 'a'":        "2:",
		"root = '.'\n[root.x]\ny = 1":           "2:",
		"defaults = [{}]":                       "1:",
		"group = 1":                             "1:",
		"greeting = \"\"\"\na\"\"\"\nlisen = 1": "3:1: there is no key",
	} {
		c := &configFile{path: "/etc/wasiftpd.toml"}
		_, _, err := c.parse([]byte(content), nil)
		checkFault(t, content, err, "/etc/wasiftpd.toml:"+want, "")
	}
	for _, file := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing")} {
		_, errs := exits(t, 2, nil, "check", "--config", file)
		if !strings.Contains(errs, "cannot read the configuration: ") || !strings.Contains(errs, file) ||
			!strings.Contains(errs, "; give another with --config") {
			t.Error(errs)
		}
	}
}

// A file or folder that can't be used is a fault with the place of its setting, and the flag
// that gives another.
func TestBadPaths(t *testing.T) {
	t.Parallel()
	dir, ca := t.TempDir(), newAuthority(t)
	cert, key := ca.files(dir, "a.example.org")
	_, otherKey := ca.files(dir, "b.example.org")
	file, missing := write(t, dir, "file", "no such thing"), filepath.Join(dir, "missing")
	closed := write(t, dir, "closed", "x")
	if err := os.Chmod(closed, 0); err != nil {
		t.Fatal(err)
	}
	pair := fmt.Sprintf("tls-cert = %q\ntls-key = %q\n", cert, key)
	tested := map[string]bool{}
	for _, test := range []struct {
		key, path, before string
		hint              string
	}{
		{"root", missing, "", "there is no folder " + missing + "; choose a folder with --root"},
		{"root", file, "", file + " is a file and no folder; choose a folder with --root"},
		{"users", missing, "", "give another with --users"},
		{"users", dir, "", "give another with --users"},
		{"users", closed, "", "give another with --users"},
		{"auth-program", missing, "", "give another program with --auth-program"},
		{"auth-program", dir, "", "give another program with --auth-program"},
		{"auth-program", closed, "", "give another program with --auth-program"},
		{"module", missing, "", "give another with --module"},
		{"module", dir, "", "give another with --module"},
		{"module", file, "", "give another with --module"},
		{"tls-cert", missing, fmt.Sprintf("tls-key = %q\n", key), "cannot read the certificate: |give another with --tls-cert"},
		{"tls-cert", dir, fmt.Sprintf("tls-key = %q\n", key), "give another with --tls-cert"},
		{"tls-cert", file, fmt.Sprintf("tls-key = %q\n", key), "cannot use the certificate in |give another with --tls-cert"},
		{"tls-cert", cert, "", "has no key; give --tls-key"},
		{"tls-cert", cert, fmt.Sprintf("tls-key = %q\n", otherKey), "does not match|give another with --tls-cert"},
		{"tls-key", missing, fmt.Sprintf("tls-cert = %q\n", cert), "cannot read the key: |give another with --tls-key"},
		{"tls-key", dir, fmt.Sprintf("tls-cert = %q\n", cert), "give another with --tls-key"},
		{"tls-client-ca", missing, pair, "cannot read the clients' CA: |give another with --tls-client-ca"},
		{"tls-client-ca", file, pair, "there is no certificate in |give another file with --tls-client-ca"},
		{"tls-client-ca", cert, "", "--tls-client-ca needs TLS; give --tls-cert"},
		{"tls-dir", file, "", "is a file and no folder; choose another with --tls-dir"},
		{"state-dir", file, "", "is a file and no folder; choose another with --state-dir"},
		{"log-file", dir, "", "it is no regular file; give another file with --log-file"},
		{"log-file", closed, "", "give another file with --log-file"},
		{"transfer-log", filepath.Join(missing, "log"), "", "cannot write |give another file with --transfer-log"},
		{"host", "a.example.org,cert=" + missing + ",key=" + key, "", "cannot read the certificate: |give others in --host"},
		{"host", "a.example.org,anonymous=off", "", "--host a.example.org: nobody could log in; give --user"},
		{"run-as", "no-such-user", "", "--run-as: there is no user no-such-user"},
		{"run-as", "root", "", "give another user"},
		{"admin-socket", file, "", "it is a file and no socket; choose another with --admin-socket"},
		{"admin-socket", filepath.Join(missing, "a"), "", "no such file or directory; choose another with --admin-socket"},
		{"admin-tokens", file, pair + "admin-listen = ':0'\n", "it is no line NAME:RIGHTS:TOKEN; mend the file, or give another"},
		{"admin-tokens", missing, pair + "admin-listen = ':0'\n", "cannot use the tokens: |give another with --admin-tokens"},
		{"admin-tokens", file, "", "--admin-tokens needs --admin-listen"},
		{"tls-acme-ca", "https://a/", "", "--tls-acme-ca needs --tls-acme"},
		{"tls-require", "login", "", "--tls-require needs TLS; give --tls-cert"},
		{"implicit-listen", ":990", "", "--implicit-listen needs TLS; give --tls-cert"},
		{"tls-client-auth", "login", "", "--tls-client-auth needs --tls-client-ca"},
		{"auth-ldap", "ldaps://a", "", "--auth-ldap needs --auth-ldap-dn"},
	} {
		tested[test.key] = true
		if test.path == closed && os.Geteuid() == 0 && test.key != "auth-program" {
			continue // root reads all
		}
		line, _ := toml.Marshal(map[string]string{test.key: test.path})
		begin := "anonymous = 'ro'\n" + test.before
		config := write(t, t.TempDir(), "wasiftpd.toml", begin+string(line))
		place := fmt.Sprintf("wasiftpd: %s:%d:%d: %s: ", config, strings.Count(begin, "\n")+1, len(test.key)+4, test.key)
		_, errs := exits(t, 2, nil, "check", "--config", config)
		for part := range strings.SplitSeq(test.hint, "|") {
			checkFault(t, test.key+" = "+test.path, fmt.Errorf("%s", lastLine(errs)), place, part)
		}
	}
	// Folders below auth-root may come later, and without cache-dir the server starts all the same.
	tested["auth-root"], tested["cache-dir"] = true, true
	for _, flag := range allSettings() {
		if kind, _ := pflag.UnquoteUsage(flag); (kind == "FILE" || kind == "DIR") && !tested[flag.Name] {
			t.Errorf("%s is a path and not tried here", flag.Name)
		}
	}
	// The second of several values has a place of its own, and a flag has none in the file.
	config := write(t, t.TempDir(), "wasiftpd.toml",
		fmt.Sprintf("tls-cert = [%q,\n  %q]\ntls-key = [%q, %q]\n", cert, missing, key, key))
	_, errs := exits(t, 2, nil, "check", "--config", config)
	checkFault(t, "the second certificate", fmt.Errorf("%s", errs), "wasiftpd: "+config+":2:3: tls-cert: ", "--tls-cert")
	_, errs = exits(t, 2, nil, "check", "--config", write(t, t.TempDir(), "c", "root = '.'"), "--root", missing)
	checkFault(t, "a flag", fmt.Errorf("%s", errs), "wasiftpd: there is no folder "+missing, "--root")
	// So has what the server finds at its start.
	config = write(t, t.TempDir(), "wasiftpd.toml", "listen = ['192.0.2.1:0']\n")
	p := program{hangups: func() <-chan os.Signal { return nil }}
	var stderr strings.Builder
	p.stdout, p.stderr = &stderr, &stderr
	if code := p.run("--config", config); code != exitFailure {
		t.Errorf("exit code %d", code)
	}
	checkFault(t, "listen", fmt.Errorf("%s", lastLine(stderr.String())),
		"wasiftpd: "+config+":1:11: listen: cannot listen on ", "--listen")
}

// lastLine is the last line of a text.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	return lines[len(lines)-1]
}

// A quota scan knows the users of the configuration file too.
func TestQuotaScanReadsConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder(t, filepath.Join(dir, "a"))
	write(t, filepath.Join(dir, "a"), "file", "content")
	config := write(t, dir, "wasiftpd.toml", "state-dir = 'state'\n"+userTable("ann", "rights = 'rw'\nquota = '1M'\nroot = 'a'"))
	if out, errs := exits(t, 0, nil, "quota", "scan", "--config", config); out != "ann: 7 bytes, 1 files\n" {
		t.Errorf("it says %s%s", out, errs)
	}
}
