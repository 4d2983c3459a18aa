package conn

import (
	"net"
	"sync"
)

// Listener is a passive port (RFC 959 §4.1.2). One goroutine calls its methods, none of
// which waits.
type Listener interface {
	// Accept returns a connection that has come, nil if there is none.
	Accept() (*Arrival, error)

	// Close gives the port back, and refuses the connections that nobody has accepted.
	Close()
}

// mostArrived is how many connections wait for Accept, besides those that wait in the system.
const mostArrived = 16

// Listen makes a Listener of Go's. It calls notify when connections have come since Accept
// has returned nil. If poll can watch it, the goroutine that waits for poll does so. Else
// serve starts a goroutine that calls take with each connection that l accepts, until take
// returns false; notify is called there.
func Listen(l net.Listener, poll *Poll, notify func(), serve func(l net.Listener, take func(*Arrival) bool)) Listener {
	if direct := directListener(l, poll, notify); direct != nil {
		return direct
	}
	s := &served{listener: l, notify: notify}
	s.room.L = &s.mu
	serve(l, s.take)
	return s
}

// served is a Listener by a goroutine.
type served struct {
	listener net.Listener
	notify   func()

	mu      sync.Mutex
	arrived []*Arrival
	room    sync.Cond // signals that arrived is not full, or closed set
	closed  bool
}

func (s *served) take(a *Arrival) (more bool) {
	s.mu.Lock()
	for len(s.arrived) >= mostArrived && !s.closed {
		s.room.Wait()
	}
	if s.closed {
		a.Close()
	} else {
		s.arrived = append(s.arrived, a)
	}
	closed := s.closed
	s.mu.Unlock()
	s.notify()
	return !closed
}

func (s *served) Accept() (*Arrival, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.arrived) == 0 {
		return nil, nil
	}
	a := s.arrived[0]
	s.arrived = s.arrived[1:]
	s.room.Signal()
	return a, nil
}

func (s *served) Close() {
	s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.room.Broadcast()
	for _, a := range s.arrived {
		a.Close()
	}
	s.arrived = nil
}
