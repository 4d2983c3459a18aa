//go:build wasip1

package main

import (
	"net/netip"

	"wasiftp/module/standalone"
)

const (
	firstCheck    = 20e6 // until one that lingers is looked at, in ns
	lastCheck     = 10e9 // the longest between two looks
	mostLingering = 256
	mostOfOne     = 32 // of an address's
	mostDiscarded = 16 // connections of a listener's, or pieces of a connection's
)

// lingering is a connection that was closed while the runtime had not yet sent
// all of it: to drop a stream takes that with it in some runtimes, and in others
// (wasmtime 49) waits for it, and all sessions with it, as long as the client
// likes. So one is only dropped when that is sent, or the connection broken.
type lingering struct {
	*socket
	since uint64 // by the monotonic clock
	next  uint64 // when to look at it
}

// crowded reports whether too many linger for another connection, of those in all
// or of that address.
func (n *network) crowded(peer netip.Addr) bool {
	ofOne := 0
	for _, l := range n.lingering {
		if l.peer == peer {
			ofOne++
		}
	}
	return ofOne >= mostOfOne || len(n.lingering) >= mostLingering
}

// Close implements [standalone.Network]. WASI 0.2 has no way to reset a
// connection: the other end sees it break only if it is sending.
func (n *network) Close(s standalone.Socket, reset bool) {
	closing := n.sockets[s]
	delete(n.sockets, s)
	if closing.input == 0 {
		n.turnAway(closing)
		closing.drop()
		return
	}
	if !reset {
		n.discard(closing)
	}
	if n.sent(closing) {
		closing.drop()
		return
	}
	now := monotonicNow()
	n.lingering = append(n.lingering, lingering{socket: closing, since: now, next: now + firstCheck})
}

// turnAway closes what still waits at a listener: jco leaves it open for ever.
func (n *network) turnAway(listener *socket) {
	for range mostDiscarded {
		s, err := n.accept(listener)
		if err != nil {
			return // nobody, or not a listener
		}
		s.drop()
	}
}

// discard takes in what nobody will read: with that left, the system would answer
// the other end by a reset, which can overtake what was written.
func (n *network) discard(s *socket) {
	for range mostDiscarded {
		if got, err := n.read(s, listSize); err != nil || len(got) == 0 {
			return
		}
	}
}

// sent reports whether the runtime holds nothing back any more, or never will
// send it.
func (n *network) sent(s *socket) bool {
	if s.room == 0 {
		return true // nothing was written
	}
	if room, err := n.room(s); err != nil || room == s.room {
		return true
	}
	// wasmtime looks after what it writes in the background only when asked.
	pollableReady(s.pollable(&s.outputEvents, s.output, subscribeOutput))
	room, err := n.room(s)
	return err != nil || room == s.room
}

// untilLinger is timeout, or less if one that lingers has to be looked at before.
func (n *network) untilLinger(timeout int64) int64 {
	if len(n.lingering) == 0 {
		return timeout
	}
	now := monotonicNow()
	for _, l := range n.lingering {
		if left := int64(max(l.next, now) - now); timeout < 0 || left < timeout {
			timeout = left
		}
	}
	return timeout
}

// linger lets go of those that nothing keeps any more. The longer one has
// lingered, the longer it is left alone.
func (n *network) linger() {
	if len(n.lingering) == 0 {
		return
	}
	now, left := monotonicNow(), n.lingering[:0]
	for _, l := range n.lingering {
		if now >= l.next {
			if n.sent(l.socket) {
				l.drop()
				continue
			}
			l.next = now + min(max(firstCheck, (now-l.since)/8), lastCheck)
		}
		left = append(left, l)
	}
	clear(n.lingering[len(left):])
	n.lingering = left
}
