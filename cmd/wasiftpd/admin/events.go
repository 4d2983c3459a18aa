package admin

import (
	"context"
	"sync"

	"wasiftp/host"
)

// kept is how many events are kept for those who ask later.
const kept = 1000

// numbered is an event and its number, from 1 for the life of the server.
type numbered struct {
	number uint64
	host.Event
}

// events are the latest ones. Who reads them has no queue of its own: who is too slow for
// a ring of them misses some.
type events struct {
	mu   sync.Mutex
	ring []host.Event // that of number n is at (n-1) % kept
	last uint64
	more chan struct{} // closed when the next one is added; nil while nobody waits
}

func (r *events) add(e *host.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ring) < kept {
		r.ring = append(r.ring, *e)
	} else {
		r.ring[r.last%kept] = *e
	}
	r.last++
	if r.more != nil {
		close(r.more)
		r.more = nil
	}
}

// all returns all events that are kept.
func (r *events) all() []numbered {
	return r.after(context.Background(), 0, make([]numbered, 0, kept), false)
}

// after appends the events that are kept of those behind a number, but only the latest if there
// is no room for more. With wait it waits until there is one, or ctx ends.
func (r *events) after(ctx context.Context, number uint64, room []numbered, wait bool) (found []numbered) {
	for {
		r.mu.Lock()
		number = max(number, r.last-uint64(min(cap(room)-len(room), len(r.ring))))
		found = room
		for n := number + 1; n <= r.last; n++ {
			found = append(found, numbered{n, r.ring[(n-1)%kept]})
		}
		if len(found) > len(room) || !wait {
			r.mu.Unlock()
			return found
		}
		if r.more == nil {
			r.more = make(chan struct{})
		}
		more := r.more
		r.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return room
		}
	}
}

// newest is the number of the latest event, 0 for none.
func (r *events) newest() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}
