package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pelletier/go-toml/v2/unstable"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"wasiftp/host"
)

// sqlSource has users in a table of a database.
type sqlSource struct {
	db      *sql.DB
	name    string
	query   string
	timeout time.Duration
	turns   *checks // for the database
	checks  *checks // for the processors

	// standIn is the secret of the latest user. The password of an unknown one is checked
	// against it, so that it takes as long.
	standIn atomic.Pointer[secret]
}

// queriesAtATime is how many connections to the database there are at a time.
const queriesAtATime = 8

// usualQuery is the default of --auth-sql-query.
const usualQuery = "SELECT hash, root, rights FROM users WHERE name = $1"

const sqlitePrefix = "sqlite:"

func (s *sourceOptions) addSQL(text string) error {
	if file, ok := strings.CutPrefix(text, sqlitePrefix); ok && file != "" {
		s.given = append(s.given, sourceOption{sqlite: file})
		return nil
	}
	_, err := pgx.ParseConfig(text)
	if err != nil || !strings.HasPrefix(text, "postgres://") && !strings.HasPrefix(text, "postgresql://") {
		// Not repeated: it may hold a password.
		return errors.New("it is no URL such as postgres://ftp@db.example.org/accounts, and not sqlite:FILE")
	}
	s.given = append(s.given, sourceOption{postgres: text})
	return nil
}

func (s *sourceOptions) setQuery(query string) error {
	if !strings.Contains(query, "$1") || strings.ContainsRune(query, 0) {
		return errors.New("it does not ask for the user's name by $1, as in " + usualQuery)
	}
	s.query = query
	return nil
}

// newSQLSource opens a database, but does not connect to it yet.
func newSQLSource(given sourceOption, o *options, checks *checks) (*sqlSource, error) {
	s := &sqlSource{
		query: o.sources.query, timeout: o.sources.timeout, turns: newTurns(queriesAtATime), checks: checks,
	}
	if s.query == "" {
		s.query = usualQuery
	}
	hash, err := hashPassword("nobody's")
	if err != nil {
		return nil, err
	}
	first, err := parseHash(hash)
	if err != nil {
		return nil, err
	}
	s.standIn.Store(&first)
	if given.postgres != "" {
		config, err := pgx.ParseConfig(given.postgres) // reads files, as the wall is not up yet
		if err != nil {
			return nil, err
		}
		u := url.URL{Scheme: "postgres", Host: config.Host, Path: config.Database}
		s.name, s.db = u.String(), stdlib.OpenDB(*config)
	} else {
		// A wrong path must not make an empty database.
		u := url.URL{
			Scheme: "file", OmitHost: true, Path: filepath.ToSlash(given.sqlite), RawQuery: "mode=ro&_pragma=busy_timeout(5000)",
		}
		s.name = given.sqlite
		if s.db, err = sql.Open("sqlite", u.String()); err != nil {
			return nil, err
		}
	}
	s.db.SetMaxOpenConns(queriesAtATime)
	s.db.SetMaxIdleConns(2)
	s.db.SetConnMaxIdleTime(time.Minute)
	return s, nil
}

func (s *sqlSource) label() string { return s.name }

func (s *sqlSource) verify(ctx context.Context, login host.Login) (a answer, err error) {
	if strings.ContainsRune(login.User, 0) || strings.ToValidUTF8(login.User, "") != login.User {
		return a, errUnknown // PostgreSQL would refuse the query
	}
	hash, a, err := s.find(ctx, login)
	if err != nil && err != errUnknown {
		return a, err
	}
	check := *s.standIn.Load()
	locked := true
	if err == nil && hash != "" {
		own, fault := parseHash(hash)
		if fault != nil {
			return a, fmt.Errorf("the hash of user %q is none that is known; wasiftpd passwd makes one", login.User)
		}
		if own != nil {
			locked, check = false, own
			s.standIn.Store(&own)
		}
	}
	password := login.Password.Reveal()
	if err == nil {
		if password, err = a.password(password); err != nil {
			return a, err
		}
	}
	from := network(login.Client.Addr())
	if err := s.checks.Enter(ctx, from); err != nil {
		return a, err
	}
	defer s.checks.Leave(from)
	ok, fault := check.matches(password)
	switch {
	case err != nil:
		return a, err
	case fault != nil:
		return a, fmt.Errorf("the password of user %q can't be checked: %w", login.User, fault)
	case locked || !ok || password == "":
		return a, host.ErrDenied
	}
	return a, nil
}

// find finds a user in the database, and his hash.
func (s *sqlSource) find(ctx context.Context, login host.Login) (hash string, a answer, err error) {
	from := network(login.Client.Addr())
	if err := s.turns.Enter(ctx, from); err != nil {
		return "", a, err
	}
	defer s.turns.Leave(from)
	limited, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	rows, err := s.db.QueryContext(limited, s.query, login.User)
	if err != nil {
		return "", a, err
	}
	defer rows.Close()
	columns, err := rows.ColumnTypes()
	if err != nil {
		return "", a, err
	}
	if !rows.Next() {
		if err = rows.Err(); err == nil {
			err = errUnknown
		}
		return "", a, err
	}
	values, targets := make([]any, len(columns)), []any{}
	for i := range values {
		targets = append(targets, &values[i])
	}
	if err := rows.Scan(targets...); err != nil {
		return "", a, err
	}
	if rows.Next() {
		return "", a, fmt.Errorf("there is more than one row for user %q", login.User)
	}
	return rowAnswer(columns, values, login.User)
}

// rowAnswer makes an answer of a row. The names of its columns are the keys of users, but for
// hash.
func rowAnswer(columns []*sql.ColumnType, values []any, user string) (hash string, a answer, err error) {
	a = answer{user: user, table: &node{kind: unstable.Table}}
	hashed := false
	for i, column := range columns {
		hashed = hashed || column.Name() == "hash"
		if value := cellNode(values[i], column.DatabaseTypeName()); value != nil {
			a.table.add(column.Name(), 0, value)
		}
	}
	if !hashed {
		return "", a, errors.New("the query gives no column named hash")
	}
	return a.table.take("hash"), a, nil
}
