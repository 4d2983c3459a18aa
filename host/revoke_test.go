package host

import (
	"context"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"

	"wasiftp/wasi"
)

// watchedAccount counts the logins to it and their ends.
type watchedAccount struct {
	asked, closed int
	during        func() // called while the authenticator is asked
	fs            fs.FS
	panics        bool
}

func (w *watchedAccount) Authenticate(_ context.Context, l Login) (*Account, error) {
	w.asked++
	if w.during != nil {
		w.during()
	}
	return &Account{FS: w.fs, Rights: ReadOnly, MaxSessions: 1, Close: func() error {
		w.closed++
		if w.panics {
			panic("Close")
		}
		return nil
	}}, nil
}

// logIn asks for a login and waits for its answer.
func (w *watchedAccount) logIn(t *testing.T, s *session, sh *shard) answer {
	t.Helper()
	s.ask(questionKey{call: wasi.AuthLogin}, func(ctx context.Context) answer {
		return s.authenticate(ctx, Login{User: "ali"}, nil)
	})
	synctest.Wait()
	sh.turn()
	return s.asked.answer
}

// The authenticator is asked again about a login that was under way while accounts were
// revoked, as the answer may be older.
func TestRevokeDuringALogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &watchedAccount{fs: noFiles{}}
		s, sh := asker(t, Config{Authenticator: w})
		w.during = func() {
			if w.asked == 1 {
				s.server.Revoke(func(string) bool { return false })
			}
		}
		if a := w.logIn(t, s, sh); a.errno != wasi.OK || w.asked != 2 {
			t.Errorf("%v after it was asked %d times", a.errno, w.asked)
		}
		synctest.Wait()
		if w.closed != 1 {
			t.Errorf("%d accounts are closed", w.closed)
		}
		s.abandonQuestion()
		s.server.work.Wait()
	})
}

// A login whose answer has not been fetched is revoked too.
func TestRevokeBeforeALoginIsFetched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &watchedAccount{fs: noFiles{}}
		s, sh := asker(t, Config{Authenticator: w})
		l := w.logIn(t, s, sh).login
		if n := s.server.Revoke(func(account string) bool { return account == "ali" }); n != 1 || !l.revoked.Load() {
			t.Errorf("%d logins are revoked", n)
		}
		if events := sh.turn(); len(events) != 1 || events[0].Kind != wasi.EventDrain || events[0].Session != s.handle {
			t.Errorf("the guest hears %+v", events)
		}
		s.login.Store(l)
		if s.can(0) || s.can(RightRead) {
			t.Error("it can still do something")
		}
		s.logout()
		s.abandonQuestion()
		s.server.work.Wait()
		if len(s.server.logins) > 0 || w.closed != 1 {
			t.Errorf("%d logins are left, %d accounts closed", len(s.server.logins), w.closed)
		}
	})
}

// An account is not closed while a question about its files is worked on, nor before the
// objects that the session gave up are closed.
func TestAccountClosesLast(t *testing.T) {
	t.Parallel()
	for _, abandon := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := &watchedAccount{fs: noFiles{}}
			s, sh := asker(t, Config{Authenticator: w})
			s.login.Store(w.logIn(t, s, sh).login)
			s.asked = nil
			gates := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
			s.ask(questionKey{call: wasi.FileStat}, func(context.Context) answer { <-gates[0]; return answer{} })
			s.afterwards(func() { <-gates[1] })
			if abandon {
				s.abandonQuestion()
			}
			s.logout()
			for _, gate := range gates {
				synctest.Wait()
				if w.closed != 0 {
					t.Error("it is closed too early")
				}
				close(gate)
			}
			synctest.Wait()
			sh.turn()
			s.abandonQuestion()
			s.server.work.Wait()
			if w.closed != 1 {
				t.Errorf("it is closed %d times", w.closed)
			}
		})
	}
}

// panickingSpace panics when the server finds out what the storage can do.
type panickingSpace struct{ noFiles }

func (panickingSpace) Space(string) (int64, error) { panic("Space") }

func TestAccountThatCannotBeUsedIsClosed(t *testing.T) {
	t.Parallel()
	for _, fsys := range []fs.FS{nil, panickingSpace{}} {
		synctest.Test(t, func(t *testing.T) {
			var log record
			w := &watchedAccount{fs: fsys, panics: true}
			writer := func(ctx context.Context, l Login) (*Account, error) {
				account, err := w.Authenticate(ctx, l)
				account.Rights = ReadWrite
				return account, err
			}
			s, sh := asker(t, Config{Logger: log.logger(), Authenticator: AuthenticatorFunc(writer)})
			if a := w.logIn(t, s, sh); a.login != nil || a.errno == wasi.OK {
				t.Errorf("it is let in: %v", a.errno)
			}
			s.abandonQuestion()
			s.server.work.Wait()
			if w.closed != 1 || !strings.Contains(log.String(), "panic=Close") {
				t.Errorf("it is closed %d times; the log is\n%s", w.closed, &log)
			}
		})
	}
}
