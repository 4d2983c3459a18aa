//go:build wasip1

package main

import (
	"structs"

	"wasiftp/module/standalone"
)

// Kinds of subscriptions and events in preview 1.
const (
	kindClock = iota
	kindRead
	kindWrite
)

// subscription is preview 1's record. With kindRead and kindWrite only fd counts.
type subscription struct {
	_       structs.HostLayout
	user    uint64
	kind    uint64 // a byte, and padding
	fd      uint32 // of kindClock, the clock
	_       uint32
	timeout uint64    // ns
	_       [2]uint64 // precision and flags
}

const clockMonotonic = 1

// event is preview 1's record.
type event struct {
	_     structs.HostLayout
	user  uint64
	errno uint16
	kind  uint8
	_     [5]byte
	bytes uint64
	flags uint64 // two bytes, and padding
}

const flagHangup = 1

// Wait implements [standalone.Network].
func (n *network) Wait(list []standalone.Interest, timeout int64) {
	n.asked = n.asked[:0]
	for i, s := range list {
		if s.Readable {
			n.asked = append(n.asked, subscription{user: uint64(i), kind: kindRead, fd: uint32(s.Socket)})
		}
		if s.Writable {
			n.asked = append(n.asked, subscription{user: uint64(i), kind: kindWrite, fd: uint32(s.Socket)})
		}
	}
	for _, e := range n.poll(timeout) {
		if e.kind != kindClock && e.user < uint64(len(list)) {
			list[e.user].Ready = true
		}
	}
}

// poll waits for an event of the subscriptions asked, for timeout ns at most, or below 0
// without limit. The events are valid until the next call.
func (n *network) poll(timeout int64) []event {
	if timeout >= 0 {
		// WAMR rounds down to milliseconds: a shorter timeout would be no wait at all.
		const ms = 1e6
		n.asked = append(n.asked, subscription{kind: kindClock, fd: clockMonotonic, timeout: uint64((timeout + ms - 1) / ms * ms)})
	}
	if len(n.asked) == 0 {
		return nil
	}
	if cap(n.answers) < len(n.asked) {
		n.answers = make([]event, 2*len(n.asked))
	}
	var count uint32
	if pollOneoff(&n.asked[0], &n.answers[0], uint32(len(n.asked)), &count) != 0 {
		return nil
	}
	return n.answers[:min(int(count), len(n.asked))]
}

// broken says whether the other end has reset a connection.
func (n *network) broken(conn standalone.Socket) bool {
	n.asked = append(n.asked[:0], subscription{kind: kindWrite, fd: uint32(conn)})
	for _, e := range n.poll(0) {
		if e.errno != 0 || e.kind == kindWrite && e.flags&flagHangup != 0 {
			return true
		}
	}
	return false
}
