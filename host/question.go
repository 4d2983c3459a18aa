package host

import (
	"context"
	"sync/atomic"
	"time"

	"wasiftp/host/bans"
	"wasiftp/host/turns"
	"wasiftp/wasi"
)

// question is a call of the guest that may have to wait: for a disk, a network file
// system, a slow password hash. It is answered behind the guest's step, on a goroutine that
// does not keep other sessions waiting. The guest then repeats the call and gets the answer.
type question struct {
	task
	session *session
	key     questionKey
	ctx     context.Context
	cancel  context.CancelFunc
	done    bool
	waits   bool // the guest has asked it, and waits for EventReady
	answer  answer
	took    time.Duration // the work; 0 if it was not done
	user    *login        // the login that asked, nil for none
}

// task is the work for a question.
type task struct {
	work    func(context.Context) answer
	threads *turns.Queue[string] // where the work needs a place, once what the session has given up is closed; nil for none
	account string               // the key of threads
	tempo   *tempo               // nil for work that takes its time
	attempt *bans.Attempt        // to log in, that the work is; nil for none
}

// tempo knows which calls are quick, each by the bit of its index in wasi.Table: the last of
// its kind took less than quickTime. They are made on the shard's own goroutine, since to
// hand one over costs as much as the call. A deputy takes the shard over if one is slow.
type tempo struct{ quick atomic.Uint32 }

const quickTime = 200 * time.Microsecond

func (p *tempo) isQuick(call int) bool { return p != nil && p.quick.Load()&(1<<call) != 0 }

// note notes how long a call took; 0 says that it was not made.
func (p *tempo) note(call int, took time.Duration) {
	switch {
	case p == nil || took == 0 || p.isQuick(call) == (took < quickTime):
	case took < quickTime:
		p.quick.Or(1 << call)
	default:
		p.quick.And(^uint32(1 << call))
	}
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

	err     error    // behind errno, where it is known
	refused *verdict // how the embedder's code has refused; nil if it hasn't
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
	return s.pose(key, task{work: work, threads: &s.server.threads.questions, account: s.user(), tempo: s.tempo()})
}

// tempo is that of the account's files; nil without a login.
func (s *session) tempo() *tempo {
	if l := s.login.Load(); l != nil {
		return &l.tempo
	}
	return nil
}

// pose answers the question key by a task. The errno is EAGAIN while it is worked on, and
// EBUSY if too much is worked on for this session. Another question abandons the one before.
func (s *session) pose(key questionKey, t task) (answer, wasi.Errno) {
	if q := s.asked; q != nil && q.key == key {
		if !q.done {
			q.waits = true
			return answer{}, wasi.EAGAIN
		}
		s.asked, s.verdict = nil, q.answer.refused
		q.user.leave()
		if q.answer.err != nil {
			s.spoken.failed(key, q.answer.err)
		}
		return q.answer, q.answer.errno
	}
	if s.working >= maxWorking {
		return answer{}, wasi.EBUSY
	}
	s.abandonQuestion()
	s.begin(key, t).waits = true
	return answer{}, wasi.EAGAIN
}

// foresee poses a question before the guest does, who will ask it next, so that the host
// works on it while the guest works on the answer before. The limits are those of other
// questions. It poses none if the guest has asked something else meanwhile.
func (s *session) foresee(key questionKey, t task) {
	if s.asked == nil && s.working < maxWorking {
		s.begin(key, t)
	}
}

// begin has a task done for the question that is asked from now on.
func (s *session) begin(key questionKey, t task) *question {
	s.working++
	s.verdict = nil
	q := &question{task: t, session: s, key: key, user: s.login.Load()}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	q.user.enter()
	s.asked = q
	if q.tempo.isQuick(key.call) {
		s.shard.chores = append(s.shard.chores, q)
	} else {
		q.handOver()
	}
	return q
}

// handOver has a goroutine of its own answer the question.
func (q *question) handOver() {
	ending := q.session.ending
	q.session.server.work.Go(func() {
		if q.enter(ending) {
			q.do()
		} else {
			q.cancel()
			q.answer = answer{errno: wasi.ECANCELED}
		}
		q.tell()
	})
}

// enter waits for a place, but first until an attempt to log in may begin and until ending
// is closed. It returns false if the question is abandoned meanwhile.
func (q *question) enter(ending <-chan struct{}) bool {
	if q.attempt.Wait(q.ctx) != nil {
		return false
	}
	if q.threads == nil {
		return true
	}
	if ending != nil {
		select {
		case <-ending:
		case <-q.ctx.Done():
		}
	}
	if q.threads.Enter(q.ctx, q.account) != nil {
		q.attempt.Leave()
		return false
	}
	return true
}

// tryEnter is enter without waiting.
func (q *question) tryEnter() bool {
	if q.threads == nil {
		return true
	}
	return q.session.settled() && q.attempt.Try() && q.threads.Try(q.account)
}

// settled says whether all objects that the session has given up are closed.
func (s *session) settled() bool {
	select {
	case <-s.ending:
		return true
	default:
		return s.ending == nil
	}
}

// do does the work, and gives the place back.
func (q *question) do() {
	began := time.Now()
	defer q.cancel()
	if q.session.guard(filesCode, func() error { q.answer = q.work(q.ctx); return nil }) != nil {
		q.answer = answer{errno: wasi.EIO}
	}
	q.attempt.Leave()
	q.took = time.Since(began)
	if q.threads != nil {
		q.threads.Leave(q.account)
	}
}

// tell has the shard learn of the answer.
func (q *question) tell() {
	if !q.session.shard.do(q.answered) {
		q.giveUp()
	}
}

// answered runs on the shard's goroutine once the answer is there.
func (q *question) answered() {
	s := q.session
	s.working--
	q.tempo.note(q.key.call, q.took)
	if s.asked != q {
		s.server.work.Go(q.giveUp)
		return
	}
	if q.done = true; q.waits {
		s.shard.post(wasi.Event{Kind: wasi.EventReady, Session: s.handle})
	}
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
