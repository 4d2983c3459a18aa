package main

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
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
	verify(ctx context.Context, login host.Login) (answer, error)

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
	group   string         // whose settings users have for whom a source names none; "" is none
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
		"and keys of users, such as root and rights, which may be missing\n(default "+usualQuery+")", s.setQuery)
	f.StringVar(&s.root, "auth-root", "", "the folder `DIR` of users for whom these give none, with %u for the\n"+
		"user's name (default that of --root)")
	f.Func("auth-rights", "the `RIGHTS` of users for whom these give none (default ro)", s.setRights)
	f.StringVar(&s.group, "auth-group", "", "the group `NAME` of users for whom these name none, a [[group]] of the\n"+
		"configuration file")
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

func (s *sourceOptions) setRights(text string) error {
	s.rights = text
	_, err := host.ParseRights(text)
	return err
}

// usual gives an entry the root and the rights that its source leaves open. A name that
// would lead to the folder of another user is denied.
func (o *options) usual(e entry) (entry, error) {
	if e.root == "" && o.sources.root == "" {
		e.root = o.root
	}
	if e.root == "" {
		if err := e.setRoot(o.sources.root); err != nil {
			return e, fmt.Errorf("%w: %w", host.ErrDenied, err)
		}
	}
	if e.rights == 0 && o.sources.rights == "" {
		e.rights = host.ReadOnly
	}
	if e.rights == 0 {
		e.rights, _ = host.ParseRights(o.sources.rights)
	}
	return e, nil
}

// sourceRoots are the folders that sources can give to users by name, with %u.
func (o *options) sourceRoots() (roots []string) {
	if o.sources.root != "" {
		roots = append(roots, o.sources.root)
	}
	for _, group := range o.groups {
		if root := group.get("root"); root != nil && filepath.IsAbs(root.text) {
			roots = append(roots, root.text)
		} else if root != nil {
			roots = append(roots, filepath.Join(filepath.Dir(o.file), root.text))
		}
	}
	return roots
}

// checkGroup finds a group of --auth-group that is not there.
func (o *options) checkGroup() error {
	if name := o.sources.group; name != "" && o.groups[name] == nil {
		return usageError{blame("auth-group", name, fmt.Errorf("--auth-group: there is no [[group]] %q in the configuration file%s",
			name, didYouMean(nearest(name, o.groups))))}
	}
	return nil
}

// newTurns is the queue for a source that answers some logins at a time.
func newTurns(places int) *checks {
	return &checks{turns.Queue[netip.Prefix]{Places: places, Waiting: waitingChecks}}
}

// ask asks the sources in order about a user that the flags and the users file don't have.
// The first one that knows the user decides. One that can't tell ends the login: the next
// might let in somebody whom that one has locked out.
func (a *accounts) ask(ctx context.Context, login host.Login, shown string) (*account, error) {
	if checkPassword(login.Password.Reveal()) != nil {
		return nil, host.ErrDenied // LDAP, for one, lets everybody in without a password
	}
	for _, s := range a.sources {
		found, err := s.verify(ctx, login)
		if err == nil {
			own, err := a.accountOf(found)
			if err == nil {
				err = a.admit(own, login, shown)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.label(), err)
			}
			return own, nil
		}
		switch {
		case errors.Is(err, errUnknown):
			continue
		case errors.Is(err, host.ErrDenied), errors.Is(err, host.ErrBusy), ctx.Err() != nil:
			return nil, err
		}
		return nil, unanswered{fmt.Errorf("%s does not tell who may log in: %w", s.label(), err)}
	}
	return nil, host.ErrDenied
}

// accountOf is the account of a user whom a source has let in.
func (a *accounts) accountOf(found answer) (*account, error) {
	e, err := a.options.entryOf(found)
	if err != nil {
		return nil, err
	}
	e.rates, e.quota, e.rules = cmp.Or(e.rates, a.rates), cmp.Or(e.quota, a.quota), a.rulesFor(&e)
	ruled, err := fsbridge.CompileRules(e.rules)
	if err != nil {
		return nil, answerFault{e.name, err}
	}
	own := &account{entry: e, unique: e.name + a.suffix, maxSessions: a.perUser, ruled: ruled}
	if e.sessions != nil {
		own.maxSessions = *e.sessions
	}
	return own, nil
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

func (w *watchedSource) verify(ctx context.Context, login host.Login) (answer, error) {
	found, err := w.source.verify(ctx, login)
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
	return found, err
}

// watched is the part of a source that knows whether it answers.
func watched(s source) *watchedSource {
	if c, ok := s.(*cachedSource); ok {
		s = c.source
	}
	return s.(*watchedSource)
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
	known map[[sha256.Size]byte]cachedAnswer
}

type cachedAnswer struct {
	answer
	until time.Time
}

func newCachedSource(s source, keep time.Duration) *cachedSource {
	return &cachedSource{source: s, time: keep, key: []byte(rand.Text()), known: map[[sha256.Size]byte]cachedAnswer{}}
}

func (c *cachedSource) verify(ctx context.Context, login host.Login) (answer, error) {
	key, err := c.keyOf(login)
	if err != nil {
		return answer{}, err
	}
	c.mu.Lock()
	found, ok := c.known[key]
	c.mu.Unlock()
	if ok && time.Now().Before(found.until) {
		return found.answer, nil
	}
	given, err := c.source.verify(ctx, login)
	if err == nil {
		c.keep(key, given)
	}
	return given, err
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
func (c *cachedSource) keep(key [sha256.Size]byte, a answer) {
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
	c.known[key] = cachedAnswer{a, now.Add(c.time)}
}

func (s *sourceOptions) anyURL() bool {
	return slices.ContainsFunc(s.given, func(one sourceOption) bool { return one.url+one.ldap+one.postgres != "" })
}

// programs are the paths of the programs.
func (s *sourceOptions) programs() (all []string) {
	for _, one := range s.given {
		if one.program != "" {
			all = append(all, one.program)
		}
	}
	return all
}
