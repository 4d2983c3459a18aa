package host

import (
	"context"

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
	fs    FS
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
}

// giveUp gives up the question with an answer that nobody fetched.
func (q *question) giveUp() {
	q.answer.discard()
	q.user.leave()
}

// maxWorking is how many goroutines work for a session at a time. One is asked
// for an answer, the others were abandoned and are not yet done.
const maxWorking = 16

// ask answers the question with the given key by work. The errno is EAGAIN
// while work runs, and EBUSY when too much runs for this session.
func (s *session) ask(key questionKey, work func(context.Context) answer) (answer, wasi.Errno) {
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
	ending := s.ending
	s.server.work.Go(func() {
		defer cancel()
		if ending != nil {
			select {
			case <-ending:
			case <-ctx.Done():
			}
		}
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
