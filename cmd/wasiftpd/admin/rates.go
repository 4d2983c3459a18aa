package admin

import (
	"context"
	"sync"
	"time"

	"wasiftp/host"
)

// A point is kept of each span, for an hour.
const (
	span   = 5 * time.Second
	points = int(time.Hour / span)
)

// rates count the bytes of files, and keep how many they were over the last hour.
type rates struct {
	mu       sync.Mutex
	ended    moved // by transfers that have ended
	most     moved // that has been seen, with transfers under way
	points   []Point
	previous moved // at the last point
	at       time.Time
}

// moved are bytes of files.
type moved struct{ sent, received int64 }

// count counts a transfer that has ended.
func (r *rates) count(e *host.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e.Kind {
	case host.Downloaded:
		r.ended.sent += e.Bytes
	case host.Uploaded, host.UploadFailed:
		r.ended.received += e.Bytes
	}
}

// total are all bytes up to now, with those of transfers under way. It never falls: a transfer
// that ends is for a moment neither under way nor counted.
func (r *rates) total(underWay moved) moved {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.most.sent = max(r.most.sent, r.ended.sent+underWay.sent)
	r.most.received = max(r.most.received, r.ended.received+underWay.received)
	return r.most
}

// follow adds points until ctx ends.
func (r *rates) follow(ctx context.Context, now func() Totals) {
	ticker := time.NewTicker(span)
	defer ticker.Stop()
	r.at = time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case at := <-ticker.C:
			r.add(at, now())
		}
	}
}

func (r *rates) add(at time.Time, t Totals) {
	r.mu.Lock()
	defer r.mu.Unlock()
	seconds := max(at.Sub(r.at).Seconds(), 0.001)
	p := Point{
		Time: at, Sessions: t.Sessions,
		Sent: float64(t.Sent-r.previous.sent) / seconds, Received: float64(t.Received-r.previous.received) / seconds,
	}
	r.at, r.previous = at, moved{t.Sent, t.Received}
	if len(r.points) == points {
		r.points = r.points[1:]
	}
	r.points = append(r.points, p)
}

// lastHour are the points so far.
func (r *rates) lastHour() Rates {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Rates{Seconds: int(span.Seconds()), Points: append([]Point{}, r.points...)}
}
