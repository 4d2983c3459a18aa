package main

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"wasiftp/host"
)

// sqlUsers is the table that --auth-sql-query asks unless said otherwise.
var sqlUsers = []string{
	"CREATE TABLE users (name TEXT PRIMARY KEY, hash TEXT, root TEXT, rights TEXT)",
	"INSERT INTO users VALUES ('ann', '" + foreign["bcrypt"] + "', NULL, 'rw'), ('bob', '" + bcryptHash4 + "', 'bob', NULL), " +
		"('lock', '*', NULL, NULL), ('none', NULL, NULL, NULL), ('bad', 'secret', NULL, NULL), " +
		"('odd', '" + bcryptHash4 + "', NULL, 'all')",
}

func fillUsers(t *testing.T, db *sql.DB) {
	t.Helper()
	defer db.Close()
	for _, statement := range sqlUsers {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
}

func newSQLite(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "a b%.db")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	fillUsers(t, db)
	return file
}

// sqlLogins tries the users of sqlUsers.
func sqlLogins(t *testing.T, r *roster) {
	t.Helper()
	for _, c := range []struct {
		user, password string
		want           error
	}{
		{"ann", "secret", nil}, {"ann", "wrong", host.ErrDenied}, {"ann", "", host.ErrDenied}, {"zoe", "secret", host.ErrDenied},
		{"lock", "*", host.ErrDenied}, {"none", "x", host.ErrDenied}, {"bad", "secret", host.ErrBusy}, {"odd", "secret", host.ErrBusy},
		{"' OR name = 'ann", "secret", host.ErrDenied}, {"ann\xff", "secret", host.ErrDenied}, {"ann\x00", "secret", host.ErrDenied},
	} {
		a, err := r.login(c.user, c.password)
		if !errors.Is(err, c.want) {
			t.Errorf("%q, %q: %v", c.user, c.password, err)
		}
		if a != nil {
			if a.Rights != host.ReadWrite {
				t.Errorf("%s has the rights %b", c.user, a.Rights)
			}
			a.Close()
		}
		if err != nil && strings.Contains(err.Error(), `"secret"`) {
			t.Errorf("a password is told: %v", err)
		}
	}
	e, err := r.current.Load().ask(context.Background(), host.Login{User: "bob", Password: "secret"}, "")
	if err != nil || e.root != filepath.Join(r.options.Load().root, "bob") || e.rights != host.ReadOnly {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestAuthSQLite(t *testing.T) {
	t.Parallel()
	file := newSQLite(t)
	sqlLogins(t, openAccounts(t, "--root", t.TempDir(), "--auth-sql", "sqlite:"+file))
	s := start(t, "--root", t.TempDir(), "--auth-sql", "sqlite:"+file)
	if code := s.curl("secret", ""); code != 0 {
		t.Errorf("curl ends with %d\n%s", code, s.log)
	}
}

// A query of the operator's names its columns; a fault in it lets nobody in.
func TestAuthSQLQuery(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]error{
		"SELECT hash, 'Big5' AS charset FROM users WHERE name = $1": nil,
		"SELECT name FROM users WHERE name = $1":                    host.ErrBusy,
		"SELECT hash, name FROM users WHERE name = $1":              host.ErrBusy,
		"SELECT hash FROM users WHERE name >= $1":                   host.ErrBusy,
		"SELECT nonsense WHERE name = $1":                           host.ErrBusy,
	} {
		r := openAccounts(t, "--root", t.TempDir(), "--auth-sql", "sqlite:"+newSQLite(t), "--auth-sql-query", query)
		if _, err := r.login("ann", "secret"); !errors.Is(err, want) {
			t.Errorf("%s: %v", query, err)
		}
	}
	missing := filepath.Join(t.TempDir(), "missing")
	r := openAccounts(t, "--root", t.TempDir(), "--auth-sql", "sqlite:"+missing)
	if _, err := r.login("ann", "secret"); !errors.Is(err, host.ErrBusy) {
		t.Error(err)
	}
}
