// Package turns shares out places among callers who want one, in turn by key: however many
// callers one key has, those of another key wait no longer for them than for one.
package turns

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"
)

// Queue is a queue for places. Within a key, callers are served in the order in which they
// came. Its methods may be called from many goroutines; its fields must not be changed
// once it is used.
type Queue[K comparable] struct {
	Places       int // held at a time; 0 is 1
	PlacesPerKey int // [Shares.PerKey]; 0 is no limit
	Spare        int // [Shares.Spare]; 0 is none

	// Waiting is how many callers may wait; 0 is no limit. When one more comes, the last
	// caller of the key with most of them gets [ErrFull], which may be the new one.
	Waiting int

	mu      sync.Mutex
	shares  Shares[K]
	lines   map[K]*list.Element // the elements of order
	order   list.List           // of *line[K]: the keys whose callers wait, the next one in front
	waiting int
}

// ErrFull is the error of a caller for whom there is no room to wait.
var ErrFull = errors.New("too many wait already")

// line is the callers of one key that wait.
type line[K comparable] struct {
	key     K
	waiters list.List // of chan error
}

// Enter waits for a place, which [Queue.Leave] gives back. It returns ctx's error if that
// ends first, or [ErrFull].
func (q *Queue[K]) Enter(ctx context.Context, key K) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	if q.take(key) {
		q.mu.Unlock()
		return nil
	}
	if q.Waiting > 0 && q.waiting >= q.Waiting && !q.makeRoom(key) {
		q.mu.Unlock()
		return ErrFull
	}
	turn := make(chan error, 1)
	place := q.lineOf(key).waiters.PushBack(turn)
	q.waiting++
	q.mu.Unlock()
	select {
	case err := <-turn:
		return err
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case err := <-turn: // came while ctx ended
		if err == nil {
			q.giveBack(key)
		}
	default:
		q.remove(q.lines[key], place)
	}
	return ctx.Err()
}

// Try takes a place without waiting. It returns false if the key cannot have one now.
func (q *Queue[K]) Try(key K) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.take(key)
}

// Leave gives a place back. Its key goes behind all others, among which there may be some
// that have had no place yet.
func (q *Queue[K]) Leave(key K) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.giveBack(key)
}

// Load is how many places are taken, and how many callers wait for one.
func (q *Queue[K]) Load() (taken, waiting int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.shares.Taken(), q.waiting
}

// EnterFor is [Queue.Enter] for a caller who may block while he has the place, on a disk,
// say: after most the place is given back all the same; 0 is never. leave gives the place
// back; calling it again does nothing.
func (q *Queue[K]) EnterFor(ctx context.Context, key K, most time.Duration) (leave func(), err error) {
	if err := q.Enter(ctx, key); err != nil {
		return nil, err
	}
	var once sync.Once
	give := func() { once.Do(func() { q.Leave(key) }) }
	if most == 0 {
		return give, nil
	}
	timer := time.AfterFunc(most, give)
	return func() {
		timer.Stop()
		give()
	}, nil
}

// take takes a place if the key may have one. No caller of that key waits then, for he
// would have it. Callers hold q.mu, here and below.
func (q *Queue[K]) take(key K) bool {
	if q.shares.Places == 0 {
		q.shares = Shares[K]{Places: max(q.Places, 1), PerKey: q.PlacesPerKey, Spare: q.Spare}
	}
	return q.shares.Take(key)
}

func (q *Queue[K]) giveBack(key K) {
	if e := q.lines[key]; e != nil {
		q.order.MoveToBack(e)
	}
	q.shares.Give(key)
	q.serve()
}

// serve gives each free place to the first caller of the next key that may have it. That
// key then goes behind all others.
func (q *Queue[K]) serve() {
	for e := q.order.Front(); e != nil; {
		l := e.Value.(*line[K])
		if !q.take(l.key) {
			e = e.Next()
			continue
		}
		q.order.MoveToBack(e)
		first := l.waiters.Front()
		first.Value.(chan error) <- nil
		q.remove(e, first)
		e = q.order.Front()
	}
}

// makeRoom turns away the last caller of the key with most of them. It returns false if no
// key has more than key would have with the new caller.
func (q *Queue[K]) makeRoom(key K) bool {
	var longest *list.Element
	most := 1
	if e := q.lines[key]; e != nil {
		most += e.Value.(*line[K]).waiters.Len()
	}
	for e := q.order.Front(); e != nil; e = e.Next() {
		if n := e.Value.(*line[K]).waiters.Len(); n > most {
			longest, most = e, n
		}
	}
	if longest == nil {
		return false
	}
	last := longest.Value.(*line[K]).waiters.Back()
	last.Value.(chan error) <- ErrFull
	q.remove(longest, last)
	return true
}

func (q *Queue[K]) lineOf(key K) *line[K] {
	if e := q.lines[key]; e != nil {
		return e.Value.(*line[K])
	}
	if q.lines == nil {
		q.lines = map[K]*list.Element{}
	}
	l := &line[K]{key: key}
	q.lines[key] = q.order.PushBack(l)
	return l
}

func (q *Queue[K]) remove(e, waiter *list.Element) {
	l := e.Value.(*line[K])
	l.waiters.Remove(waiter)
	q.waiting--
	if l.waiters.Len() == 0 {
		q.order.Remove(e)
		delete(q.lines, l.key)
	}
}
