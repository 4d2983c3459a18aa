package host

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"

	"wasiftp/fsbridge"
	"wasiftp/host/turns"
	"wasiftp/wasi"
)

func TestThreat44Shares(t *testing.T) {
	t.Parallel()
	for _, all := range []int{1, 2, 3, fewestThreads, 5, 16, 100, mostThreads} {
		var shared threads
		shared.share(all)
		open, questions, logins := shared.open.Places, shared.questions.Places, shared.logins.Places
		if open < 1 || questions < 1 || logins < 1 || open+questions+logins > max(all, 3) {
			t.Errorf("%d threads: %d, %d and %d", all, open, questions, logins)
		}
	}
	if room := usualThreads(); room < fewestThreads || room > mostThreads {
		t.Errorf("%d are usual", room)
	}
}

// left counts how many places of a queue new keys can have.
func left(q *turns.Queue[string]) (n int) {
	for q.Try(strconv.Itoa(n)) {
		n++
	}
	for key := range n {
		q.Leave(strconv.Itoa(key))
	}
	return n
}

// TestThreat44ThreadsComeBack: however a question, a file or a directory ends, its thread is
// given back.
func TestThreat44ThreadsComeBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		open  func(*session) answer
		fetch bool
	}{
		"a file":                   {func(s *session) answer { _, a := opened(s); return a }, true},
		"a file that nobody wants": {func(s *session) answer { _, a := opened(s); return a }, false},
		"a directory": {func(s *session) answer {
			return answer{dir: openedDir(t, s)}
		}, true},
		"a directory that nobody wants": {func(s *session) answer {
			return answer{dir: openedDir(t, s)}
		}, false},
		"an error": {func(*session) answer { return answer{errno: wasi.ENOENT} }, true},
		"a panic":  {func(*session) answer { panic("no such luck") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, sh := asker(t, Config{})
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
				threads := &s.server.threads
				if open, questions := left(&threads.open), left(&threads.questions); open != 8 || questions != 6 {
					t.Errorf("%d and %d are free", open, questions)
				}
			})
		})
	}
}

func openedDir(t *testing.T, s *session) *openDir {
	t.Helper()
	files := fsbridge.Access{FS: fsbridge.NewMemory(), Rights: ReadOnly}
	listing, err := files.List(".", false)
	if err != nil {
		t.Fatal(err)
	}
	return &openDir{session: s, listing: listing}
}
