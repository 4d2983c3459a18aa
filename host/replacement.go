package host

import (
	"errors"
	"fmt"

	"wasiftp/wasi"
)

// ErrNotLoggedIn is the error of [Session.SetAccount] for a session that is not logged in, or no
// longer.
var ErrNotLoggedIn = errors.New("the session is not logged in")

var (
	errOtherName = errors.New("SetAccount got an account of another name than the session's")
	errNoAccount = errors.New("SetAccount got no account")
	errManyOpen  = errors.New("the accounts before are not closed yet")
)

// mostReplaced bounds the accounts of a session that SetAccount has replaced and that are open
// still: to replace them is quicker than to close them.
const mostReplaced = 1000

// SetAccount gives the session another account of the same name, as if the client had logged in
// anew and got that one: its rights, rules, quota, rates and storage hold from the next command on.
// Transfers and commands under way go on with the account before, but the rates that all sessions
// of the account share are the new ones at once.
//
// The client stays where it is: its current folder, the mask of SITE UMASK and the character set
// remain, whatever account.Charset says. MaxSessions does not count for a session that is logged in
// already. Neither [Hooks].Login nor the Authenticator is asked.
//
// The Close of the account before is called once the files that it had open are closed. While
// 1,000 accounts of the session wait for that, SetAccount fails. If it fails, nothing changes and
// account.Close is called. The error is [ErrNotLoggedIn], or names what is wrong with the account,
// which [Account] says of a login.
//
// SetAccount calls methods of account.FS, and so may take as long as they do.
func (s Session) SetAccount(account *Account) error {
	switch {
	case account == nil:
		return errNoAccount
	case s.of == nil:
		return errors.Join(ErrNotLoggedIn, called(account.Close))
	case s.of.replaced.Load() >= mostReplaced:
		return errors.Join(errManyOpen, called(account.Close))
	}
	live := s.of
	l, err := live.prepare(account, live.user())
	if err != nil {
		return err
	}
	old, err := live.server.exchange(l)
	if err != nil {
		l.drop()
		return err
	}
	live.replaced.Add(1)
	closeOld := old.close
	old.close = func() error {
		defer live.replaced.Add(-1)
		return called(closeOld)
	}
	part := func() {
		live.former = append(live.former, old)
		live.partFormer()
	}
	if !live.shard.do(part) {
		old.release()
	}
	live.tellRights()
	return nil
}

// called calls an [Account.Close], if there is one.
func called(close func() error) error {
	if close == nil {
		return nil
	}
	return close()
}

// exchange puts a login in the place of its session's, which it returns. The session counts once
// for the account all the time.
func (s *Server) exchange(l *login) (old *login, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for old = l.session.login.Load(); ; old = l.session.login.Load() {
		switch {
		case old == nil || old.kept || old.revoked.Load():
			return nil, ErrNotLoggedIn
		case old.name != l.name:
			return nil, fmt.Errorf("%w: %q, not %q", errOtherName, l.name, old.name)
		}
		l.umask.Store(old.umask.Load())
		l.names = old.names // the engine has the current folder in it
		s.share(l)
		if l.session.login.CompareAndSwap(old, l) { // from here on others read l
			break
		}
		s.unshare(l)
		l.sharing, l.ofAll = nil, meters{}
	}
	delete(s.logins, old)
	s.logins[l] = struct{}{}
	s.unshare(old)
	old.sharing, old.kept, old.next = nil, true, l
	return old, nil
}

// partFormer releases the logins before SetAccount once nothing of theirs is open. It runs on the
// shard's goroutine.
func (s *session) partFormer() {
	if len(s.former) == 0 || len(s.objects) > 0 || s.asked != nil {
		return
	}
	for _, l := range s.former {
		l.release()
	}
	s.former = nil
}

// tellRights has the engine learn what the account may do by now.
func (s *session) tellRights() {
	if s.unheard.Swap(true) {
		return // the event that is on its way tells what holds when the engine reads it
	}
	s.shard.do(func() {
		if sh := s.shard; sh.instance == nil || !sh.instance.LearnsRights() {
			s.unheard.Store(false)
		} else {
			sh.post(wasi.Event{Kind: wasi.EventRights, Session: s.handle})
		}
	})
}

// rightsOf is the value of an event for the engine: what the account of a session may do.
func (sh *shard) rightsOf(handle uint32) uint64 {
	s, errno := get[*session](&sh.handles, handle)
	if errno != wasi.OK {
		return 0
	}
	s.unheard.Store(false)
	s.heard = sh.ran.Load()
	l := s.login.Load()
	if l == nil {
		return 0
	}
	return wasi.RightsValue(l.files.Load().Anywhere(), l.able)
}
