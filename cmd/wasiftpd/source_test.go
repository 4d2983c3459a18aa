package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/host/quota"
)

// ledger answers questions as a source does, by HTTP.
type ledger struct {
	*httptest.Server
	asked atomic.Int32
	broke atomic.Bool
	last  atomic.Pointer[question]
}

func newLedger(t *testing.T, dir string) *ledger {
	l := &ledger{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q question
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || r.Method != http.MethodPost {
			t.Errorf("%s: %v", r.Method, err)
		}
		l.asked.Add(1)
		l.last.Store(&q)
		switch {
		case l.broke.Load():
			w.WriteHeader(http.StatusBadGateway)
		case q.User != "ann":
			fmt.Fprint(w, `{"result": "unknown"}`)
		case q.Password != "secret":
			fmt.Fprint(w, `{"result": "denied"}`)
		default:
			json.NewEncoder(w).Encode(map[string]any{"result": "ok", "root": dir, "rights": "rw", "charset": "", "sessions": nil})
		}
	}))
	t.Cleanup(l.Close)
	return l
}

// curl logs in through the program; the reply is that of the HTTP server. One that fails
// lets nobody in, gets 421 and is logged once, and so is its recovery.
func TestAuthHTTP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "hello", "from ann\n")
	l := newLedger(t, dir)
	s := start(t, "--root", t.TempDir(), "--user", "bob:secret", "--auth-http", l.URL, "--ban-after", "off")
	banner := s.out.String()
	if !strings.Contains(banner, "Users that "+l.URL+" knows may log in.") || strings.Contains(banner, "Anyone") {
		t.Errorf("the banner is\n%s", banner)
	}
	if code := s.curl("secret", ""); code != 0 {
		t.Errorf("curl ends with %d\n%s", code, s.log)
	}
	q := l.last.Load()
	if q.User != "ann" || q.TLS || q.Server != s.addr || !strings.HasPrefix(q.Client, "127.0.0.1:") {
		t.Errorf("it was asked %+v", q)
	}
	if code := s.curl("wrong", ""); code != 67 {
		t.Errorf("with a wrong password curl ends with %d", code)
	}
	d := s.dial()
	d.do(331, "USER nobody")
	d.do(530, "PASS secret")
	asked := l.asked.Load()
	d.do(331, "USER bob")
	d.do(230, "PASS secret")
	if l.asked.Load() != asked {
		t.Error("it is asked about a user of the flags")
	}
	l.broke.Store(true)
	for range 2 {
		e := s.dial()
		e.do(331, "USER ann")
		e.do(421, "PASS secret")
	}
	l.broke.Store(false)
	if code := s.curl("secret", ""); code != 0 {
		t.Errorf("curl ends with %d", code)
	}
	log := s.log.until("answers again")
	if n := strings.Count(log, "does not answer; until it does"); n != 1 || !strings.Contains(log, "status 502") {
		t.Errorf("%d lines tell of it:\n%s", n, log)
	}
}

// A source in the way of the next ones is asked alone when it knows the user, or fails.
func TestSourcesInOrder(t *testing.T) {
	t.Parallel()
	one, two := newLedger(t, ""), newLedger(t, "")
	dir := t.TempDir()
	r := openAccounts(t, "--root", dir, "--auth-http", one.URL, "--auth-http", two.URL)
	try := func(user, password string, want error, asked string) {
		t.Helper()
		_, err := r.login(user, password)
		if got := fmt.Sprint(one.asked.Swap(0), two.asked.Swap(0)); !errors.Is(err, want) || got != asked {
			t.Errorf("%s: %v; %s were asked, want %s", user, err, got, asked)
		}
	}
	try("ann", "secret", nil, "1 0")
	try("ann", "wrong", host.ErrDenied, "1 0")
	try("zoe", "secret", host.ErrDenied, "1 1")
	try("ann", "", host.ErrDenied, "0 0")
	try("anonymous", "a@b", host.ErrDenied, "1 1")
	one.broke.Store(true)
	try("ann", "secret", host.ErrBusy, "1 0")
	one.Close()
	try("ann", "secret", host.ErrBusy, "0 0")
}

// The cache lets in again whom the source has let in, and nobody else.
func TestAuthCache(t *testing.T) {
	t.Parallel()
	l := newLedger(t, "")
	r := openAccounts(t, "--root", t.TempDir(), "--auth-http", l.URL, "--auth-cache", "1h")
	for _, c := range []struct {
		user, password string
		asked          int32
	}{
		{"ann", "secret", 1}, {"ann", "secret", 1}, {"ann", "wrong", 2}, {"ann", "wrong", 3},
		{"zoe", "secret", 4}, {"ann", "secret", 4},
	} {
		r.login(c.user, c.password)
		if got := l.asked.Load(); got != c.asked {
			t.Errorf("%s: asked %d times, want %d", c.password, got, c.asked)
		}
	}
	old := newCachedSource(nil, -time.Second)
	old.source = r.sources[0]
	for range maxCached + 10 {
		old.keep([32]byte([]byte(fmt.Sprintf("%032d", len(old.known)))), answer{})
	}
	if n := len(old.known); n > maxCached {
		t.Errorf("%d are kept", n)
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	three, mask := 3, os.FileMode(0o027)
	for said, want := range map[string]struct {
		e   entry
		err string // a part of the error
	}{
		`{"result": "ok"}`: {entry{name: "ann", root: root, rights: host.ReadOnly, elsewhere: true}, ""},
		`{"result": "ok", "root": null, "rights": ""}`: {entry{name: "ann", root: root, rights: host.ReadOnly, elsewhere: true}, ""},
		`{"result": "ok", "user": "ANN", "root": "a", "rights": "rw", "charset": "Big5"}`: {
			entry{name: "ANN", root: filepath.Join(root, "a"), rights: host.ReadWrite, charset: "Big5", elsewhere: true}, ""},
		`{"result": "ok", "root": "homes/%u", "sessions": 3, "locked": true, "quota": "1k:5", "allow_from": ["192.0.2.1"]}`: {entry{
			name: "ann", root: filepath.Join(root, "homes/ann"), rights: host.ReadOnly, elsewhere: true, locked: true, sessions: &three,
			quota:     quota.Limits{Bytes: 1024, Files: 5},
			admission: admission{networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}},
		}, ""},
		`{"result": "ok", "rules": [{"path": "/in", "rights": "", "max": "1K"}], "umask": "027"}`: {entry{name: "ann", root: root,
			rights: host.ReadOnly, elsewhere: true, rules: []fsbridge.Rule{{Pattern: "/in", MaxSize: 1024}}, umask: &mask}, ""},
		`{"result": "ok", "user": "..", "root": "/srv/%u"}`: {err: host.ErrDenied.Error()},
		`{"result": "ok", "sessions": "many"}`:              {err: `user "ann" has a fault: sessions: `},
		`{"result": "ok", "rules": [{"path": "in"}]}`:       {err: "rules: path: "},
		`{"result": "ok", "locked": 1}`:                     {err: "locked: "},
		`{"result": "ok", "locked": true, "locked": false}`: {err: `"locked" is given twice`},
		`{"result": "ok", "totp": "x"}`:                     {err: "totp: "},
		`{"result": "ok", "password": "*"}`:                 {err: `no key "password"`},
		`{"result": "ok", "group": "g"}`:                    {err: `group: there is no [[group]] "g"`},
		`{"result": "ok", "allow_from": [null]}`:            {err: "allow_from: "},
		`{"result": "ok", "allow_from": [[]]}`:              {err: "allow_from: "},
		`{"result": ["ok"]}`:                                {err: `""`},
		`{"result": "denied", "root": "/"}`:                 {err: host.ErrDenied.Error()},
		`{"result": "unknown"}`:                             {err: errUnknown.Error()},
		`{"result": "OK"}`:                                  {err: `"OK"`},
		`{}`:                                                {err: `""`},
		``:                                                  {err: "JSON"},
		`true`:                                              {err: "JSON"},
		`{"result": "ok"} {"result": "denied"}`:             {err: "follows"},
		`{"result": "ok", "right": "ro"}`:                   {err: `"right"`},
		`{"result": "ok", "rights": "all"}`:                 {err: "rights"},
		`{"result": "ok", "charset": "x"}`:                  {err: "charset"},
	} {
		found, err := readVerdict([]byte(said), "ann")
		var e entry
		if err == nil {
			e, err = (&options{root: root}).entryOf(found)
		}
		wrong := err != nil || !e.same(want.e)
		if want.err != "" {
			wrong = err == nil || !strings.Contains(err.Error(), want.err)
		}
		if wrong {
			t.Errorf("%s: %+v, %v", said, e, err)
		}
	}
}

// shellProgram writes a program.
func shellProgram(t *testing.T, text string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("there are no shell scripts on Windows")
	}
	path := write(t, t.TempDir(), "accounts", "#!/bin/sh\n"+text)
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// A program sees the question on stdin, as one line, and no variables of ours.
func TestAuthProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "hello", "from ann\n")
	program := shellProgram(t, `read -r line
case "$WASIFTPD_X$line" in
'{"user":"ann","password":"secret","host":"",'*) echo '{"result": "ok", "root": "`+dir+`"}' ;;
'{"user":"ann",'*) echo '{"result": "denied"}' ;;
'{"user":"cat",'*) echo 'no database' >&2; exit 3 ;;
*) echo '{"result": "unknown"}' ;;
esac
`)
	s := start(t, "--root", t.TempDir(), "--auth-program", program, "--ban-after", "off")
	if code := s.curl("secret", ""); code != 0 {
		t.Errorf("curl ends with %d\n%s", code, s.log)
	}
	d := s.dial()
	d.do(331, "USER ann")
	d.do(530, "PASS $(touch x)")
	d.do(331, "USER cat")
	d.do(421, "PASS secret")
	if log := s.log.until("no database"); !strings.Contains(log, "exit status 3") {
		t.Errorf("the log is\n%s", log)
	}
}

// A program that hangs is ended, and its children keep nobody waiting.
func TestAuthProgramThatHangs(t *testing.T) {
	t.Parallel()
	program := shellProgram(t, "sleep 1000 &\nwait\n")
	r := openAccounts(t, "--root", t.TempDir(), "--auth-program", program, "--auth-timeout", "100ms")
	began := time.Now()
	if _, err := r.login("ann", "secret"); !errors.Is(err, host.ErrBusy) || !strings.Contains(err.Error(), "100ms") {
		t.Error(err)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %v", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Authenticate(ctx, host.Login{User: "ann", Password: "x"}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A program with a loose tongue fills no memory.
func TestAuthProgramThatTalks(t *testing.T) {
	t.Parallel()
	tool(t, "head")
	program := shellProgram(t, "head -c 10000000 /dev/zero\n")
	r := openAccounts(t, "--root", t.TempDir(), "--auth-program", program)
	if _, err := r.login("ann", "secret"); !errors.Is(err, host.ErrBusy) || len(err.Error()) > 1000 {
		t.Error(err)
	}
}

// A virtual host with users of its own asks no source, and any other does.
func TestSourcesOfHosts(t *testing.T) {
	t.Parallel()
	l := newLedger(t, "")
	dir := t.TempDir()
	r := openAccounts(t, "--root", dir, "--auth-http", l.URL, "--host", "a.example.org", "--host", "b.example.org,anonymous=ro")
	for at, want := range map[string]error{"a.example.org": nil, "b.example.org": host.ErrDenied} {
		_, err := r.Authenticate(t.Context(), host.Login{User: "ann", Password: "secret", Host: at})
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", at, err)
		}
	}
}

// The log warns of passwords that would leave the machine in the clear.
func TestAuthHTTPInTheClear(t *testing.T) {
	t.Parallel()
	for url, warns := range map[string]bool{
		"http://127.0.0.1:1/": false, "http://localhost/": false, "http://[::1]/": false, "https://example.org": false,
		"http://u:topsecret@example.org/": true,
	} {
		var log strings.Builder
		o := parse(t, "--auth-http", url)
		if _, err := o.openSources(slog.New(slog.NewTextHandler(&log, nil)), newChecks()); err != nil {
			t.Error(err)
		}
		if got := strings.Contains(log.String(), "in the clear"); got != warns || strings.Contains(log.String(), "topsecret") {
			t.Errorf("%s: %s", url, &log)
		}
	}
}
