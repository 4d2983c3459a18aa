package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"wasiftp/fsbridge"
	"wasiftp/host/bans"
	"wasiftp/host/internal/charset"
	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
)

// login is a session's copy of an [Account].
type login struct {
	session *session
	name    string
	folder  string                          // Account.Folder
	files   atomic.Pointer[fsbridge.Access] // replaced, never changed
	cancel  context.CancelFunc              // of the context that the storage got; nil for none
	umask   atomic.Pointer[fs.FileMode]     // of SITE UMASK; nil for none
	shared  bool                            // Account.Shared
	names   *charset.Set                    // the character set of its clients
	style   []byte                          // the record of its wasi.Style; nil if it has none of its own
	able    wasi.Abilities                  // what the storage can do (wasi.AbleUpload, …)
	close   func() error                    // Account.Close, may be nil
	users   atomic.Int32                    // the session, its questions and its objects that are being closed; the last calls close
	revoked atomic.Bool
	tempo   tempo          // of the files
	rates   Rates          // Account.Rates
	ofAll   meters         // of the account's sessions
	own     meters         // of this session
	sharing *accountMeters // whose login this is, nil without rates; guarded by server.mu
	next    *login         // that SetAccount has put in its place; guarded by server.mu
	kept    bool           // its seat, or the login in its place, counts for the account; guarded by server.mu
	once    sync.Once
}

// release ends the login.
func (l *login) release() {
	l.once.Do(func() {
		l.endContext()
		l.session.server.releaseAccount(l)
		l.leave()
	})
}

// enter keeps the account from being closed until leave is called. On a nil login neither
// does anything.
func (l *login) enter() {
	if l != nil {
		l.users.Add(1)
	}
}

func (l *login) leave() {
	if l != nil && l.users.Add(-1) == 0 && l.close != nil {
		l.session.server.work.Go(l.closeAccount)
	}
}

func (l *login) closeAccount() {
	server := l.session.server
	server.threads.questions.Enter(context.Background(), l.name)
	defer server.threads.questions.Leave(l.name)
	err := l.session.guard(accountCode, l.close)
	if _, told := err.(*panicked); err != nil && !told {
		server.logger.Warn("an account was not closed", "session", l.session.id, "user", l.name, "err", err)
	}
}

// can reports whether the session is logged in with this right to some path at least, the
// account is not revoked, and the control connection is under TLS where that is required.
func (s *session) can(right Rights) bool {
	l := s.login.Load()
	if l == nil || l.files.Load().Anywhere()&right != right || l.revoked.Load() {
		return false
	}
	return s.config.TLS.Require < TLSForControl || s.stream.Protected()
}

func (s *session) logout() {
	if l := s.login.Swap(nil); l != nil {
		l.release()
	}
}

// authHost sets the virtual host of a session (RFC 7151). It must be the one of the TLS
// handshake, if that named any.
func (sh *shard) authHost(a *wasm.Args) wasi.Errno {
	s, errno := sh.session(a)
	if errno != wasi.OK {
		return errno
	}
	if len(a.Bytes(1)) > maxLine {
		return wasi.EINVAL
	}
	name := strings.ToLower(strings.TrimSuffix(a.String(1), "."))
	if name != "" {
		if !s.config.hasHost(name) {
			return wasi.ENOENT
		}
		if state := s.stream.State(); state != nil && state.ServerName != "" && !strings.EqualFold(state.ServerName, name) {
			return wasi.ENOENT
		}
	}
	s.abandonQuestion() // a login under way would be for the host before
	s.nameHost(name)
	return wasi.OK
}

// nameHost sets the virtual host.
func (s *session) nameHost(name string) {
	s.host = name
	s.named.Store(&name)
}

// at is the virtual host of a session: the argument of HOST or, without it, the name in the
// TLS handshake.
func (s *session) at() string {
	if s.host != "" {
		return s.host
	}
	if state := s.stream.State(); state != nil && s.config.Hosts != nil && s.config.hasHost(state.ServerName) {
		return strings.ToLower(state.ServerName)
	}
	return ""
}

// hasHost reports whether HOST accepts name.
func (c *Config) hasHost(name string) bool {
	return c.Hosts == nil || slices.ContainsFunc(c.Hosts, func(h string) bool { return strings.EqualFold(h, name) })
}

// authLogin logs the session in, or out.
func (sh *shard) authLogin(a *wasm.Args) wasi.Errno {
	s, errno := sh.session(a)
	if errno != wasi.OK {
		return errno
	}
	if len(a.Bytes(1)) == 0 {
		s.logOut()
		putUint32(a.Bytes(3), 0)
		putUint32(a.Bytes(4), 0)
		return wasi.OK
	}
	if len(a.Bytes(1)) > maxLine || len(a.Bytes(2)) > maxLine {
		return wasi.EINVAL
	}
	user, password := a.String(1), a.String(2)
	given := Login{Session: s.id, User: user, Password: Password(password), Host: s.at(), TLS: s.stream.State()}
	given.Client, given.Server, given.Program = s.client, s.local, s.programName()
	if given.TLS == nil && s.config.TLS.Require != TLSOptional || s.failures >= s.config.Limits.LoginFailures {
		return wasi.EACCES
	}
	s.named.Store(&given.Host)
	if given.TLS != nil && !s.stream.Protected() {
		s.sealed.Store(uint32(given.TLS.Version)<<16 | uint32(given.TLS.CipherSuite))
	}
	key := questionKey{call: wasi.AuthLogin, name: user, to: password}
	var attempt *bans.Attempt
	if s.asked == nil || s.asked.key != key {
		attempt = s.server.bans.Attempt(s.client.Addr(), user+"@"+given.Host)
	}
	authenticate := func(ctx context.Context) answer { return s.authenticate(ctx, given, attempt) }
	result, errno := s.pose(key, task{authenticate, &s.server.threads.logins, user, &s.server.tempo, attempt})
	if errno == wasi.EACCES {
		s.failures++
	}
	if errno != wasi.OK {
		return errno
	}
	if result.login.revoked.Load() {
		result.login.release()
		return wasi.EACCES
	}
	s.logout()
	s.login.Store(result.login)
	s.seat.loggedIn()
	s.observe(Event{Kind: LoggedIn})
	putUint32(a.Bytes(3), uint32(result.login.files.Load().Anywhere()))
	putUint32(a.Bytes(4), uint32(result.login.able))
	return wasi.OK
}

// logOut ends a login by a command of the client.
func (s *session) logOut() {
	if s.login.Load() != nil {
		s.observe(Event{Kind: LoggedOut})
		s.logout()
		s.seat.loggedOut()
	}
}

func (s *session) authenticate(ctx context.Context, given Login, attempt *bans.Attempt) answer {
	if attempt.Banned() {
		s.spoken.told.Store(true)
		s.observe(Event{Kind: LoginFailed, User: given.User, Err: bans.ErrBanned})
		return loginRefused(banned)
	}
	l, err := s.logIn(ctx, given)
	if err == nil {
		attempt.Succeeded()
		return answer{login: l}
	}
	s.spoken.told.Store(true)
	s.observe(Event{Kind: LoginFailed, User: given.User, Err: err})
	if errors.Is(err, ErrDenied) {
		attempt.Failed()
	}
	if _, told := err.(*panicked); told {
		return answer{errno: wasi.EIO}
	}
	if r := refusalOf(err); r != nil {
		return loginRefused(r)
	}
	if errors.Is(err, errAccountFull) || errors.Is(err, ErrBusy) {
		return answer{errno: wasi.EMFILE}
	}
	if !errors.Is(err, ErrDenied) && ctx.Err() == nil {
		s.server.logger.Error("the authenticator failed", "session", s.id, "client", s.client, "user", given.User, "err", err)
	}
	return answer{errno: wasi.EACCES}
}

// banned is the reply to a login that waited when its address was banned.
var banned = &refusal{421, "Too many logins from your address have failed, try again later."}

func loginRefused(r *refusal) answer { return answer{errno: r.loginErrno(), refused: r.loginVerdict()} }

var errNoFS = errors.New("the authenticator gave an account without a file system")

// logIn asks the authenticator, and counts the session as one of the account's. It asks
// again if Revoke was called meanwhile: the answer may be older than that.
func (s *session) logIn(ctx context.Context, given Login) (*login, error) {
	if s.config.Authenticator == nil {
		return nil, ErrDenied
	}
	for {
		revocations := s.server.revocations.Load()
		var account *Account
		err := s.guard(authenticatorCode, func() (err error) {
			account, err = s.config.Authenticator.Authenticate(ctx, given)
			return err
		})
		if err != nil {
			return nil, err
		}
		if account == nil {
			return nil, errNoFS
		}
		l, err := s.use(ctx, account, given.User, revocations)
		if err != errRevoked || ctx.Err() != nil {
			return l, err
		}
	}
}

// limit sets the rates of the account and of its session.
func (l *login) limit(account *Account) error {
	var f faults
	account.Rates.check(&f, "Rates")
	account.RatesPerSession.check(&f, "RatesPerSession")
	if len(f) > 0 {
		return fmt.Errorf("the account %q: %w", l.name, errors.Join(f...))
	}
	l.rates = account.Rates
	l.own = newMeters(meters{}, account.RatesPerSession.tighter(l.session.config.Limits.RatesPerSession))
	return nil
}

// use makes a login of the account, and counts it. If it fails, the account is closed.
func (s *session) use(ctx context.Context, account *Account, user string, revocations uint64) (*login, error) {
	l, err := s.prepare(account, user)
	if err != nil {
		return nil, err
	}
	if err = s.mayLogin(ctx, l); err == nil {
		err = s.server.admitAccount(l, account.MaxSessions, revocations)
	}
	if err != nil {
		l.drop()
		return nil, err
	}
	return l, nil
}

// drop closes the account of a login that was never counted.
func (l *login) drop() {
	l.endContext()
	l.leave()
}

// prepare makes a login of the account. If it fails, the account is closed.
func (s *session) prepare(account *Account, user string) (prepared *login, err error) {
	l := &login{
		session: s, name: cmp.Or(account.Name, user), folder: account.Folder, shared: account.Shared, close: account.Close,
	}
	l.enter()
	defer func() {
		if prepared == nil {
			l.drop()
		}
	}()
	files := fsbridge.Access{FS: account.FS, Rights: account.Rights, Rules: account.Rules, FollowLinks: s.config.FollowLinks,
		Quota: account.Quota}
	if err = l.bind(files); err != nil {
		return nil, err
	}
	if err = l.limit(account); err != nil {
		return nil, err
	}
	if l.names, err = charset.New(cmp.Or(account.Charset, s.config.Charset)); err != nil {
		return nil, err
	}
	if err = s.guard(filesCode, func() error { l.able = l.files.Load().Able(); return nil }); err != nil {
		return nil, err
	}
	if err = l.setStyle(account); err != nil {
		return nil, err
	}
	return l, nil
}
