package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"wasiftp/host"
)

// Live is what moves at a moment, a message of GET /v1/live.
type Live struct {
	Time   time.Time `json:"time"`
	Totals Moving    `json:"totals"`

	// Sessions are by number, and not more than 200: first those that do something, then the
	// latest ones.
	Sessions []MovingSession `json:"sessions"`
}

// Moving are totals and how they grow, in bytes a second since the message before.
type Moving struct {
	Totals
	SentRate     int64 `json:"sent_rate"`
	ReceivedRate int64 `json:"received_rate"`
}

// MovingSession is a session, and the bytes a second of its files since the message before.
type MovingSession struct {
	Session
	Rate int64 `json:"rate"`
}

// mostShown bounds a message, and each list of the page.
const mostShown = 200

// shown are the sessions that people see of all those that are open, by number.
func shown(open []host.Session) []host.Session {
	if len(open) <= mostShown {
		return open
	}
	idle := func(one host.Session) int {
		if one.Doing == "" {
			return 1
		}
		return 0
	}
	slices.SortFunc(open, func(a, b host.Session) int {
		return cmp.Or(cmp.Compare(idle(a), idle(b)), cmp.Compare(b.Number, a.Number))
	})
	open = open[:mostShown]
	slices.SortFunc(open, func(a, b host.Session) int { return cmp.Compare(a.Number, b.Number) })
	return open
}

// live takes samples for all who look, while somebody does.
type live struct {
	mu      sync.Mutex
	viewers int
	stop    context.CancelFunc // of the samples
	latest  []byte             // JSON of Live, nil before the first
	next    chan struct{}      // closed when there is a later one
}

// enter begins to look, and leave ends that. sample calls its argument with each sample.
func (l *live) enter(sample func(ctx context.Context, tell func([]byte))) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.viewers++; l.viewers > 1 {
		return
	}
	var ctx context.Context
	ctx, l.stop = context.WithCancel(context.Background())
	l.latest, l.next = nil, make(chan struct{})
	go sample(ctx, func(message []byte) { l.tell(ctx, message) })
}

func (l *live) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.viewers--; l.viewers == 0 {
		l.stop()
	}
}

func (l *live) tell(ctx context.Context, message []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx.Err() != nil {
		return // others may look by now
	}
	close(l.next)
	l.latest, l.next = message, make(chan struct{})
}

// now returns the latest sample, nil if there is none yet, and what is closed at the next one.
func (l *live) now() ([]byte, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.latest, l.next
}

// streamLive answers GET /v1/live: a message each second. A client that is too slow for that
// misses some.
func (s *Server) streamLive(w http.ResponseWriter, r *http.Request) {
	s.live.enter(s.sample)
	defer s.live.leave()
	out := newStream(w, callerOf(r))
	for out.flush() == nil {
		message, next := s.live.now()
		if message != nil {
			out.send("", 0, message)
			if out.flush() != nil {
				return
			}
		}
		select {
		case <-next:
		case <-r.Context().Done():
			return
		}
	}
}

// sample takes a sample each second until ctx ends.
func (s *Server) sample(ctx context.Context, tell func([]byte)) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	var before Live
	var moved map[uint64]int64 // bytes of each session
	for {
		l := Live{Time: time.Now(), Sessions: []MovingSession{}}
		seconds := l.Time.Sub(before.Time).Seconds()
		rate := func(then, now int64) int64 { return int64(float64(now-then) / seconds) }
		open := s.ftp.Sessions()
		l.Totals.Totals = s.totals(open)
		l.Totals.SentRate = rate(before.Totals.Sent, l.Totals.Sent)
		l.Totals.ReceivedRate = rate(before.Totals.Received, l.Totals.Received)
		next := make(map[uint64]int64, len(open))
		for _, one := range open {
			is := sessionOf(one)
			next[is.ID] = max(moved[is.ID], is.Sent+is.Received) // a transfer that ends is uncounted for a moment
		}
		for _, one := range shown(open) {
			l.Sessions = append(l.Sessions, MovingSession{sessionOf(one), rate(moved[one.Number], next[one.Number])})
		}
		if moved != nil { // the first sample has no rates
			message, err := json.Marshal(l)
			if err != nil {
				panic(err)
			}
			tell(message)
		}
		before, moved = l, next
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
