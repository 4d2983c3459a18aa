package host

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"wasiftp/host/internal/conn"
)

type serverState uint8

const (
	serving   serverState = iota
	relieving             // no connection is accepted, and those that were become sessions
	relieved              // they have, and go on
	draining
	closed
)

// is reports whether the server is in a state.
func (s *Server) is(state serverState) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == state
}

// become enters a later state; it reports false if the server is there or further already.
func (s *Server) become(next serverState) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state >= next {
		return false
	}
	s.state = next
	return true
}

// ErrServerClosed is what [Server.Serve] returns after HandOver, Shutdown or Close.
var ErrServerClosed = errors.New("host: server closed")

// HandOver stops accepting, for another process that listens on the same sockets: ListenFile
// makes listeners of them there. What was accepted before becomes a session, and all sessions
// go on. HandOver returns nil when they are over and the server is closed. If ctx ends first it
// returns ctx's error, and the sessions that are left are for Shutdown or Close to end.
func (s *Server) HandOver(ctx context.Context) error {
	if s.become(relieving) {
		s.closeListeners()
		waited(&s.arrivals, closeTime)
		if s.become(relieved) {
			s.mu.Lock()
			s.checkIdle()
			s.mu.Unlock()
		}
	}
	select {
	case <-s.idle:
		return s.Close()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Shutdown stops listening, ends idle sessions with 421, and waits until the transfers
// under way are finished and the clients that still read have their last replies. If ctx
// ends first it closes the rest, as [Server.Close] does, and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	if s.become(draining) {
		s.end()
		s.closeListeners()
		s.mu.Lock()
		for _, sh := range s.shards {
			sh.do(sh.drain)
		}
		s.checkIdle()
		s.mu.Unlock()
	}
	var err error
	select {
	case <-s.idle:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.Close()
	return err
}

// Close ends all sessions at once, with 421, and aborts their uploads. It waits until
// that is done and the Observer and the Logger have been told, but 10 seconds at most for
// each of: instances, storages, Observer and Logger. It returns nil.
func (s *Server) Close() error {
	if s.become(closed) {
		s.mu.Lock()
		for _, sh := range s.shards {
			sh.do(func() { sh.stop(replyShutdown) })
		}
		s.checkIdle()
		s.mu.Unlock()
		s.end()
		s.closeListeners()
	}
	stopped := waited(&s.running, closeTime)
	if !stopped {
		s.logger.Error("an instance hangs; closed without it")
	} else if !waited(&s.work, closeTime) {
		s.logger.Error("a file system hangs; closed without it")
	}
	s.hangUp()
	s.queue.close(closeTime)
	if stopped { // otherwise an instance still runs the program
		s.program.Close()
	}
	return nil
}

// hangUp waits a moment until clients have their last replies, and then cuts all
// connections that are still open.
func (s *Server) hangUp() {
	select {
	case <-s.idle:
	case <-time.After(conn.LingerTime):
	}
	s.mu.Lock()
	s.nobodyLeft()
	left := slices.Collect(maps.Keys(s.seats.parting))
	s.mu.Unlock()
	for _, stream := range left {
		stream.Cut("")
	}
}

func (s *Server) nobodyLeft() { s.idleOnce.Do(func() { close(s.idle) }) }

const replyShutdown = "421 Server is shutting down.\r\n"

// closeTime is how long Close waits for each of: instances, storages, listeners, and the
// Observer and the Logger together.
const closeTime = 10 * time.Second

func (s *Server) closeListeners() {
	var closing sync.WaitGroup
	s.mu.Lock()
	for l := range s.listeners {
		closing.Go(func() { s.guard(listenerCode, nil, l.Close) })
	}
	s.mu.Unlock()
	waited(&closing, closeTime)
}
