package host

import (
	"context"

	"wasiftp/host/turns"
	"wasiftp/wasi"
)

// question is a call of the guest's that may have to wait: for a disk, a
// network file system, a slow password hash. It is answered on a goroutine of
// its own, so that nobody but the session that asks waits; the guest then asks
// again and gets the answer.
type question struct {
	key    questionKey
	cancel context.CancelFunc
	done   bool
	answer answer
	user   *login // whose files it is about, perhaps
}

// questionKey tells whether the guest asks the same again.
type questionKey struct {
	call     int
	handle   uint32
	name, to string
	flags    uint32
	number   int64
}

// answer is what a question came to; which fields count depends on the call.
type answer struct {
	errno wasi.Errno
	stat  wasi.Stat
	file  *openFile
	dir   *openDir
	login *login
	port  *listener
}

// discard gives up what an answer holds that nobody fetched.
func (a *answer) discard() {
	if a.file != nil {
		a.file.close()
	}
	if a.dir != nil {
		a.dir.close()
	}
	if a.login != nil {
		a.login.release()
	}
	if a.port != nil {
		a.port.end()
	}
}

// giveUp gives up the question with an answer that nobody fetched.
func (q *question) giveUp() {
	q.answer.discard()
	q.user.leave()
}

// maxWorking is how many goroutines work for a session at a time. One is asked
// for an answer, the others were abandoned and are not yet done.
const maxWorking = 4

// ask answers a question about the account's files.
func (s *session) ask(key questionKey, work func(context.Context) answer) (answer, wasi.Errno) {
	return s.pose(key, s.held(&s.server.threads.questions, s.user(), work))
}

// held is work that holds one of an account's threads. Before, what the session has
// given up so far must be gone.
func (s *session) held(threads *turns.Queue[string], account string,
	work func(context.Context) answer) func(context.Context) answer {
	ending := s.ending
	return func(ctx context.Context) answer {
		if ending != nil {
			select {
			case <-ending:
			case <-ctx.Done():
			}
		}
		if threads.Enter(ctx, account) != nil {
			return answer{errno: wasi.ECANCELED}
		}
		defer threads.Leave(account)
		return work(ctx)
	}
}

// pose answers the question with the given key by work. The errno is EAGAIN while
// work runs, and EBUSY when too much runs for this session.
func (s *session) pose(key questionKey, work func(context.Context) answer) (answer, wasi.Errno) {
	if q := s.asked; q != nil && q.key == key {
		if !q.done {
			return answer{}, wasi.EAGAIN
		}
		s.asked = nil
		q.user.leave()
		return q.answer, q.answer.errno
	}
	if s.working >= maxWorking {
		return answer{}, wasi.EBUSY
	}
	s.working++
	s.abandonQuestion()
	ctx, cancel := context.WithCancel(context.Background())
	q := &question{key: key, cancel: cancel, user: s.login.Load()}
	q.user.enter()
	s.asked = q
	s.server.work.Go(func() {
		defer cancel()
		q.answer = s.guarded(ctx, work)
		fetched := func() {
			s.working--
			if s.asked != q {
				s.server.work.Go(q.giveUp)
				return
			}
			q.done = true
			s.shard.post(wasi.Event{Kind: wasi.EventReady, Session: s.handle})
		}
		if !s.shard.do(fetched) {
			q.giveUp()
		}
	})
	return answer{}, wasi.EAGAIN
}

// askToOpen asks for a file or a directory, which gets one of the account's threads
// until it is closed. When there is none, the client hears of it before it is told
// that a transfer begins.
func (s *session) askToOpen(key questionKey, open func(context.Context) answer) (answer, wasi.Errno) {
	threads, account := &s.server.threads.open, s.user()
	return s.ask(key, func(ctx context.Context) (a answer) {
		if !threads.Try(account) {
			return answer{errno: wasi.EMFILE}
		}
		defer func() { // also when open panics
			if a.file == nil && a.dir == nil {
				threads.Leave(account)
			}
		}()
		return open(ctx)
	})
}

func (s *session) abandonQuestion() {
	q := s.asked
	if q == nil {
		return
	}
	s.asked = nil
	q.cancel()
	if q.done {
		s.server.work.Go(q.giveUp)
	}
}
