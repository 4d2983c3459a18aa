package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/host/turns"
)

// source is where accounts come from, besides the flags and the users file.
type source interface {
	// verify checks user name and password. It returns errUnknown for a user whom the source
	// does not have, [host.ErrDenied] for one who may not log in so, and any other error if
	// it can't tell now.
	verify(ctx context.Context, login host.Login) (entry, error)

	label() string // names it for people
}

var errUnknown = errors.New("no such user")

// sourceOptions are the values of --auth-http, --auth-program and of the flags for both.
type sourceOptions struct {
	given   []sourceOption // in the order in which they are asked
	ldapDN  string         // with %u for the user's name
	query   string         // of databases; "" is usualQuery
	root    string         // of users for whom a source has none, with %u for the name; "" is that of --root
	rights  string         // of those; "" is ro
	timeout time.Duration
	cache   time.Duration // 0 keeps nothing
}

// sourceOption is one of: a URL, the path of a program, the URL of a directory, a database.
type sourceOption struct{ url, program, ldap, postgres, sqlite string }

func (o *options) addSourcesTo(f *pflag.FlagSet) {
	s := &o.sources
	s.timeout = 5 * time.Second
	f.Func("auth-http", "ask `URL` about users that --user and --users don't have: it gets\nJSON by POST and answers in JSON; "+
		"repeatable, as is --auth-program;\nthey are asked in the order given", s.addURL)
	f.Func("auth-program", "ask the program `FILE`, by JSON on its stdin and stdout; repeatable", s.addProgram)
	f.Func("auth-ldap", "log users in to the directory at `URL`, repeatable, as in\n"+
		"ldaps://ldap.example.org; ldap: uses STARTTLS unless it is this machine", s.addLDAP)
	f.Func("auth-ldap-dn", "log them in to the directory as `NAME`, with %u for the user, as in\n"+
		"uid=%u,ou=people,dc=example,dc=org", s.setDN)
	f.Func("auth-sql", "find users in the database at `URL`, repeatable, as in\n"+
		"postgres://ftp@db.example.org/accounts or sqlite:FILE", s.addSQL)
	f.Func("auth-sql-query", "by the `QUERY`, in which $1 is the user's name; its columns are hash,\n"+
		"and root, rights and charset, which may be missing\n(default "+usualQuery+")", s.setQuery)
	f.StringVar(&s.root, "auth-root", "", "the folder `DIR` of users for whom these give none, with %u for the\n"+
		"user's name (default that of --root)")
	f.Func("auth-rights", "the `RIGHTS` of users for whom these give none (default ro)", s.setRights)
	f.Func("auth-timeout", "wait `TIME` for an answer, and then refuse the login for now\n(default 5s)",
		duration(&s.timeout, 1, "5s or 500ms"))
	f.Func("auth-cache", "let users in again for `TIME` without asking (default 0, asks\neach time)",
		duration(&s.cache, 0, "30s or 5m, nor 0"))
}

// openSources makes the sources of the flags.
func (o *options) openSources(logger *slog.Logger, checks *checks) (all []source, err error) {
	for _, given := range o.sources.given {
		var s source
		switch {
		case given.url != "":
			s = newHTTPSource(given.url, o, logger)
		case given.ldap != "":
			s, err = newLDAPSource(given.ldap, o)
		case given.program != "":
			s, err = newProgramSource(given.program, o)
		default:
			s, err = newSQLSource(given, o, checks)
		}
		if err != nil {
			return nil, err
		}
		s = &watchedSource{source: s, logger: logger}
		if o.sources.cache > 0 {
			s = newCachedSource(s, o.sources.cache)
		}
		all = append(all, s)
	}
	return all, nil
}

// question is what a source is asked, in JSON.
type question struct {
	User     string `json:"user"`
	Password string `json:"password"`
	Host     string `json:"host"`   // the virtual host, "" for none
	Client   string `json:"client"` // address and port, as in 192.0.2.1:4711 or [2001:db8::1]:4711
	Server   string `json:"server"` // those that the client connected to
	TLS      bool   `json:"tls"`    // the control connection is under TLS
}

func questionOf(login host.Login) ([]byte, error) {
	return json.Marshal(question{
		User: login.User, Password: login.Password.Reveal(), Host: login.Host,
		Client: told(login.Client), Server: told(login.Server), TLS: login.TLS != nil,
	})
}

// told is an address as a source is told it, "" for that of a Unix socket.
func told(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// verdict is what a source answers, in JSON.
type verdict struct {
	Result  string `json:"result"`  // ok, denied or unknown
	User    string `json:"user"`    // the name in limits and logs; "" is the one asked about
	Root    string `json:"root"`    // a folder, counted from that of --root; "" is that of --auth-root
	Rights  string `json:"rights"`  // "" is those of --auth-rights
	Charset string `json:"charset"` // "" is that of --charset
}

// maxVerdict is the longest answer of a source, in bytes.
const maxVerdict = 64 << 10

// readVerdict makes an entry of an answer about user. A key that is not known is a fault,
// since a slip in one must not widen what a user may do.
func readVerdict(b []byte, user string, without usual) (e entry, err error) {
	v := verdict{User: user}
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v); err != nil {
		return e, fmt.Errorf("its answer is not the JSON that it should be: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return e, errors.New("something follows the JSON of its answer")
	}
	switch v.Result {
	case "ok":
	case "denied":
		return e, host.ErrDenied
	case "unknown":
		return e, errUnknown
	default:
		return e, fmt.Errorf(`the result in its answer is %q, not ok, denied or unknown`, v.Result)
	}
	if e, err = without.given(cmp.Or(v.User, user), v.Root); err != nil {
		return e, err
	}
	e.charset = v.Charset
	if v.Rights != "" {
		if e.rights, err = host.ParseRights(v.Rights); err != nil {
			return e, fmt.Errorf("the rights in its answer: %w", err)
		}
	}
	if err := host.CheckCharset(v.Charset); err != nil {
		return e, fmt.Errorf("the charset in its answer: %w", err)
	}
	return e, nil
}

func (s *sourceOptions) setRights(text string) error {
	s.rights = text
	_, err := host.ParseRights(text)
	return err
}

// usual is what users have for whom a source gives nothing else.
type usual struct {
	base   string // the folder from which others count
	root   string // with %u for the user's name
	rights host.Rights
}

func (o *options) usual() usual {
	u := usual{base: o.root, root: o.sources.root, rights: host.ReadOnly}
	if o.sources.rights != "" {
		u.rights, _ = host.ParseRights(o.sources.rights)
	}
	return u
}

// entry is that of a user for whom a source gives nothing.
func (u usual) entry(user string) (entry, error) { return u.given(user, "") }

// given is the entry of a user for whom a source gives this root, or "". A name that would
// lead to the folder of another user is denied.
func (u usual) given(user, root string) (e entry, err error) {
	if root == "" {
		if root = u.root; strings.Contains(root, "%u") && !isFolderName(user) {
			return e, fmt.Errorf("%w: the name can't be that of a folder", host.ErrDenied)
		}
		root = strings.ReplaceAll(root, "%u", user)
	}
	if !filepath.IsAbs(root) {
		root = filepath.Join(u.base, root)
	}
	return entry{name: user, root: root, rights: u.rights}, nil
}

// isFolderName says whether a user's name can be the name of one folder.
func isFolderName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, `/\\:`) && !strings.ContainsRune(name, 0)
}

// newTurns is the queue for a source that answers some logins at a time.
func newTurns(places int) *checks {
	return &checks{turns.Queue[netip.Prefix]{Places: places, Waiting: waitingChecks}}
}

// ask asks the sources in order about a user that the flags and the users file don't have.
// The first one that knows the user decides. One that can't tell ends the login: the next
// might let in somebody whom that one has locked out.
func (a *accounts) ask(ctx context.Context, login host.Login) (*account, error) {
	if checkPassword(login.Password.Reveal()) != nil {
		return nil, host.ErrDenied // LDAP, for one, lets everybody in without a password
	}
	for _, s := range a.sources {
		e, err := s.verify(ctx, login)
		switch {
		case err == nil:
			e.rates, e.quota, e.rules = cmp.Or(e.rates, a.rates), cmp.Or(e.quota, a.quota), a.rulesFor(&e)
			ruled, err := fsbridge.CompileRules(e.rules)
			return &account{entry: e, unique: e.name + a.suffix, maxSessions: a.perUser, ruled: ruled}, err
		case errors.Is(err, errUnknown):
			continue
		case errors.Is(err, host.ErrDenied), errors.Is(err, host.ErrBusy), ctx.Err() != nil:
			return nil, err
		}
		return nil, unanswered{fmt.Errorf("%s does not tell who may log in: %w", s.label(), err)}
	}
	return nil, host.ErrDenied
}

// unanswered is the error of a source that can't tell. To the server it is [host.ErrBusy].
type unanswered struct{ error }

func (unanswered) Is(target error) bool { return target == host.ErrBusy }

func (u unanswered) Unwrap() error { return u.error }

// watchedSource logs when a source fails, and when it answers again.
type watchedSource struct {
	source
	logger *slog.Logger
	failed atomic.Bool
}

func (w *watchedSource) verify(ctx context.Context, login host.Login) (entry, error) {
	e, err := w.source.verify(ctx, login)
	switch {
	case err == nil, errors.Is(err, errUnknown), errors.Is(err, host.ErrDenied):
		if w.failed.Swap(false) {
			w.logger.Info("a source of accounts answers again", "source", w.label())
		}
	case ctx.Err() != nil, errors.Is(err, host.ErrBusy): // the client has left, or others wait
	case !w.failed.Swap(true):
		w.logger.Error("a source of accounts does not answer; until it does, its users are refused for now",
			"source", w.label(), "err", err)
	}
	return e, err
}

// maxCached is how many logins a cache keeps.
const maxCached = 10_000

// cachedSource keeps for a while who was let in. It keeps no passwords, but a keyed hash of
// all that the source was asked, less the client's port.
type cachedSource struct {
	source
	time time.Duration
	key  []byte

	mu    sync.Mutex
	known map[[sha256.Size]byte]cachedEntry
}

type cachedEntry struct {
	entry
	until time.Time
}

func newCachedSource(s source, keep time.Duration) *cachedSource {
	return &cachedSource{source: s, time: keep, key: []byte(rand.Text()), known: map[[sha256.Size]byte]cachedEntry{}}
}

func (c *cachedSource) verify(ctx context.Context, login host.Login) (entry, error) {
	key, err := c.keyOf(login)
	if err != nil {
		return entry{}, err
	}
	c.mu.Lock()
	found, ok := c.known[key]
	c.mu.Unlock()
	if ok && time.Now().Before(found.until) {
		return found.entry, nil
	}
	e, err := c.source.verify(ctx, login)
	if err == nil {
		c.keep(key, e)
	}
	return e, err
}

func (c *cachedSource) keyOf(login host.Login) (key [sha256.Size]byte, err error) {
	login.Client = netip.AddrPortFrom(login.Client.Addr(), 0)
	asked, err := questionOf(login)
	mac := hmac.New(sha256.New, c.key)
	mac.Write(asked)
	return [sha256.Size]byte(mac.Sum(nil)), err
}

// keep keeps an entry. If there are too many it forgets those that are too old or, if there
// are none, any.
func (c *cachedSource) keep(key [sha256.Size]byte, e entry) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxCached {
		for old, found := range c.known {
			if now.After(found.until) {
				delete(c.known, old)
			}
		}
	}
	for old := range c.known {
		if len(c.known) < maxCached {
			break
		}
		delete(c.known, old)
	}
	c.known[key] = cachedEntry{e, now.Add(c.time)}
}

func (s *sourceOptions) anyURL() bool {
	return slices.ContainsFunc(s.given, func(one sourceOption) bool { return one.url+one.ldap+one.postgres != "" })
}

// programFiles are the files that the programs need, and folders: those of the system from
// which programs run, and each program's own.
func (s *sourceOptions) programFiles() (all []string) {
	for _, one := range s.given {
		if one.program != "" {
			all = append(all, placesOf(one.program)...)
		}
	}
	if all != nil {
		all = append(all, "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/etc/ld.so.cache", "/etc/alternatives",
			"/etc/ssl", "/etc/passwd", "/etc/group", "/etc/localtime", "/dev/urandom")
		all = append(all, resolverFiles()...)
	}
	return all
}
