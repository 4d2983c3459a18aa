package conn

import (
	"sync/atomic"
	"time"
)

// Poll is the place where a goroutine waits: for a time, for Wake and, on Linux, for the
// sockets of its streams. There they tell their owners of events. One goroutine calls Wait
// and Look; any may call Wake.
type Poll struct {
	wake  chan struct{}
	timer *time.Timer           // nil before the first Wait
	epoll atomic.Pointer[epoll] // nil before the first socket, and on systems without it
}

// NewPoll makes a poll, which holds no descriptor before it has a socket.
func NewPoll() *Poll { return &Poll{wake: make(chan struct{}, 1)} }

// Wait returns once Wake was called, a socket had an event, or until is past; zero is
// never. It may return earlier.
func (p *Poll) Wait(until time.Time) {
	if e := p.epoll.Load(); e != nil {
		e.wait(until)
		return
	}
	var expired <-chan time.Time
	if !until.IsZero() {
		if p.timer == nil {
			p.timer = time.NewTimer(time.Until(until))
		} else {
			p.timer.Reset(time.Until(until))
		}
		defer p.timer.Stop()
		expired = p.timer.C
	}
	select {
	case <-p.wake:
	case <-expired:
	}
}

// Look is Wait without waiting.
func (p *Poll) Look() {
	if e := p.epoll.Load(); e != nil {
		e.glance()
		return
	}
	select {
	case <-p.wake:
	default:
	}
}

// Wake ends the present Wait or, if there is none, the next.
func (p *Poll) Wake() {
	if e := p.epoll.Load(); e != nil {
		e.rouse()
		return
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// End serves the sockets that are still open, on a goroutine of its own, and gives the
// poll's descriptor back after the last. No Wait may follow.
func (p *Poll) End() {
	if e := p.epoll.Load(); e != nil {
		go e.end()
	}
}
