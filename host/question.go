package host

import (
	"context"

	"wasiftp/host/turns"
	"wasiftp/wasi"
)

// question is a call of the guest that may have to wait: for a disk, a network file
// system, a slow password hash. A goroutine of its own answers it, so that only the
// session that asks waits. The guest then repeats the call and gets the answer.
type question struct {
	key    questionKey
	cancel context.CancelFunc
	done   bool
	waits  bool // the guest has asked it, and waits for EventReady
	answer answer
	user   *login // the login that asked, nil for none
}

// questionKey identifies a question, so that the same call again gets its answer.
type questionKey struct {
	call     int
	handle   uint32
	name, to string
	flags    uint32
	number   int64
}

// answer is the result of a question; each call uses some of the fields.
type answer struct {
	errno wasi.Errno
	stat  wasi.Stat
	file  *openFile
	dir   *openDir
	login *login
	port  *passivePort
}

// discard releases what an answer holds that the guest has not fetched.
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

// giveUp ends a question whose answer the guest has not fetched.
func (q *question) giveUp() {
	q.answer.discard()
	q.user.leave()
}

// maxWorking is how many questions of a session are worked on at a time: all but one are
// abandoned and not finished yet.
const maxWorking = 4

// ask poses a question about the account's files.
func (s *session) ask(key questionKey, work func(context.Context) answer) (answer, wasi.Errno) {
	return s.pose(key, s.held(&s.server.threads.questions, s.user(), work))
}

// held is work that waits until the objects that the session has given up are closed, and
// then for one of the account's threads.
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

// pose answers the question key by work. The errno is EAGAIN while work runs, and EBUSY if
// too much runs for this session. Another question abandons the one before.
func (s *session) pose(key questionKey, work func(context.Context) answer) (answer, wasi.Errno) {
	if q := s.asked; q != nil && q.key == key {
		if !q.done {
			q.waits = true
			return answer{}, wasi.EAGAIN
		}
		s.asked = nil
		q.user.leave()
		return q.answer, q.answer.errno
	}
	if s.working >= maxWorking {
		return answer{}, wasi.EBUSY
	}
	s.abandonQuestion()
	s.begin(key, work).waits = true
	return answer{}, wasi.EAGAIN
}

// foresee poses a question before the guest does, who will ask it next, so that the host
// works on it while the guest works on the answer before. The limits are those of other
// questions. It poses none if the guest has asked something else meanwhile.
func (s *session) foresee(key questionKey, work func(context.Context) answer) {
	if s.asked == nil && s.working < maxWorking {
		s.begin(key, work)
	}
}

// begin has work done for the question that is asked from now on.
func (s *session) begin(key questionKey, work func(context.Context) answer) *question {
	s.working++
	ctx, cancel := context.WithCancel(context.Background())
	q := &question{key: key, cancel: cancel, user: s.login.Load()}
	q.user.enter()
	s.asked = q
	s.server.work.Go(func() {
		defer cancel()
		if s.guard(filesCode, func() error { q.answer = work(ctx); return nil }) != nil {
			q.answer = answer{errno: wasi.EIO}
		}
		fetched := func() {
			s.working--
			if s.asked != q {
				s.server.work.Go(q.giveUp)
				return
			}
			if q.done = true; q.waits {
				s.shard.post(wasi.Event{Kind: wasi.EventReady, Session: s.handle})
			}
		}
		if !s.shard.do(fetched) {
			q.giveUp()
		}
	})
	return q
}

// askToOpen asks for a file or a directory to be opened, which then holds one of the
// account's threads until it is closed. Without a free thread it is EMFILE at once, so
// that the client gets 450 and not 150.
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
