package host

import (
	"slices"
	"sync/atomic"
	"time"
)

// deputy watches a shard's goroutine while that answers questions itself. If one takes
// long, the deputy goes on in its place: the other sessions of the shard have then waited
// for two periods of deputyTime at most.
type deputy struct {
	// The two bits below, and above them a number that grows with each question.
	state atomic.Uint64
}

const (
	underWay = 1 << iota // a question is being answered
	onGuard              // the deputy's goroutine runs
	oneMore
)

const deputyTime = 500 * time.Microsecond

// begin says that the shard's goroutine begins to answer a question.
func (d *deputy) begin(takeOver func()) (turn uint64) {
	for {
		old := d.state.Load()
		turn = old + oneMore | underWay | onGuard
		if d.state.CompareAndSwap(old, turn) {
			if old&onGuard == 0 {
				go d.guard(takeOver)
			}
			return turn
		}
	}
}

// end says that the question is answered. It returns false if the deputy has taken over.
func (d *deputy) end(turn uint64) bool { return d.state.CompareAndSwap(turn, turn&^underWay) }

// guard is the deputy's goroutine. It ends once there was no question for a while.
func (d *deputy) guard(takeOver func()) {
	before := uint64(0)
	for {
		time.Sleep(deputyTime)
		now := d.state.Load()
		switch {
		case now != before:
			before = now
		case now&underWay == 0:
			if d.state.CompareAndSwap(now, now&^onGuard) {
				return
			}
		case d.state.CompareAndSwap(now, (now+oneMore)&^(underWay|onGuard)):
			takeOver()
			return
		}
	}
}

// doChores answers the questions of the step that are quick, but for those that were
// abandoned or would have to wait for a place. It returns false once a deputy has taken the
// shard over; then the caller must not touch it.
func (sh *shard) doChores() bool {
	for len(sh.chores) > 0 {
		q := sh.chores[0]
		sh.chores = slices.Delete(sh.chores, 0, 1)
		if q.session.asked != q || !q.tryEnter() {
			q.handOver()
		} else if !sh.answer(q) {
			return false
		}
	}
	return true
}

// leaveChores has other goroutines answer the questions that are left, if a deputy has taken
// over: a commit goes on behind the end of the shard.
func (sh *shard) leaveChores() {
	for _, q := range sh.chores {
		q.handOver()
	}
}

// answer answers a question here, if that does not take long. It returns false once a
// deputy has taken the shard over.
func (sh *shard) answer(q *question) bool {
	work := &sh.server.work
	work.Add(1)
	defer work.Done()
	turn := sh.deputy.begin(sh.run)
	q.do()
	if !sh.deputy.end(turn) {
		q.tell()
		return false
	}
	q.answered()
	return true
}
