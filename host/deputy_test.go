package host

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"wasiftp/wasi"
)

// TestThreat44Deputy: a question that was quick so far, and then waits for a disk, does not
// stop its shard, and is answered all the same.
func TestThreat44Deputy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, sh := asker(t, Config{})
		l := &login{session: s}
		l.enter()
		l.tempo.quick.Store(1 << wasi.FileStat)
		s.login.Store(l)
		key := questionKey{call: wasi.FileStat, name: "a"}
		gate, worked := make(chan struct{}), 0
		ask := func() (a answer, errno wasi.Errno) {
			sh.do(func() {
				a, errno = s.ask(key, func(context.Context) answer {
					worked++
					<-gate
					return answer{stat: wasi.Stat{Size: 5}}
				})
			})
			synctest.Wait() // until the duty is done, and the work begun
			return a, errno
		}
		sh.server.start(sh)
		if _, errno := ask(); errno != wasi.EAGAIN || worked != 1 {
			t.Fatalf("%v, worked %d times", errno, worked)
		}
		runs := func() bool {
			ran := make(chan struct{})
			sh.do(func() { close(ran) })
			synctest.Wait()
			select {
			case <-ran:
				return true
			default:
				return false
			}
		}
		if runs() {
			t.Error("the question is not answered by the shard's own goroutine")
		}
		time.Sleep(2*deputyTime + 1)
		if !runs() {
			t.Fatal("the shard stands still")
		}
		close(gate)
		synctest.Wait()
		if a, errno := ask(); errno != wasi.OK || a.stat.Size != 5 || s.working != 0 || worked != 1 {
			t.Errorf("%+v, %v, worked %d times, %d at work", a, errno, worked, s.working)
		}
		if l.tempo.isQuick(wasi.FileStat) {
			t.Error("the call still counts as quick")
		}
		sh.do(func() { sh.stop("") })
		sh.server.running.Wait()
		sh.server.work.Wait()
	})
}

// A quick question is answered without a deputy, and one that waits for a place or for
// objects that are being closed by another goroutine.
func TestQuickQuestions(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(s *session) (release func()){
		"at once": func(*session) func() { return func() {} },
		"while an object is being closed": func(s *session) func() {
			s.ending = make(chan struct{})
			return func() { close(s.ending) }
		},
		"without a free place": func(s *session) func() {
			places := &s.server.threads.questions
			taken := 0
			for places.Try("x") {
				taken++
			}
			return func() {
				for range taken {
					places.Leave("x")
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, sh := asker(t, Config{})
				l := &login{session: s, name: "u"}
				l.enter()
				l.tempo.quick.Store(1 << wasi.FileStat)
				s.login.Store(l)
				release := prepare(s)
				key := questionKey{call: wasi.FileStat, name: "a"}
				work := func(context.Context) answer { return answer{stat: wasi.Stat{Size: 5}} }
				s.ask(key, work)
				if !sh.doChores() {
					t.Fatal("a deputy has taken over")
				}
				release()
				synctest.Wait()
				sh.turn()
				if a, errno := s.ask(key, work); errno != wasi.OK || a.stat.Size != 5 || s.working != 0 {
					t.Errorf("%+v, %v, %d at work", a, errno, s.working)
				}
				time.Sleep(4 * deputyTime) // the deputy goes home
			})
		})
	}
}

// A commit is done though the session ends in the same step, or the shard while another
// question hangs.
func TestCommitsAreDone(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(sh *shard, s *session){
		"abandoned": func(sh *shard, s *session) {
			s.abandonQuestion()
			sh.doChores()
		},
		"left": func(sh *shard, _ *session) { sh.leaveChores() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, sh := asker(t, Config{})
				quick := &tempo{}
				quick.quick.Store(1 << wasi.FileCommit)
				done := false
				commit := func(context.Context) answer {
					done = true
					return answer{}
				}
				s.pose(questionKey{call: wasi.FileCommit}, task{work: commit, tempo: quick})
				end(sh, s)
				synctest.Wait()
				if !done {
					t.Error("the commit is not done")
				}
				sh.turn()
				synctest.Wait()
			})
		})
	}
}
