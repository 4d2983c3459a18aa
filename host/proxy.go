package host

import (
	"container/list"
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"wasiftp/host/internal/conn"
)

// headers are the connections of proxies whose PROXY header has not come yet.
type headers struct {
	mu      sync.Mutex
	waiting list.List // of *conn.Proxied, the oldest first
}

const (
	// headerTime is how long a proxy may take for its header. It comes with the first
	// packet; the specification asks for time to repeat that (§2).
	headerTime = 5 * time.Second

	// maxHeaders is how many connections wait for their header at a time. A further one
	// takes the place of the oldest, which an honest proxy would have left long ago.
	maxHeaders = 256
)

var errHeaderGaveWay = errors.New("the PROXY header had not come when others needed the place")

// read waits for the header of a connection. After an error the connection is closed.
func (h *headers) read(p *conn.Proxied) (*conn.Arrival, error) {
	h.mu.Lock()
	var oldest *conn.Proxied
	if h.waiting.Len() == maxHeaders {
		oldest = h.waiting.Remove(h.waiting.Front()).(*conn.Proxied)
	}
	place := h.waiting.PushBack(p)
	h.mu.Unlock()
	if oldest != nil {
		oldest.Close()
	}
	a, err := p.Header(headerTime)
	if !h.leave(place) {
		p.Close()
		return nil, errHeaderGaveWay
	}
	return a, err
}

// leave gives a place back. It returns false if another connection has taken it.
func (h *headers) leave(place *list.Element) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.waiting.Len()
	h.waiting.Remove(place)
	return h.waiting.Len() < before
}

// proxied reports whether connections from an address begin with a PROXY header.
func (s *Server) proxied(from netip.Addr) bool {
	from = from.WithZone("") // which a network has none of
	return slices.ContainsFunc(s.current().Proxies, func(n netip.Prefix) bool { return n.Contains(from) })
}

// acceptProxied is accept for a control connection of a proxy. It waits for the header.
func (s *Server) acceptProxied(a *conn.Arrival, implicit bool) {
	refused := Event{Kind: Refused, Client: a.From, Server: a.To}
	p := a.Proxied()
	stop := context.AfterFunc(s.ending, p.Close)
	a, refused.Err = s.headers.read(p)
	stop()
	if refused.Err != nil {
		s.observe(refused)
		return
	}
	s.accept(a, implicit)
}

// hear waits for the header of a proxy's data connection, and attends to it then.
func (l *listener) hear(a *conn.Arrival) {
	s := l.session
	refused := Event{Kind: DataRefused, Data: a.From, User: s.user()}
	p := a.Proxied()
	if l.proxied == nil {
		l.proxied = map[*conn.Proxied]struct{}{}
	}
	l.proxied[p] = struct{}{}
	s.server.work.Go(func() {
		a, err := s.server.headers.read(p)
		heard := s.shard.do(func() {
			if _, awaited := l.proxied[p]; !awaited {
				p.Close()
				return
			}
			delete(l.proxied, p)
			if refused.Err = err; err != nil {
				s.observe(refused)
				return
			}
			l.heard = append(l.heard, a)
			l.attend()
		})
		if !heard {
			p.Close()
		}
	})
}

// unhear closes the connections of proxies that nobody waits for any more.
func (l *listener) unhear() {
	for p := range l.proxied {
		p.Close()
	}
	for _, a := range l.heard {
		a.Close()
	}
	l.proxied, l.heard = nil, nil
}

// accept accepts a connection whose client is known, nil if none has come.
func (l *listener) accept() (*conn.Arrival, error) {
	if len(l.heard) > 0 {
		a := l.heard[0]
		l.heard = l.heard[1:]
		return a, nil
	}
	for range maxStrays {
		a, err := l.socket.Accept()
		if a == nil || !l.session.server.proxied(a.From.Addr()) {
			return a, err
		}
		l.hear(a)
	}
	l.session.shard.do(l.attend) // others come first
	return nil, nil
}

// here is the address of ours at which the session's control connection arrived: the local
// one or, if that is a proxy's, the one that the proxy has connected to.
func (s *session) here() netip.Addr {
	if s.behind.IsValid() {
		return s.behind.Addr()
	}
	return s.local.Addr()
}
