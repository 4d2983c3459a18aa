package bans

import (
	"container/list"
	"time"
)

// table is a map of a bounded size: when it is full, it forgets the key that was used
// longest ago.
type table[K comparable, V any] struct {
	of    map[K]*list.Element
	order list.List // of *row[K, V], the latest in front
}

type row[K comparable, V any] struct {
	key   K
	value V
}

// get finds what is known of a key; nil for nothing.
func (t *table[K, V]) get(key K) *V {
	if e := t.of[key]; e != nil {
		return &e.Value.(*row[K, V]).value
	}
	return nil
}

// use is get for a key that is known from then on. At most size keys are.
func (t *table[K, V]) use(key K, size int) *V {
	if e := t.of[key]; e != nil {
		t.order.MoveToFront(e)
		return &e.Value.(*row[K, V]).value
	}
	if t.of == nil {
		t.of = map[K]*list.Element{}
	}
	for len(t.of) >= size {
		t.drop(t.order.Back().Value.(*row[K, V]).key)
	}
	r := &row[K, V]{key: key}
	t.of[key] = t.order.PushFront(r)
	return &r.value
}

func (t *table[K, V]) drop(key K) {
	if e := t.of[key]; e != nil {
		t.order.Remove(e)
		delete(t.of, key)
	}
}

// parts is how many parts a window has. It moves on by one of them.
const parts = 6

// window counts what happened within a length of time.
type window struct {
	last   int64 // the part in which the latest counted
	counts [parts]uint32
}

// move forgets what is too old, at now of a window of this length.
func (w *window) move(now, length time.Duration) {
	part := int64(now / (length / parts))
	for at := max(w.last+1, part-parts+1); at <= part; at++ {
		w.counts[at%parts] = 0
	}
	w.last = max(w.last, part)
}

func (w *window) add(now, length time.Duration) {
	w.move(now, length)
	w.counts[w.last%parts]++
}

func (w *window) sum(now, length time.Duration) (n int) {
	w.move(now, length)
	for _, c := range w.counts {
		n += int(c)
	}
	return n
}
