package host

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"wasiftp/wasi"
)

// login is an account in use by a session.
type login struct {
	server *Server
	name   string
	whole  FS // the account's
	fs     FS // the same, perhaps under a mask; for the shard's goroutine
	rights Rights
	names  *charset // of its clients
	able   uint32   // what the files can do (wasi.AbleUpload, …)
	once   sync.Once
}

// release gives the account's place to somebody else.
func (l *login) release() {
	l.once.Do(func() { l.server.releaseAccount(l.name) })
}

// can says whether the session is logged in to an account with this right.
func (s *session) can(right Rights) bool {
	l := s.login.Load()
	return l != nil && l.rights&right == right
}

func (s *session) logout() {
	if l := s.login.Swap(nil); l != nil {
		l.release()
	}
}

// authHost notes which virtual host a session is at (RFC 7151). One that the TLS
// handshake has named already cannot become another.
func (sh *shard) authHost(a *args) wasi.Errno {
	s, errno := sh.session(a)
	if errno != wasi.OK {
		return errno
	}
	if len(a.bytes(1)) > maxLine {
		return wasi.EINVAL
	}
	name := strings.ToLower(strings.TrimSuffix(a.string(1), "."))
	if name != "" {
		if !s.server.hasHost(name) {
			return wasi.ENOENT
		}
		if state := s.stream.state(); state != nil && state.ServerName != "" && !strings.EqualFold(state.ServerName, name) {
			return wasi.ENOENT
		}
	}
	s.abandonQuestion() // a login under way would be at the host before
	s.host = name
	return wasi.OK
}

// at is the virtual host that a session is at: what HOST named or, without it, the
// TLS handshake.
func (s *session) at() string {
	if s.host != "" {
		return s.host
	}
	if state := s.stream.state(); state != nil && s.server.config.Hosts != nil && s.server.hasHost(state.ServerName) {
		return strings.ToLower(state.ServerName)
	}
	return ""
}

// hasHost says whether HOST may name a host.
func (s *Server) hasHost(name string) bool {
	hosts := s.config.Hosts
	return hosts == nil || slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, name) })
}

func (sh *shard) authCheck(a *args) wasi.Errno {
	s, errno := sh.session(a)
	if errno != wasi.OK {
		return errno
	}
	if len(a.bytes(1)) > maxLine || len(a.bytes(2)) > maxLine {
		return wasi.EINVAL
	}
	user, password := a.string(1), a.string(2)
	given := Login{User: user, Password: Password(password), Host: s.at(), Client: s.client, Server: s.local, TLS: s.stream.state()}
	result, errno := s.ask(questionKey{call: wasi.AuthCheck, name: user, to: password},
		func(ctx context.Context) answer { return s.authenticate(ctx, given) })
	if errno != wasi.OK {
		return errno
	}
	s.logout()
	s.login.Store(result.login)
	s.observe(Event{Kind: LoggedIn})
	putUint32(a.bytes(3), uint32(result.login.rights))
	return wasi.OK
}

func (s *session) authenticate(ctx context.Context, given Login) answer {
	user := given.User
	l, err := s.server.login(ctx, given)
	if err == nil {
		return answer{login: l}
	}
	s.observe(Event{Kind: LoginFailed, User: user, Err: err})
	if errors.Is(err, errAccountFull) {
		return answer{errno: wasi.EMFILE}
	}
	if !errors.Is(err, ErrDenied) && ctx.Err() == nil {
		s.server.config.Logger.Error("the authenticator failed", "session", s.id, "client", s.client, "user", user, "err", err)
	}
	return answer{errno: wasi.EACCES}
}

var (
	errAccountFull = errors.New("too many sessions of this account")
	errNoFS        = errors.New("the authenticator gave an account without a file system")
)

// login asks the authenticator, and takes one of the account's places.
func (s *Server) login(ctx context.Context, given Login) (*login, error) {
	if s.config.Authenticator == nil {
		return nil, ErrDenied
	}
	account, err := s.config.Authenticator.Authenticate(ctx, given)
	if err != nil {
		return nil, err
	}
	if account == nil || account.FS == nil {
		return nil, errNoFS
	}
	names, err := newCharset(cmp.Or(account.Charset, s.config.Charset))
	if err != nil {
		return nil, err
	}
	l := &login{
		server: s, names: names, name: account.Name, whole: account.FS, fs: account.FS, rights: account.Rights,
		able: abilitiesOf(account.FS, account.Rights),
	}
	if l.name == "" {
		l.name = given.User
	}
	if !s.admitAccount(l.name, account.MaxSessions) {
		return nil, errAccountFull
	}
	return l, nil
}

func (sh *shard) authClear(a *args) wasi.Errno {
	s, errno := sh.session(a)
	if errno != wasi.OK {
		return errno
	}
	if l := s.login.Load(); l != nil {
		s.observe(Event{Kind: LoggedOut})
		s.logout()
	}
	return wasi.OK
}
