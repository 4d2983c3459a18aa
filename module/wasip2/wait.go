//go:build wasip1

package main

import (
	"unsafe"

	"wasiftp/module/standalone"
)

const (
	// mostPolled is how many pollables one poll takes: it returns 4 bytes for each that is
	// ready, in a list.
	mostPolled = listSize / 4

	// longestTimer is in ns. Not every runtime can cancel a timer that is no longer needed.
	longestTimer = 60e9
)

// timer is a pollable that gets ready at a time of the monotonic clock. It is used again
// for later times, because it does no harm if Wait returns early.
type timer struct {
	pollable uint32 // 0 for none
	at       uint64 // ns
}

// set returns a pollable that gets ready after timeout ns or earlier.
func (t *timer) set(timeout int64) uint32 {
	now := monotonicNow()
	at := now + uint64(min(timeout, longestTimer))
	if t.pollable == 0 || t.at <= now || t.at > at {
		if t.pollable != 0 {
			dropPollable(t.pollable)
		}
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

// poll adds the pollables of an interest.
func (n *network) poll(interest *standalone.Interest, index int) {
	if interest.Ready = len(n.polled) > mostPolled-3; interest.Ready {
		return // there is no room to ask, so it may be ready
	}
	s := n.sockets[interest.Socket]
	if interest.Readable {
		n.polled, n.asker = append(n.polled, s.readable()), append(n.asker, index)
	}
	if interest.Writable {
		n.polled, n.asker = append(n.polled, s.writable()), append(n.asker, index)
	}
}

func (s *socket) readable() uint32 {
	if s.input == 0 { // a listener
		return s.pollable(&s.events, s.handle, subscribeSocket)
	}
	return s.pollable(&s.inputEvents, s.input, subscribeInput)
}

func (s *socket) writable() uint32 {
	if s.output == 0 { // connecting
		return s.pollable(&s.events, s.handle, subscribeSocket)
	}
	return s.pollable(&s.outputEvents, s.output, subscribeOutput)
}

// pollable returns the pollable in kept, and subscribes to a handle for it the first time.
func (s *socket) pollable(kept *uint32, of uint32, subscribe func(uint32) uint32) uint32 {
	if *kept == 0 {
		*kept = subscribe(of)
	}
	return *kept
}
