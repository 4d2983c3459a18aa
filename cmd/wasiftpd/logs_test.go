package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wasiftp/host"
)

// output runs a program that must succeed.
func outputOf(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// stop ends the server, so that its logs are whole.
func (s *running) stop() {
	s.interrupt()
	s.interrupt()
	s.wait()
}

// TestLogFile: the log is in a file, whose lines say what the manual's table says, and stderr
// is silent.
func TestLogFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root := t.TempDir()
	write(t, root, "a b.txt", "content\n")
	s := start(t, "--root", root, "--user", "ann:secret:rw", "--log-file", filepath.Join(dir, "log"), "--log-format", "json")
	url := "ftp://ann:secret@" + s.addr + "/"
	if out, ok := curl(t, "--noproxy", "*", url+"a%20b.txt", "--range", "3-"); !ok {
		t.Fatal(out)
	}
	up := write(t, dir, "up", "12345")
	if out, ok := curl(t, "--noproxy", "*", "-T", up, url+"up"); !ok {
		t.Fatal(out)
	}
	if out, ok := curl(t, "--noproxy", "*", url+"missing"); ok {
		t.Fatal(out)
	}
	s.stop()
	if text := s.log.String(); text != ended {
		t.Errorf("stderr has\n%s", text)
	}
	for _, want := range []string{
		`"msg":"downloaded","session":1,"client":"127.0.0.1:\d+","server":"127.0.0.1:\d+","user":"ann","verb":"RETR",` +
			`"path":"/a b.txt","bytes":5,"seconds":[\d.]+,("rate":\d+,)?"offset":3,"mode":"binary","data_tls":false,"complete":true}`,
		`"msg":"uploaded",.*"verb":"STOR","path":"/up","bytes":5,.*"offset":0,"mode":"binary","data_tls":false,"complete":true}`,
		`"level":"INFO","msg":"command rejected",.*"user":"ann","verb":"[A-Z]+","argument":"missing",("path":"/missing",)?` +
			`"reply":550,"reason":"[^"]+"`,
		`"msg":"disconnected",.*"reply":221,"reason":"quit"}`,
	} {
		if log := content(t, filepath.Join(dir, "log")); !regexp.MustCompile(want).MatchString(log) {
			t.Errorf("no line is %s in\n%s", want, log)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "log")); err != nil || info.Mode().Perm()&^0o640 != 0 {
		t.Errorf("the log's mode is %v, %v", info.Mode(), err)
	}
}

// TestLogLevel: --log-level says which lines there are, and a reload changes it.
func TestLogLevel(t *testing.T) {
	t.Parallel()
	for level, want := range map[string]int{"debug": 1, "info": 0, "error": 0} {
		s := start(t, "--root", t.TempDir(), "--log-level", level)
		d := s.dial()
		d.do(221, "QUIT")
		s.stop()
		if got := strings.Count(s.log.String(), "msg=connected"); got != want {
			t.Errorf("%s: %d lines tell of a connection, want %d", level, got, want)
		}
		if got := strings.Contains(s.log.String(), "msg=disconnected"); got != (level != "error") {
			t.Errorf("%s: the log is\n%s", level, s.log)
		}
	}
	code, _, errs := run(t, nil, "--log-level", "loud")
	if code != exitUsage || !strings.Contains(errs, "debug, info, warn, error") {
		t.Errorf("a wrong level: %d %s", code, errs)
	}
	file := write(t, t.TempDir(), "wasiftpd.toml", "log-level = \"info\"\n")
	s := start(t, "--root", t.TempDir(), "--config", file)
	write(t, filepath.Dir(file), "wasiftpd.toml", "log-level = \"debug\"\n")
	s.hangup <- os.Interrupt
	s.log.until("configuration loaded")
	s.dial()
	if log := s.log.until("msg=connected"); !strings.Contains(log, "level=DEBUG msg=connected") || strings.Contains(log, "restart") {
		t.Errorf("after the reload the log is\n%s", log)
	}
}

// awaited waits until a file exists and holds part.
func awaited(t *testing.T, path, part string) {
	t.Helper()
	for patience := time.After(time.Minute); ; {
		if b, err := os.ReadFile(path); err == nil && strings.Contains(string(b), part) {
			return
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-patience:
			t.Fatalf("%s has not got %q", path, part)
		}
	}
}

// TestLogReopened: lines go to the new file when the old one was renamed, upon the signal
// even before the next line, and after logrotate with the file that is shipped. None is lost.
func TestLogReopened(t *testing.T) {
	t.Parallel()
	me, err := osuser.Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"rename", "signal", "logrotate"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path, signals := filepath.Join(dir, "log"), make(chan os.Signal)
			p := program{reopens: func() <-chan os.Signal { return signals }}
			s := p.start(t, "--listen", "127.0.0.1:0", "--root", t.TempDir(), "--user", "ann:secret:rw", "--log-file", path,
				"--transfer-log", filepath.Join(dir, "xferlog"))
			d := s.admitted("ann", "secret")
			d.do(257, "MKD before")
			awaited(t, path, "path=/before")
			switch how {
			case "logrotate":
				logrotate := tool(t, "logrotate")
				rules := content(t, "packaging/logrotate.d/wasiftpd")
				rules = strings.NewReplacer("/var/log/wasiftpd", dir, "wasiftpd wasiftpd", me.Uid+" "+me.Gid).Replace(rules)
				config := write(t, dir, "rules", rules)
				outputOf(t, logrotate, "--force", "--state", filepath.Join(dir, "state"), config)
			default:
				if err := os.Rename(path, path+".1"); err != nil {
					t.Fatal(err)
				}
			}
			if how == "signal" {
				for _, err := os.Stat(path); err != nil; _, err = os.Stat(path) {
					signals <- os.Interrupt
				}
			}
			d.do(257, "MKD after")
			d.do(221, "QUIT")
			s.stop()
			old, new := content(t, path+".1"), content(t, path)
			if !strings.Contains(old, "path=/before") || !strings.Contains(new, "path=/after") || strings.Contains(old, "path=/after") {
				t.Errorf("the old log is\n%s\nthe new one\n%s", old, new)
			}
		})
	}
}

func TestLogFileRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	paths := []string{dir, filepath.Join(dir, "missing", "log")}
	if os.Geteuid() == 0 { // who may follow links to any file
		link := filepath.Join(dir, "link")
		if err := os.Symlink(write(t, dir, "shadow", ""), link); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, link)
	}
	for _, flag := range []string{"--log-file", "--transfer-log"} {
		for _, path := range paths {
			code, _, errs := run(t, nil, flag, path)
			if code != exitFailure || !strings.Contains(errs, "cannot write "+path) || !strings.Contains(errs, "with "+flag) {
				t.Errorf("%s %s: %d %s", flag, path, code, errs)
			}
		}
	}
}

// xferlogLine is what the manuals of wu-ftpd, ProFTPD and vsftpd say of a line.
var xferlogLine = regexp.MustCompile(`^(Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4} ` +
	`\d+ [\d.:a-f]+ \d+ \S+ [ab] [CUT_] [oid] [arg] \S+ ftp [01] \S+ [ci]$`)

// TestThreat22TransferLog: each name is one field of one line.
func TestThreat22TransferLog(t *testing.T) {
	t.Parallel()
	for _, name := range []string{nasty, "", " ", "a b", "\u2028", "\u00a0", "ä", "\xff"} {
		for _, kind := range []host.EventKind{host.Downloaded, host.Uploaded, host.UploadFailed, host.Deleted} {
			line := string(new(transferLog).xferlog(&host.Event{
				Kind: kind, Verb: "DELE", Client: client, User: name, Path: name, Time: time.Now(), Err: errors.New(nasty),
			}))
			text, whole := strings.CutSuffix(line, "\n")
			if !whole || !xferlogLine.MatchString(text) {
				t.Errorf("%v of %q is %q", kind, name, line)
			}
		}
	}
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	e := host.Event{Kind: host.Uploaded, Time: at, Client: client, User: "ann", Path: "/a b", Bytes: 12,
		Duration: 1600 * time.Millisecond}
	want := "Wed Mar  4 05:06:07 2026 2 192.0.2.1 12 /a_b b _ i r ann ftp 0 * c\n"
	if got := string(new(transferLog).xferlog(&e)); got != want {
		t.Errorf("the line is %q, want %q", got, want)
	}
	e.Kind, e.ASCII, e.Deflated, e.User, e.Err = host.Downloaded, true, true, "anonymous@a.example.org", errors.New("reset")
	want = "Wed Mar  4 05:06:07 2026 2 192.0.2.1 12 /a_b a C o a anonymous@a.example.org ftp 0 * i\n"
	if got := string(new(transferLog).xferlog(&e)); got != want {
		t.Errorf("the line is %q, want %q", got, want)
	}
	for _, other := range []host.EventKind{host.Listed, host.Made, host.LoggedIn, host.Hashed} {
		if got := new(transferLog).xferlog(&host.Event{Kind: other, Time: at}); got != nil {
			t.Errorf("%v is %q", other, got)
		}
	}
}

// TestTransferLogByTools: awffull makes its pages of the transfer log.
func TestTransferLogByTools(t *testing.T) {
	t.Parallel()
	awffull := tool(t, "awffull")
	dir, root := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "xferlog")
	s := start(t, "--root", root, "--user", "ann:secret:rw", "--transfer-log", path)
	up := write(t, dir, "up", strings.Repeat("x", 4000))
	url := "ftp://ann:secret@" + s.addr + "/"
	for i := range 7 {
		name := fmt.Sprintf("up%%20%d", i)
		if out, ok := curl(t, "--noproxy", "*", "-T", up, url+name); !ok {
			t.Fatal(out)
		}
		if out, ok := curl(t, "--noproxy", "*", url+name); !ok {
			t.Fatal(out)
		}
	}
	if out, ok := curl(t, "--noproxy", "*", "-Q", "DELE up 3", url); !ok {
		t.Fatal(out)
	}
	s.stop()
	log := content(t, path)
	for line := range strings.Lines(log) {
		if !xferlogLine.MatchString(strings.TrimSuffix(line, "\n")) {
			t.Errorf("no line of xferlog: %q", line)
		}
	}
	for part, want := range map[string]int{" i r ann ": 7, " o r ann ": 7, " /up_3 b _ d r ann ": 1} {
		if got := strings.Count(log, part); got != want {
			t.Errorf("%q is there %d times, want %d:\n%s", part, got, want, log)
		}
	}
	pages := filepath.Join(dir, "pages")
	if err := os.Mkdir(pages, 0o700); err != nil {
		t.Fatal(err)
	}
	said := outputOf(t, awffull, "-c", os.DevNull, "-F", "ftp", "-o", pages, "-n", "ftp.example.org", path)
	if strings.Contains(said, "rror") {
		t.Errorf("awffull says\n%s", said)
	}
	found := false
	all, _ := filepath.Glob(filepath.Join(pages, "*.html"))
	for _, page := range all {
		found = found || strings.Contains(content(t, page), "up_")
	}
	if !found {
		t.Errorf("awffull's pages %q do not name the files", all)
	}
}

// TestWhoUploaded: the manual's recipes find who uploaded what in the last week, also in logs that logrotate has
// compressed.
func TestWhoUploaded(t *testing.T) {
	t.Parallel()
	tool(t, "jq")
	dir := t.TempDir()
	s := start(t, "--root", t.TempDir(), "--user", "ann:secret:rw", "--log-format", "json", "--log-file", filepath.Join(dir, "log"),
		"--transfer-log", filepath.Join(dir, "xferlog"))
	up := write(t, dir, "up", "12345")
	for _, name := range []string{"first.txt", "second.txt"} {
		if out, ok := curl(t, "--noproxy", "*", "-T", up, "ftp://ann:secret@"+s.addr+"/"+name); !ok {
			t.Fatal(out)
		}
	}
	if out, ok := curl(t, "--noproxy", "*", "ftp://ann:secret@"+s.addr+"/first.txt"); !ok {
		t.Fatal(out)
	}
	s.stop()
	const old = "Wed Mar  4 05:06:07 2020 2 192.0.2.1 12 /old b _ i r ann ftp 0 * c\n" +
		"Wed Mar  4 05:06:07 2020 2 192.0.2.1 12 /old b _ o r ann ftp 0 * c\n"
	for _, name := range []string{"log", "xferlog"} {
		outputOf(t, "gzip", "-S", ".2.gz", filepath.Join(dir, name))
	}
	write(t, dir, "xferlog", old)
	write(t, dir, "log", `{"time":"2020-03-04T05:06:07Z","level":"INFO","msg":"uploaded","user":"ann","path":"/old"}`+"\n")
	recipes := regexp.MustCompile("(?s)```console\n# journalctl [^\n]*\n(# zcat .*?)\n(# for .*?)\n```").
		FindStringSubmatch(content(t, "README.md"))
	if recipes == nil {
		t.Fatal("the manual has no recipes")
	}
	for _, recipe := range recipes[1:] {
		script := strings.ReplaceAll(strings.TrimPrefix(recipe, "# "), "/var/log/wasiftpd", dir)
		out := outputOf(t, "sh", "-c", script)
		if strings.Count(out, "\n") != 2 || !strings.Contains(out, "first.txt") || !strings.Contains(out, "second.txt") ||
			strings.Count(out, "ann") != 2 {
			t.Errorf("%s\nsays\n%s", script, out)
		}
	}
}

// The filter knows a time by any number of digits: those that are zero at its end are not written.
func TestFail2banTimes(t *testing.T) {
	t.Parallel()
	regex := tool(t, "fail2ban-regex")
	var lines strings.Builder
	for _, digits := range []string{"", ".1", ".12", ".123", ".1234", ".12345", ".123456", ".1234567", ".12345678", ".123456789"} {
		fmt.Fprintf(&lines, `{"time":"2026-12-01T00:50:01%sZ","level":"WARN","msg":"login failed","session":2,"client":"192.0.2.7:4",`+
			`"user":"ann","err":"wrong"}`+"\n", digits)
	}
	out := outputOf(t, regex, write(t, t.TempDir(), "log", lines.String()), "packaging/fail2ban/filter.d/wasiftpd.conf")
	if !strings.Contains(out, "10 matched") {
		t.Error(out)
	}
}

// TestFail2ban: the filter that is shipped finds each login that has failed, whoever the
// client says to be, and nothing else.
func TestFail2ban(t *testing.T) {
	t.Parallel()
	regex := tool(t, "fail2ban-regex")
	for _, format := range []string{"text", "json"} {
		path := filepath.Join(t.TempDir(), "log")
		s := start(t, "--root", t.TempDir(), "--user", "ann:secret", "--log-file", path, "--log-format", format,
			"--ban-after", "100/1m")
		for range 3 {
			if s.curl("wrong", "") == 0 {
				t.Error("a wrong password is let in")
			}
		}
		if code := s.curl("secret", ""); code != 0 {
			t.Errorf("the user is refused: %d", code)
		}
		d := s.dial() // who claims to be another
		d.do(331, `USER x client=192.0.2.66:1 msg="login failed" session=1 client=192.0.2.67:1`)
		d.do(530, "PASS x")
		s.stop()
		out := outputOf(t, regex, "-v", path, "packaging/fail2ban/filter.d/wasiftpd.conf")
		if !strings.Contains(out, "4 matched") || strings.Contains(out, "192.0.2.6") || strings.Count(out, "   127.0.0.1  ") != 4 {
			t.Errorf("%s: fail2ban-regex says\n%s\nof\n%s", format, out, content(t, path))
		}
	}
}

// TestRefusalsAreLogged: a failed handshake, a passive port that nobody reached and a command
// that was refused are each told once.
func TestRefusalsAreLogged(t *testing.T) {
	t.Parallel()
	s := start(t, "--root", t.TempDir(), "--user", "ann:secret:rw", "--tls", "self-signed",
		"--tls-dir", filepath.Join(t.TempDir(), "tls"),
		"--data-timeout", "100ms", "--public-address", "127.0.0.0/8=192.0.2.9")
	d := s.dial()
	d.do(234, "AUTH TLS")
	d.PrintfLine("this is no handshake, and it is long enough to be seen as such")
	if log := s.log.until("TLS handshake failed"); !strings.Contains(log, `msg="TLS handshake failed" session=`) {
		t.Errorf("the log is\n%s", log)
	}
	d = s.admitted("ann", "secret")
	told := d.do(227, "PASV")
	d.do(150, "STOR nobody")
	d.expect(425)
	numbers := regexp.MustCompile(`\((\d+,\d+,\d+,\d+),(\d+),(\d+)\)`).FindStringSubmatch(told)
	var high, low int
	fmt.Sscan(numbers[2], &high)
	fmt.Sscan(numbers[3], &low)
	want := fmt.Sprintf("data=192.0.2.9:%d", high<<8|low)
	if log := s.log.until(want); !strings.Contains(log, `msg="passive port not reached"`) || !strings.Contains(log, want) {
		t.Errorf("no line has %s:\n%s", want, log)
	}
	d.do(550, "DELE missing")
	d.do(500, "NONSENSE")
	d.do(221, "QUIT")
	s.stop()
	log := s.log.String()
	for part, times := range map[string]int{
		"reply=425": 0, `msg="command rejected"`: 2, "verb=DELE argument=missing path=/missing reply=550": 1,
		"verb=NONSENSE reply=500": 1, `reason="the TLS handshake failed"`: 1, "reason=quit": 1,
	} {
		if got := strings.Count(log, part); got != times {
			t.Errorf("%s is there %d times, want %d:\n%s", part, got, times, log)
		}
	}
}

// Who is logged in cannot fill the disk by commands that are refused.
func TestThreat22RejectedCommands(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log notes
		r := newRepetitions(newLogger(&log, "text").Handler())
		o := newObserver(slog.New(r))
		for _, user := range []string{"ann", "anonymous", ""} {
			for range 5000 {
				o.Observe(host.Event{Kind: host.Rejected, Session: 7, Client: client, User: user, Verb: "SIZE", Reply: 550})
			}
		}
		if got := len(log.records()); got != 102 {
			t.Errorf("%d lines", got)
		}
		time.Sleep(quietTime)
		synctest.Wait()
		if got := strings.Join(log.records(), "\n"); strings.Count(got, " reply=550 repeated=4") != 3 {
			t.Errorf("the log is\n%s", got)
		}
		r.close()
	})
}

// A file that takes no lines is told of once, elsewhere, and so is the number of lines that
// are missing when it takes them again.
func TestThreat40LogFileOutage(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", noNotices} {
		synctest.Test(t, func(t *testing.T) {
			to, elsewhere := newPipe(), &notes{}
			close(to.open)
			b := newBacklogOf(to, format, &outage{logger: newLogger(elsewhere, "text"), file: "log"})
			for _, broken := range []bool{false, true, true, true, false, false} {
				to.broken = broken
				fmt.Fprintln(b, "line")
				time.Sleep(gatherTime)
				synctest.Wait()
			}
			b.close(flushTime)
			checkLines(t, elsewhere.records(),
				`level=WARN msg="lines of a log are lost, for its file does not take them" file=log err="no space left on device"`,
				`level=WARN msg="the file of a log takes lines again" file=log "lines lost"=3`)
			if got := strings.Count(to.text.String(), "line\n"); got != 3 {
				t.Errorf("%s: %d lines are there", format, got)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // a disk that hangs
		to, elsewhere := newPipe(), &notes{}
		b := newBacklogOf(to, noNotices, &outage{logger: newLogger(elsewhere, "text"), file: "log"})
		for range 3 * maxBacklog / 100 {
			fmt.Fprintln(b, strings.Repeat("x", 99))
		}
		if got := strings.Join(elsewhere.records(), ""); strings.Count(got, "hangs") != 1 {
			t.Errorf("the other log is %s", got)
		}
		close(to.open)
		b.close(flushTime)
		if got := strings.Join(elsewhere.records(), ""); strings.Count(got, "lines lost") != 1 {
			t.Errorf("the other log is %s", got)
		}
	})
}

// BenchmarkTransferLog is what a line costs, all work of the writing goroutine included.
func BenchmarkTransferLog(b *testing.B) {
	file, err := openLogFile(filepath.Join(b.TempDir(), "xferlog"), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer file.close()
	e := host.Event{Kind: host.Downloaded, Time: time.Now(), Client: client, User: "alice", Path: "/pub/file.txt", Bytes: 1024}
	b.ReportAllocs()
	for n := 0; n < b.N; n += 1000 {
		lines := newBacklogOf(file, noNotices, nil)
		log := &transferLog{to: lines}
		for range min(1000, b.N-n) {
			log.Observe(e)
		}
		lines.close(time.Minute)
	}
}
