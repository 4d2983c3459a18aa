// Package turns shares a few places among many who want one: in turn by key, so
// that those of one key, however many they are, keep nobody else waiting for longer
// than one of them would.
package turns

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"
)

// Queue gives places to those who want one. Its fields must not be changed once it
// is used. Within a key, who came first is served first.
type Queue[K comparable] struct {
	Places       int // held at a time; 0 is 1
	PlacesPerKey int // as in [Shares]
	Spare        int // as in [Shares]

	// Waiting is how many may wait; 0 is no limit. When one more comes, the key
	// of which most wait loses the one that came last.
	Waiting int

	mu      sync.Mutex
	shares  Shares[K]
	lines   map[K]*list.Element
	order   list.List // of *line[K], who is next in front: the keys of which some wait
	waiting int
}

// ErrFull is told to those for whom there is no room to wait.
var ErrFull = errors.New("too many wait already")

// line is those of one key who wait.
type line[K comparable] struct {
	key     K
	waiters list.List // of chan error
}

// Enter waits for a place, which [Queue.Leave] gives back. It returns an error when
// ctx ends before, or [ErrFull].
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
	case err := <-turn: // it came at the same time
		if err == nil {
			q.giveBack(key)
		}
	default:
		q.remove(q.lines[key], place)
	}
	return ctx.Err()
}

// Try takes a place if there is one at once.
func (q *Queue[K]) Try(key K) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.take(key)
}

// Leave gives a place back. Its key goes behind all others: while it had the
// place, somebody may have come who has had none.
func (q *Queue[K]) Leave(key K) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.giveBack(key)
}

// EnterFor is [Queue.Enter] for somebody who may have to wait for something else,
// such as a disk, while he has the place: after a time it goes to the next as well.
// 0 is never. The function that is returned gives the place back; calling it again
// does nothing.
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

// take takes a place at once, if the key may have one. Nobody of that key waits
// then, for he would have it. Callers hold q.mu, here and below.
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

// serve gives what places there are to the first of the next key that may have one.
// That key then goes behind all others.
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

// makeRoom turns away the last one of the key of which most wait, unless those are
// no more than there would be of the key that one comes of.
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
