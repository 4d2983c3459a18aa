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
	PlacesPerKey int // of them, by those of one key; 0 is no limit of its own

	// Waiting is how many may wait; 0 is no limit. When one more comes, the key
	// of which most wait loses the one that came last.
	Waiting int

	mu      sync.Mutex
	held    map[K]int // places, by those who hold any
	taken   int       // places, in all
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

// Enter waits for a place, and returns what gives it back; calling that again does
// nothing. It returns an error when ctx ends before, or [ErrFull].
func (q *Queue[K]) Enter(ctx context.Context, key K) (leave func(), err error) {
	return q.EnterFor(ctx, key, 0)
}

// EnterFor is [Queue.Enter] for somebody who may have to wait for something else,
// such as a disk, while he has the place: after a time it goes to the next as well.
// 0 is never.
func (q *Queue[K]) EnterFor(ctx context.Context, key K, most time.Duration) (leave func(), err error) {
	if err := q.wait(ctx, key); err != nil {
		return nil, err
	}
	var once sync.Once
	give := func() { once.Do(func() { q.leave(key) }) }
	if most == 0 {
		return give, nil
	}
	timer := time.AfterFunc(most, give)
	return func() {
		timer.Stop()
		give()
	}, nil
}

func (q *Queue[K]) wait(ctx context.Context, key K) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	if q.free(key) {
		q.take(key)
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

// free says whether one of a key can have a place at once. Nobody of that key waits
// then, for he would have it.
func (q *Queue[K]) free(key K) bool {
	return q.taken < max(q.Places, 1) && (q.PlacesPerKey == 0 || q.held[key] < q.PlacesPerKey)
}

func (q *Queue[K]) take(key K) {
	if q.held == nil {
		q.held = map[K]int{}
	}
	q.taken++
	q.held[key]++
}

func (q *Queue[K]) leave(key K) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.giveBack(key)
}

// giveBack takes a place back. Its key goes behind all others: while it had the
// place, somebody may have come who has had none.
func (q *Queue[K]) giveBack(key K) {
	if e := q.lines[key]; e != nil {
		q.order.MoveToBack(e)
	}
	q.taken--
	if q.held[key]--; q.held[key] == 0 {
		delete(q.held, key)
	}
	q.serve()
}

// serve gives the place that has become free to the first of the next key that may
// have it. That key then goes behind all others.
func (q *Queue[K]) serve() {
	for e := q.order.Front(); e != nil; e = e.Next() {
		l := e.Value.(*line[K])
		if !q.free(l.key) {
			continue
		}
		q.take(l.key)
		q.order.MoveToBack(e)
		first := l.waiters.Front()
		first.Value.(chan error) <- nil
		q.remove(e, first)
		return
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
