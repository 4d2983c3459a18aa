package host

import (
	"context"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"

	"wasiftp/host/internal/conn"
	"wasiftp/wasi"
)

// asker is a session without a connection, which can pose questions.
func asker(t *testing.T, config Config) (*session, *shard) {
	t.Helper()
	sh := newStill(t, config)
	p := sh.seat()
	s := &session{
		shard: sh, server: sh.server, config: sh.server.current(), seat: p, handle: 7,
		stream: conn.New(nil, nil, &link{shard: sh, seat: p}),
	}
	return s, sh
}

func TestQuestionIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, sh := asker(t, Config{})
		worked := 0
		work := func(context.Context) answer {
			worked++
			return answer{stat: wasi.Stat{Size: 5}}
		}
		key := questionKey{call: wasi.FileStat, name: "a"}
		for range 3 { // asking again changes nothing
			if _, errno := s.ask(key, work); errno != wasi.EAGAIN {
				t.Fatal(errno)
			}
		}
		synctest.Wait()
		if _, errno := s.ask(key, work); errno != wasi.EAGAIN {
			t.Errorf("before the shard heard of it: %v", errno)
		}
		events := sh.turn()
		if len(events) != 1 || events[0].Kind != wasi.EventReady || events[0].Session != 7 {
			t.Errorf("%+v", events)
		}
		if a, errno := s.ask(key, work); errno != wasi.OK || a.stat.Size != 5 {
			t.Errorf("%+v, %v", a, errno)
		}
		if worked != 1 || s.asked != nil || s.working != 0 {
			t.Errorf("worked %d times, %v is still asked, %d at work", worked, s.asked, s.working)
		}
		if _, errno := s.ask(key, work); errno != wasi.EAGAIN {
			t.Errorf("the answer is given twice: %v", errno)
		}
		synctest.Wait()
		sh.turn()
	})
}

// Any different argument makes another question.
func TestQuestionKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, sh := asker(t, Config{})
		base := questionKey{call: wasi.FileOpen, name: "a"}
		for _, other := range []questionKey{
			{call: wasi.FileStat, name: "a"}, {call: wasi.FileOpen, name: "b"}, {call: wasi.FileOpen, name: "a", to: "b"},
			{call: wasi.FileOpen, name: "a", flags: 1}, {call: wasi.FileOpen, name: "a", number: 1}, {call: wasi.FileOpen,
				name: "a", handle: 1},
		} {
			s.ask(base, func(context.Context) answer { return answer{stat: wasi.Stat{Size: 1}} })
			synctest.Wait()
			sh.turn()
			if _, errno := s.ask(other, func(context.Context) answer { return answer{} }); errno != wasi.EAGAIN {
				t.Errorf("%+v got the answer to %+v", other, base)
			}
			synctest.Wait()
			sh.turn()
		}
	})
}

// opened answers with a file that tells when it was closed.
func opened(s *session) (*watchedFile, answer) {
	file := &watchedFile{}
	return file, answer{file: &openFile{session: s, name: "a", reader: file}}
}

func TestAbandonedAnswersAreDiscarded(t *testing.T) {
	t.Parallel()
	key, other := questionKey{call: wasi.FileOpen, name: "a"}, questionKey{call: wasi.FileStat, name: "b"}
	nothing := func(context.Context) answer { return answer{} }
	for name, abandon := range map[string]func(s *session, sh *shard, answered func()){
		"before the answer":  func(s *session, sh *shard, answered func()) { s.ask(other, nothing); answered() },
		"after the answer":   func(s *session, sh *shard, answered func()) { answered(); s.ask(other, nothing) },
		"by the end, before": func(s *session, sh *shard, answered func()) { s.abandonQuestion(); answered() },
		"by the end, after":  func(s *session, sh *shard, answered func()) { answered(); s.abandonQuestion() },
		"by the shard's end": func(s *session, sh *shard, answered func()) { sh.over(); answered() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, sh := asker(t, Config{})
				file, a := opened(s)
				proceed := make(chan struct{})
				s.askToOpen(key, func(ctx context.Context) answer { <-proceed; return a })
				synctest.Wait()
				abandon(s, sh, func() {
					close(proceed)
					synctest.Wait()
					sh.turn()
				})
				synctest.Wait()
				sh.turn()
				synctest.Wait()
				if file.closed != 1 {
					t.Errorf("the file was closed %d times", file.closed)
				}
			})
		})
	}
}

// The context of a question ends when the question is abandoned.
func TestAbandonedQuestionIsCanceled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, sh := asker(t, Config{})
		s.ask(questionKey{name: "a"}, func(ctx context.Context) answer {
			<-ctx.Done()
			return answer{errno: errnoOf(ctx.Err())}
		})
		s.abandonQuestion()
		synctest.Wait() // its goroutine ends, or synctest fails the test
		if events := sh.turn(); len(events) > 0 {
			t.Errorf("%+v", events)
		}
		if s.working != 0 {
			t.Errorf("%d at work", s.working)
		}
	})
}

func TestQuestionsAreFew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, sh := asker(t, Config{})
		gate := make(chan struct{})
		for i := range maxWorking {
			if _, errno := s.ask(questionKey{number: int64(i)},
				func(context.Context) answer { <-gate; return answer{} }); errno != wasi.EAGAIN {
				t.Fatalf("question %d: %v", i, errno)
			}
		}
		if _, errno := s.ask(questionKey{name: "more"}, nil); errno != wasi.EBUSY {
			t.Errorf("one too many: %v", errno)
		}
		if _, errno := s.ask(questionKey{number: maxWorking - 1}, nil); errno != wasi.EAGAIN {
			t.Errorf("the last of them is no longer asked: %v", errno)
		}
		close(gate)
		synctest.Wait()
		sh.turn()
		if _, errno := s.ask(questionKey{number: maxWorking - 1}, nil); errno != wasi.OK || s.working != 0 {
			t.Errorf("its answer: %v, %d at work", errno, s.working)
		}
	})
}

// A panic in an embedder's code is an error of that call alone.
func TestPanicOfAnEmbedder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &record{}
		s, sh := asker(t, Config{Logger: log.logger(), Authenticator: AuthenticatorFunc(
			func(context.Context, Login) (*Account, error) { panic("no such luck") })})
		ask := func(key questionKey, work func(context.Context) answer) wasi.Errno {
			s.ask(key, work)
			synctest.Wait()
			sh.turn()
			_, errno := s.ask(key, work)
			return errno
		}
		key := questionKey{call: wasi.AuthLogin, name: "ali"}
		if errno := ask(key, func(ctx context.Context) answer {
			return s.authenticate(ctx, Login{User: "ali", Password: "open sesame"}, nil)
		}); errno != wasi.EIO {
			t.Errorf("the authenticator panics: %v", errno)
		}
		if errno := ask(questionKey{name: "nil"}, func(context.Context) answer { return *(*answer)(nil) }); errno != wasi.EIO {
			t.Errorf("the file system panics: %v", errno)
		}
		if errno := ask(questionKey{name: "well"}, func(context.Context) answer { return answer{} }); errno != wasi.OK {
			t.Errorf("the next question: %v", errno)
		}
		if text := log.String(); !strings.Contains(text, "no such luck") || strings.Contains(text, "sesame") ||
			strings.Count(text, "\n") != 2 {
			t.Errorf("the log is\n%s", text)
		}
	})
}

// panicking is a file and an upload that panic wherever they can.
type panicking struct{ fs.File }

func (panicking) Read([]byte) (int, error)  { panic("Read") }
func (panicking) Write([]byte) (int, error) { panic("Write") }
func (panicking) Close() error              { panic("Close") }
func (panicking) Commit() error             { panic("Commit") }
func (panicking) Abort() error              { panic("Abort") }

func TestPanicWhileAFileEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log record
		s, _ := asker(t, Config{Logger: log.logger()})
		hold(&openFile{session: s, name: "a", reader: panicking{}}).end()
		hold(&openFile{session: s, name: "a", upload: panicking{}}).end()
		s.server.work.Wait()
		for _, what := range []string{"Close", "Abort"} {
			if !strings.Contains(log.String(), "panic="+what) {
				t.Errorf("the log says nothing of %s:\n%s", what, &log)
			}
		}
	})
}

func TestAbandonedLoginGivesItsPlaceBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, sh := asker(t, Config{Authenticator: AuthenticatorFunc(func(context.Context, Login) (*Account, error) {
			return &Account{FS: noFiles{}, MaxSessions: 1}, nil
		})})
		for range 3 {
			s.ask(questionKey{call: wasi.AuthLogin}, func(ctx context.Context) answer {
				return s.authenticate(ctx, Login{User: "ali"}, nil)
			})
			synctest.Wait()
			sh.turn()
			if s.asked.answer.errno != wasi.OK {
				t.Fatalf("the account is full: %v", s.asked.answer.errno)
			}
			s.abandonQuestion()
			s.server.work.Wait()
		}
		if n := len(s.server.perAccount); n > 0 {
			t.Errorf("%d accounts are in use", n)
		}
	})
}

// noFiles is a file system without files.
type noFiles struct{}

func (noFiles) Open(string) (fs.File, error) { return nil, fs.ErrNotExist }

// The host's own errors have an errno.
func TestErrnoOf(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]wasi.Errno{errGivenUp: wasi.ECANCELED, errNoPort: wasi.EADDRINUSE,
		fs.ErrNotExist: wasi.ENOENT, nil: wasi.OK} {
		if got := errnoOf(err); got != want {
			t.Errorf("%v crosses as %v, not %v", err, got, want)
		}
	}
}
