package host

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"testing"
	"testing/synctest"

	"wasiftp/wasi"
)

// TestThreat44Threads: an account that keeps all the threads that it can get leaves
// some for others, and who waits gets one in turn.
func TestThreat44Threads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		threads := newThreads(4, 2)
		var order []string
		var mu sync.Mutex
		wait := func(account string) {
			go func() {
				if threads.enter(t.Context(), account) {
					mu.Lock()
					defer mu.Unlock()
					order = append(order, account)
				}
			}()
			synctest.Wait()
		}
		for range 5 {
			wait("a")
		}
		wait("b")
		wait("c")
		if len(order) != 4 { // a, a, b and c
			t.Fatalf("%v", order)
		}
		wait("c")
		wait("c")
		wait("b")
		order = nil
		threads.leave("b")
		synctest.Wait()
		threads.leave("a")
		synctest.Wait()
		threads.leave("a")
		synctest.Wait()
		if len(order) != 2 || order[0] != "b" || order[1] != "a" { // one thread is kept for others than these
			t.Errorf("%v", order)
		}
		for _, account := range []string{"a", "b", "c"} {
			for threads.shares.held[account] > 0 {
				threads.leave(account)
				synctest.Wait()
			}
		}
		if threads.shares.free != 4 || len(threads.lines) != 0 || len(order) != 6 {
			t.Errorf("%+v after %v", threads, order)
		}
	})
}

// TestThreat44WaitingIsGivenUp: who waits in vain leaves nothing, also when the turn
// comes at that moment.
func TestThreat44WaitingIsGivenUp(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			threads := newThreads(1, 1)
			if !threads.enter(t.Context(), "a") {
				t.Fatal("there is no thread")
			}
			ctx, cancel := context.WithCancel(t.Context())
			got := false
			go func() { got = threads.enter(ctx, "a") }()
			synctest.Wait()
			cancel()
			if !late {
				synctest.Wait()
			}
			threads.leave("a")
			synctest.Wait()
			if got {
				threads.leave("a")
			}
			if threads.shares.free != 1 || len(threads.lines) != 0 {
				t.Errorf("%+v", threads)
			}
		})
	}
}

func TestThreat44Division(t *testing.T) {
	t.Parallel()
	for _, all := range []int{1, 2, 3, fewestThreads, 5, 16, 100, mostThreads} {
		d := divide(all)
		open, questions, logins := d.open.shares.free, d.questions.shares.free, d.logins.shares.free
		if open < 1 || questions < 1 || logins < 1 || open+questions+logins > max(all, 3) {
			t.Errorf("%d threads: %d, %d and %d", all, open, questions, logins)
		}
	}
	if room := usualThreads(); room < fewestThreads || room > mostThreads {
		t.Errorf("%d are usual", room)
	}
}

// TestThreat44ThreadsComeBack: whatever becomes of a question, of a file or of a
// directory, its thread is given back.
func TestThreat44ThreadsComeBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		open  func(*session) answer
		fetch bool
	}{
		"a file":                   {func(s *session) answer { _, a := opened(s); return a }, true},
		"a file that nobody wants": {func(s *session) answer { _, a := opened(s); return a }, false},
		"a directory": {func(s *session) answer {
			return answer{dir: &openDir{session: s, dir: noDirectory{}}}
		}, true},
		"a directory that nobody wants": {func(s *session) answer {
			return answer{dir: &openDir{session: s, dir: noDirectory{}}}
		}, false},
		"an error": {func(*session) answer { return answer{errno: wasi.ENOENT} }, true},
		"a panic":  {func(*session) answer { panic("no such luck") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, sh := asker(t, Config{})
				s.server.threads = divide(16)
				key := questionKey{name: name}
				ask := func() (answer, wasi.Errno) {
					return s.askToOpen(key, func(context.Context) answer { return c.open(s) })
				}
				ask()
				synctest.Wait()
				sh.turn()
				if c.fetch {
					a, _ := ask()
					a.discard()
				} else {
					s.abandonQuestion()
				}
				synctest.Wait()
				if d := s.server.threads; d.open.shares.free != 8 || d.questions.shares.free != 6 {
					t.Errorf("%d and %d are free", d.open.shares.free, d.questions.shares.free)
				}
			})
		})
	}
}

// noDirectory is a directory that can only be closed.
type noDirectory struct{ fs.ReadDirFile }

func (noDirectory) Close() error { return errors.ErrUnsupported }
