package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"wasiftp/host"
	"wasiftp/host/quota"
)

// newOracle answers about users by HTTP, whatever the password.
func newOracle(t *testing.T, answers map[string]string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q question
		json.NewDecoder(r.Body).Decode(&q)
		fmt.Fprint(w, answers[q.User])
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// What an answer gives a user is kept to, as are the group that it names and that of
// --auth-group.
func TestAnswersAreKeptTo(t *testing.T) {
	t.Parallel()
	dir, state := t.TempDir(), t.TempDir()
	for _, name := range []string{"cams/door", "own"} {
		folder(t, filepath.Join(dir, name))
	}
	past := time.Now().AddDate(0, 0, -2).Format(time.DateOnly)
	url := newOracle(t, map[string]string{
		"door":   `{"result": "ok", "group": "cams"}`,
		"own":    `{"result": "ok", "root": "own", "rights": "rw", "quota": "100k", "umask": "027", "user": "OWN"}`,
		"locked": `{"result": "ok", "locked": true}`,
		"old":    `{"result": "ok", "valid_until": "` + past + `"}`,
		"far":    `{"result": "ok", "allow_from": "192.0.2.0/24"}`,
		"safe":   `{"result": "ok", "tls_required": true}`,
		"totp":   `{"result": "ok", "totp": "` + rfcKey + `"}`,
		"odd":    `{"result": "ok", "rate": "fast"}`,
		"lost":   `{"result": "ok", "group": "camps"}`,
	})
	file := write(t, dir, "wasiftpd.toml", "listen = '127.0.0.1:0'\nroot = '.'\nban-after = 'off'\nstate-dir = '"+state+"'\n"+
		"auth-http = ['"+url+"']\nauth-group = 'rest'\n"+
		"[defaults]\nlocked = true\n"+
		"[[group]]\nname = 'cams'\nroot = 'cams/%u'\nrights = 'rw'\nsessions = 1\n"+
		"rules = [{path = '/', rights = 'rw', refuse = '*.exe'}]\n"+
		"[[group]]\nname = 'rest'\nrights = 'list'\n")
	s := program{}.start(t, "--config", file)
	put := func(user, password, path, name string) (string, bool) {
		return curl(t, "--user", user+":"+password, "-T", path, "ftp://"+s.addr+"/"+name)
	}
	small := write(t, t.TempDir(), "small", strings.Repeat("x", 60<<10))
	if out, ok := put("door", "any", small, "a.jpg"); !ok {
		t.Error(out)
	}
	if out, ok := put("door", "any", small, "a.exe"); ok || !strings.Contains(out, "< 553") {
		t.Error(out)
	}
	first := s.admitted("door", "any")
	second := s.dial()
	second.do(331, "USER door")
	second.do(421, "PASS any")
	first.Close()
	if out, ok := put("own", "any", small, "one"); !ok {
		t.Error(out)
	}
	if out, ok := put("own", "any", small, "two"); ok || !strings.Contains(out, "< 552") {
		t.Error(out)
	}
	if info, err := os.Stat(filepath.Join(dir, "own", "one")); err != nil || os.PathSeparator == '/' && info.Mode().Perm() != 0o640 {
		t.Error(info, err)
	}
	if rows, err := quota.Show(state); err != nil || len(rows) != 1 || rows[0].Account != "OWN" {
		t.Errorf("quotas are %+v, %v", rows, err)
	}
	for user, reason := range map[string]string{
		"locked": "the account is locked", "old": "the account was valid until", "far": "in none of the user's networks",
		"safe": "under TLS", "totp": "the code behind the password is wrong",
	} {
		s.refused(user, "secret000000")
		if log := s.log.until(reason); !strings.Contains(log, reason) {
			t.Errorf("the log has no %q:\n%s", reason, log)
		}
	}
	for user, key := range map[string]string{"odd": "rate: ", "lost": `group: there is no [[group]] \"camps\"; did you mean`} {
		d := s.dial()
		d.do(331, "USER "+user)
		d.do(421, "PASS secret")
		want := url + `: the answer about user \"` + user + `\" has a fault: ` + key
		if log := s.log.until(want); !strings.Contains(log, want) || strings.Contains(log, "does not answer") {
			t.Errorf("the log has no %q:\n%s", want, log)
		}
	}
	code, err := totp.GenerateCode(rfcKey, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if out, ok := curl(t, "--user", "totp:any"+code, "ftp://"+s.addr+"/"); !ok { // list is the right of the group
		t.Error(out)
	}
	if out, ok := curl(t, "--user", "totp:any"+code, "ftp://"+s.addr+"/wasiftpd.toml"); ok || !strings.Contains(out, "< 550") {
		t.Error(out)
	}

	content := contentOf(t, file)
	bad := write(t, dir, "bad.toml", strings.Replace(content, "auth-group = 'rest'", "auth-group = 'rust'", 1))
	if _, errs := exits(t, 2, nil, "check", "--config", bad); !strings.Contains(errs, `--auth-group: there is no [[group]] "rust"`) {
		t.Error(errs)
	}
}

// The columns of a row are keys of users, in the types that databases have.
func TestAuthSQLKeys(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "users.db")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"CREATE TABLE users (name TEXT, hash TEXT, locked BOOLEAN, sessions INTEGER, valid_until DATE, allow_from TEXT, umask TEXT, " +
			"rules TEXT, totp TEXT)",
		"INSERT INTO users VALUES ('ann', '" + bcryptHash4 + "', 0, 3, '2999-12-31', '[\"192.0.2.0/24\", \"::1\"]', '027', " +
			"'[{\"path\": \"/in\", \"rights\": \"wo\"}]', NULL), ('bob', '" + bcryptHash4 + "', 1, NULL, NULL, NULL, NULL, NULL, NULL), " +
			"('cat', '" + bcryptHash4 + "', NULL, NULL, NULL, NULL, NULL, NULL, '" + rfcKey + "'), " +
			"('dan', '" + bcryptHash4 + "', 2, NULL, NULL, NULL, NULL, NULL, NULL), " +
			"('eve', '" + bcryptHash4 + "', NULL, NULL, NULL, NULL, NULL, NULL, 'x')",
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	db.Close()
	query := "SELECT hash, locked, sessions, valid_until, allow_from, umask, rules, totp FROM users WHERE name = $1"
	r := openAccounts(t, "--root", t.TempDir(), "--auth-sql", "sqlite:"+file, "--auth-sql-query", query)
	r.codes.now = func() time.Time { return time.Unix(1111111109, 0) }
	for _, test := range []struct {
		user, password, from string
		want                 error
		says                 string
	}{
		{"ann", "secret", "192.0.2.7", nil, ""}, {"ann", "secret", "::1", nil, ""},
		{"ann", "secret", "192.0.3.7", host.ErrDenied, "networks"}, {"bob", "secret", "::1", host.ErrDenied, "locked"},
		{"cat", "secret081804", "192.0.2.7", nil, ""}, {"cat", "secret", "192.0.2.7", host.ErrDenied, ""},
		{"cat", "secret081805", "192.0.2.7", host.ErrDenied, "the code"}, {"cat", "081804", "192.0.2.7", host.ErrDenied, ""},
		{"cat", "secret081804", "192.0.2.8", host.ErrDenied, "from elsewhere"},
		{"dan", "secret", "::1", host.ErrBusy, "locked: "}, {"eve", "secret", "::1", host.ErrBusy, "totp: "},
	} {
		err := r.loginFrom(t, test.from, test.user, test.password)
		if !errors.Is(err, test.want) || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s with %s from %s: %v, want %v: %s", test.user, test.password, test.from, err, test.want, test.says)
		}
	}
	login := host.Login{User: "ann", Password: "secret", Client: netip.MustParseAddrPort("[::1]:4711")}
	a, err := r.current.Load().ask(t.Context(), login, "")
	if err != nil || a.maxSessions != 3 || *a.umask != 0o027 || len(a.rules) != 1 || a.ruled == nil {
		t.Errorf("%+v, %v", a, err)
	}
	last := time.Date(2999, 12, 31, 23, 0, 0, 0, time.Local)
	if before := a.admission.before; before.Before(last) {
		t.Errorf("the last moment is %v", before)
	}
}
