//go:build wasip1

package main

import (
	"unsafe"

	"wasiftp/module/standalone"
)

const (
	// A list that poll returns has 4 bytes for each that is ready.
	mostPolled = listSize / 4

	// A timer that nobody needs any more cannot be called off in every runtime.
	// None is set for longer than this.
	longestTimer = 60e9
)

// timer is a pollable that gets ready at a time of the monotonic clock. It is used
// again while it is not later than what is waited for: to come early harms nobody.
type timer struct {
	pollable uint32
	at       uint64
}

func (t *timer) drop() {
	if t.pollable != 0 {
		dropPollable(t.pollable)
		t.pollable = 0
	}
}

// set returns the pollable for a timeout from now.
func (t *timer) set(timeout int64) uint32 {
	now := monotonicNow()
	at := now + uint64(min(timeout, longestTimer))
	if t.pollable == 0 || t.at <= now || t.at > at {
		t.drop()
		t.pollable, t.at = subscribeInstant(at), at
	}
	return t.pollable
}

// Wait implements [standalone.Network].
func (n *network) Wait(list []standalone.Interest, timeout int64) {
	n.polled, n.asker = n.polled[:0], n.asker[:0]
	for i := range list {
		n.poll(&list[i], i)
	}
	timeout = n.untilLinger(timeout)
	if timeout >= 0 || len(n.polled) == 0 {
		if timeout < 0 {
			timeout = longestTimer
		}
		n.polled = append(n.polled, n.timer.set(timeout))
	}
	lending = true
	poll(unsafe.Pointer(unsafe.SliceData(n.polled)), uint32(len(n.polled)), n.out())
	lending = false
	ready := borrow(word(n.result[:], 0), 4*word(n.result[:], 4))
	for at := 0; at < len(ready); at += 4 {
		if i := int(word(ready, at)); i < len(n.asker) {
			list[n.asker[i]].Ready = true
		}
	}
	n.linger()
}

// poll adds what an interest waits for.
func (n *network) poll(interest *standalone.Interest, index int) {
	interest.Ready = false
	s := n.sockets[interest.Socket]
	if len(n.polled) > mostPolled-3 {
		interest.Ready = true // nobody knows
		return
	}
	for _, pollable := range [...]uint32{s.readable(interest.Readable), s.writable(interest.Writable)} {
		if pollable != 0 {
			n.polled = append(n.polled, pollable)
			n.asker = append(n.asker, index)
		}
	}
}

func (s *socket) readable(wanted bool) uint32 {
	switch {
	case !wanted:
		return 0
	case s.input == 0:
		return s.pollable(&s.events, s.handle, subscribeSocket)
	}
	return s.pollable(&s.inputEvents, s.input, subscribeInput)
}

func (s *socket) writable(wanted bool) uint32 {
	switch {
	case !wanted:
		return 0
	case s.output == 0:
		return s.pollable(&s.events, s.handle, subscribeSocket)
	}
	return s.pollable(&s.outputEvents, s.output, subscribeOutput)
}

func (s *socket) pollable(kept *uint32, of uint32, subscribe func(uint32) uint32) uint32 {
	if *kept == 0 {
		*kept = subscribe(of)
	}
	return *kept
}
