package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// askedTable is the table of a hook that is asked about an event.
func askedTable(on, program string) string {
	return fmt.Sprintf("[[hook]]\non = [%q]\nrun = [%q]\nwait = true\n", on, program)
}

// hooked starts a server for the user u with the password p, with a configuration of these
// [[hook]] tables.
func hooked(t *testing.T, root, state, tables string, more ...string) *running {
	t.Helper()
	config := write(t, t.TempDir(), "wasiftpd.toml", tables)
	return start(t, append([]string{"--root", root, "--user=u:p:rw", "--state-dir", state, "--config", config}, more...)...)
}

// A program that scans sees the content, before anybody sees the file, and its text is the
// reply to a file that it refuses.
func TestHookScansUpload(t *testing.T) {
	t.Parallel()
	root, seen := t.TempDir(), t.TempDir()
	scan := shellProgram(t, `cat > `+seen+`/question
ls `+root+` > `+seen+`/files
grep -q virus <&3 && { echo "It has a virus."; echo more; exit 1; }
exit 0
`)
	// In a process of its own, so that there is a wall around it.
	config := write(t, t.TempDir(), "wasiftpd.toml", askedTable("upload", scan))
	s, _ := spawn(t, "--root", root, "--user=u:p:rw", "--landlock", seen, "--config", config)
	at := "ftp://u:p@" + s.addr + "/"
	bad, good := write(t, t.TempDir(), "bad", "a virus"), write(t, t.TempDir(), "good", "all well")
	if out, ok := curl(t, "-T", bad, at+"bad"); ok || !strings.Contains(out, "< 553 It has a virus.\r\n") {
		t.Errorf("a bad file: %s\n%s", out, s.log)
	}
	var question toldEvent
	content, err := os.ReadFile(filepath.Join(seen, "question"))
	if err != nil || json.Unmarshal(content, &question) != nil {
		t.Fatalf("%v: %s", err, content)
	}
	about := question.Data
	if question.Type != "wasiftp.upload" || about.Path != "/bad" || about.File != root+"/bad" || *about.Bytes != 7 || !about.Wait ||
		about.Content != 3 || about.User != "u" || !strings.HasPrefix(about.Client, "127.0.0.1:") || about.Server != s.addr {
		t.Errorf("it is asked %s", content)
	}
	if files, err := os.ReadFile(filepath.Join(seen, "files")); err != nil || strings.Contains(string(files), "bad") {
		t.Errorf("there was %q, %v", files, err)
	}
	if _, err := os.Stat(filepath.Join(root, "bad")); err == nil {
		t.Error("the bad file is there")
	}
	if out, ok := curl(t, "-T", good, at+"good"); !ok {
		t.Errorf("a good file: %s", out)
	}
}

// No verb leads past a hook that refuses all uploads, nor past one that refuses all else.
func TestHookIsNotSteppedAround(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write(t, root, "old", "old")
	write(t, root, "part", "part")
	no := shellProgram(t, "echo Not today.\nexit 2\n")
	tables := askedTable("upload", no) + `[[hook]]
on = ["delete", "mkdir", "rename", "link", "change", "download"]
name = "rest"
users = ["v*"]
run = ["` + no + `"]
wait = true
`
	s := hooked(t, root, t.TempDir(), tables, "--allow", "site-copy,comb,site-symlink,site-rmdir", "--user=vi:p:rw")
	d := s.dial()
	d.login("u", "p")
	for _, verb := range []string{"STOR new", "STOU new", "STOR old"} {
		if text := d.store(s.addr, verb, "new", 553); text != "Not today." {
			t.Errorf("%s: %s", verb, text)
		}
	}
	for _, line := range []string{"APPE old", "APPE new", "REST 1|STOR old"} {
		if rest, stor, ok := strings.Cut(line, "|"); ok {
			d.do(350, rest)
			line = stor
		}
		data := d.data(s.addr)
		d.do(553, line)
		data.Close()
	}
	d.do(553, `COMB "old" "part"`)
	d.do(350, "SITE CPFR old")
	d.do(553, "SITE CPTO copy")
	d = s.dial()
	d.login("vi", "p")
	for _, line := range []string{
		"DELE old", "MKD dir", "RMD dir", "MFMT 20200101000000 old", "SITE CHMOD 600 old", "SITE RMDIR dir",
	} {
		if text := d.do(550, line); text != "Not today." {
			t.Errorf("%s: %s", line, text)
		}
	}
	d.do(350, "RNFR old")
	d.do(553, "RNTO new")
	d.do(553, "SITE SYMLINK old new")
	d.data(s.addr)
	d.do(550, "RETR old")
	entries, err := os.ReadDir(root)
	content, _ := os.ReadFile(filepath.Join(root, "old"))
	if err != nil || len(entries) != 2 || string(content) != "old" {
		t.Errorf("there is %v with %q, %v", entries, content, err)
	}
}

// The answers of a program and of a URL, and what the client gets.
func TestHookAnswers(t *testing.T) {
	t.Parallel()
	for exit, want := range map[string]string{
		"echo fine":            "226",
		"echo Later.; exit 75": "451 Later.",
		"exit 75":              "451 This can't be checked now; try again later.",
		"exit 1":               "553 Refused.",
		"kill -9 $$":           "451 This can't be checked now; try again later.",
		"printf '\\r\\n a\\tb\\007\\r\\n'; exit 9": "553 a b",
	} {
		s := hooked(t, t.TempDir(), t.TempDir(), askedTable("upload", shellProgram(t, exit+"\n")))
		d := s.dial()
		d.login("u", "p")
		code, _ := strconv.Atoi(want[:3])
		if text := d.store(s.addr, "STOR f", "x", code); want[3:] != "" && text != want[4:] {
			t.Errorf("%s: %s", exit, text)
		}
	}
	answer := make(chan int, 1)
	url := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("the headers are %v", r.Header)
		}
		w.WriteHeader(<-answer)
		fmt.Fprint(w, "From afar.\nmore")
	}))
	s := hooked(t, t.TempDir(), t.TempDir(), "[[hook]]\non = [\"login\", \"upload\"]\nwait = true\nurl = \""+url.URL+
		"\"\nheaders = [\"Authorization: Bearer secret\"]\n")
	d := s.dial()
	answer <- 403
	d.do(331, "USER u")
	if text := d.do(530, "PASS p"); text != "From afar." {
		t.Errorf("a login: %s", text)
	}
	answer <- 204
	d.login("u", "p")
	for status, code := range map[int]int{200: 226, 404: 553, 429: 451, 500: 451, 302: 451} {
		answer <- status
		if text := d.store(s.addr, "STOR f", "x", code); code != 226 && text != "From afar." {
			t.Errorf("%d: %s", status, text)
		}
	}
	url.Close()
	d.store(s.addr, "STOR f", "x", 451)
}

// Faults have their place.
func TestHookFaults(t *testing.T) {
	t.Parallel()
	const url, program = "\nurl = \"http://127.0.0.1/\"\n", "\nrun = [\"/bin/sh\"]\n"
	on := func(kind string) string { return fmt.Sprintf("[[hook]]\non = [%q]", kind) }
	for table, want := range map[string]string{
		"[hook]\non = \"upload\"":                          ":1:2: a hook is a table with the header [[hook]]",
		on("uplaod") + url:                                 `"uplaod" is nothing that a hook can be for; did you mean upload?`,
		on("upload") + "\nrum = 1" + url:                   `:3:1: there is no key "rum" here; did you mean run?`,
		on("upload"):                                       ":1:3: the hook needs either run, a program, or url",
		on("upload") + program + url:                       "the hook needs either run, a program, or url",
		"[[hook]]" + program:                               `:1:3: the hook is for nothing; say on = ["upload"]`,
		on("upload") + "\nrun = [\"/none/such\"]":          ":3:1: run: cannot run /none/such: ",
		on("upload") + "\nurl = \"ftp://u:topsecret@x\"":   ":3:7: url: it is no URL such as",
		on("upload") + "\nheaders = [\"topsecret\"]" + url: ":3:12: headers: it is no header such as",
		on("upload") + "\nwait = 1" + url:                  ":3:8: wait: it takes true or false, without quotes",
		on("upload") + "\ntimeout = \"0s\"" + url:          ":3:11: timeout: ",
		on("upload") + "\nparallel = 0" + url:              ":3:12: parallel: ",
		on("upload") + "\npaths = [\"in\"]" + url:          `:3:10: paths: "in" does not begin with /`,
		on("upload") + "\nusers = [\"[\"]" + url:           ":3:10: users: ",
		on("connect") + "\nwait = true" + url:              `nobody waits for "connect"`,
		on("login") + "\npaths = [\"/in\"]" + url:          `there is no path to "login"`,
		on("login") + url + on("list") + url:               "two hooks are called http://127.0.0.1/, the first at ",
		"[[hooks]]\non = [\"login\"]" + url:                "did you mean hook?",
	} {
		config := write(t, t.TempDir(), "wasiftpd.toml", table)
		code, _, stderr := run(t, nil, "check", "--config", config)
		if code != exitUsage || !strings.Contains(stderr, want) || !strings.Contains(stderr, config+":") ||
			strings.Contains(stderr, "topsecret") {
			t.Errorf("%s\n%d %s, not %s", table, code, stderr, want)
		}
	}
	config := write(t, t.TempDir(), "wasiftpd.toml",
		on("upload")+"\nwait = true\nusers = [\"a*\"]\npaths = [\"/in\"]"+program)
	code, out, stderr := run(t, nil, "check", "--config", config)
	want := "hook /bin/sh asked before upload of a* in /in " + config + ":1:3"
	if code != 0 || !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
		t.Errorf("%d %s %s", code, out, stderr)
	}
}

// Hooks change while the server runs; the first one needs a restart.
func TestHookReload(t *testing.T) {
	t.Parallel()
	no, yes := shellProgram(t, "exit 1\n"), shellProgram(t, "exit 0\n")
	config := write(t, t.TempDir(), "wasiftpd.toml", askedTable("mkdir", no))
	s := start(t, "--root", t.TempDir(), "--user=u:p:rw", "--state-dir", t.TempDir(), "--config", config)
	d := s.dial()
	d.login("u", "p")
	d.do(550, "MKD a")
	old := time.Now().Add(-time.Minute)
	change := func(content, until string) {
		t.Helper()
		if err := os.WriteFile(config, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		os.Chtimes(config, old, old)
		s.hangup <- syscall.SIGHUP
		if log := s.log.until(until); !strings.Contains(log, until) {
			t.Fatalf("the log is\n%s", log)
		}
	}
	change(askedTable("mkdir", yes)+"timeout = \"1h\"\n", "configuration loaded")
	d.do(257, "MKD a")
	change(askedTable("mkdir", no)+"[[hook]]\non = [\"list\"]\nurl = \"http://127.0.0.1:1/\"\n",
		"hook changed in the configuration and needs a restart")
	d.do(257, "MKD b")
}
