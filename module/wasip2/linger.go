//go:build wasip1

package main

import (
	"net/netip"

	"wasiftp/module/standalone"
)

const (
	firstCheck    = 20e6 // ns until a lingering connection is first checked
	lastCheck     = 10e9 // ns between two checks at most
	mostLingering = 256  // connections in all
	mostOfOne     = 32   // connections of one address
	mostDiscarded = 16   // connections of a listener, or reads of a connection
)

// lingering is a connection that was closed before the runtime had sent all its bytes. Some
// runtimes lose these when the stream is dropped. Others (wasmtime 49) block until they are
// sent, which stops all sessions for as long as the client likes. So the stream is dropped
// only when they are sent, or the connection is broken.
type lingering struct {
	*socket
	since uint64 // ns by the monotonic clock
	next  uint64 // when it is checked next, by the same clock
}

// crowded reports whether so many connections linger, in all or of an address, that another
// one from there is refused.
func (n *network) crowded(peer netip.Addr) bool {
	ofOne := 0
	for _, l := range n.lingering {
		if l.peer == peer {
			ofOne++
		}
	}
	return ofOne >= mostOfOne || len(n.lingering) >= mostLingering
}

// Close implements [standalone.Network]. WASI 0.2 has no way to reset a connection. With
// reset, Close only leaves bytes unread: the other end sees a reset if it is sending.
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

// turnAway closes the connections that wait at a listener: jco would leave them open.
func (n *network) turnAway(listener *socket) {
	for range mostDiscarded {
		s, err := n.accept(listener)
		if err != nil {
			return // there is none, or this is not a listener
		}
		s.drop()
	}
}

// discard reads and drops bytes that have arrived. With bytes unread the system would send
// a reset, which can overtake bytes that were written.
func (n *network) discard(s *socket) {
	for range mostDiscarded {
		if got, err := n.read(s, listSize); err != nil || len(got) == 0 {
			return
		}
	}
}

// sent reports whether the runtime has sent all bytes, or never will.
func (n *network) sent(s *socket) bool {
	if s.room == 0 {
		return true // nothing was written
	}
	if room, err := n.room(s); err != nil || room == s.room {
		return true
	}
	// wasmtime writes in the background, and only goes on with that when it is asked.
	pollableReady(s.writable())
	room, err := n.room(s)
	return err != nil || room == s.room
}

// untilLinger is timeout, or less if a lingering connection must be checked before.
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

// linger drops the connections whose bytes are sent. The longer one has lingered, the later
// it is checked next.
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
