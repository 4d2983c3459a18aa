//go:build wasip1

package main

import (
	"net/netip"
	"unsafe"

	"wasiftp/module/ftp"
	"wasiftp/module/standalone"
)

// pieceSize is how many bytes one call writes at most. The runtime may keep as many for
// each connection until the client takes them.
const pieceSize = 64 << 10

// network is a component's [standalone.Network].
type network struct {
	network   uint32
	sockets   map[standalone.Socket]*socket
	lingering []lingering
	polled    []uint32 // pollables for Wait
	asker     []int    // the index of the Interest that each of polled is for
	timer     timer
	result    [resultSize]byte
}

var _ standalone.Network = (*network)(nil)

// newNetwork makes a network of the one that the runtime gives this component.
func newNetwork() *network {
	return &network{network: instanceNetwork(), sockets: make(map[standalone.Socket]*socket)}
}

// socket is a tcp-socket with its streams and pollables. A handle of 0 means that there is
// none.
type socket struct {
	handle, input, output uint32
	events                uint32 // pollables are made when first waited for, and kept
	inputEvents           uint32
	outputEvents          uint32
	peer                  netip.Addr
	room                  uint64 // the most that output ever had
	ended                 bool   // input is at its end
}

func (n *network) out() unsafe.Pointer { return unsafe.Pointer(&n.result) }

func (n *network) add(s *socket) standalone.Socket {
	n.sockets[standalone.Socket(s.handle)] = s
	return standalone.Socket(s.handle)
}

// drop drops all handles, children first.
func (s *socket) drop() {
	for _, pollable := range [...]uint32{s.events, s.inputEvents, s.outputEvents} {
		if pollable != 0 {
			dropPollable(pollable)
		}
	}
	if s.input != 0 {
		dropInput(s.input)
		dropOutput(s.output)
	}
	dropSocket(s.handle)
}

func (n *network) create(family uint32) (*socket, error) {
	createSocket(family, n.out())
	if err := fault(n.result[:], words); err != nil {
		return nil, err
	}
	return &socket{handle: n.handle(0)}, nil
}

// handle is handle i of the result.
func (n *network) handle(i int) uint32 { return word(n.result[:], words+4*i) }

// Listen implements [standalone.Network].
func (n *network) Listen(at netip.AddrPort) (standalone.Socket, netip.AddrPort, error) {
	family, a := flatAddress(at)
	s, err := n.create(family)
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	s.events = subscribeSocket(s.handle)
	startBind(s.handle, n.network, family, a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], n.out())
	if err = n.finish(s, finishBind); err == nil {
		startListen(s.handle, n.out())
		err = n.finish(s, finishListen)
	}
	if err == nil {
		localAddress(s.handle, n.out())
		err = fault(n.result[:], words)
	}
	if err != nil {
		s.drop()
		return 0, netip.AddrPort{}, err
	}
	return n.add(s), getAddress(n.result[:]), nil
}

// finish ends an operation that was started, bind or listen. These need no answer from the
// network, so finish waits for a moment at most.
func (n *network) finish(s *socket, ask func(socket uint32, result unsafe.Pointer)) error {
	err := fault(n.result[:], unit)
	if err != nil {
		return err
	}
	for {
		ask(s.handle, n.out())
		if err = fault(n.result[:], unit); err != ftp.ErrAgain {
			return err
		}
		pollableBlock(s.events)
	}
}

// Accept implements [standalone.Network].
func (n *network) Accept(listener standalone.Socket) (conn standalone.Socket, local, peer netip.AddrPort, err error) {
	for {
		s, err := n.accept(n.sockets[listener])
		if err != nil {
			return 0, local, peer, err
		}
		localAddress(s.handle, n.out())
		local, err = getAddress(n.result[:]), fault(n.result[:], words)
		if err == nil {
			remoteAddress(s.handle, n.out())
			peer, err = getAddress(n.result[:]), fault(n.result[:], words)
		}
		if s.peer = peer.Addr(); err == nil && !n.crowded(s.peer) {
			return n.add(s), local, peer, nil
		}
		s.drop() // crowded; or reset already, so that its address is unknown
	}
}

func (n *network) accept(listener *socket) (*socket, error) {
	accept(listener.handle, n.out())
	if err := fault(n.result[:], words); err != nil {
		return nil, err
	}
	return &socket{handle: n.handle(0), input: n.handle(1), output: n.handle(2)}, nil
}

// Dial implements [standalone.Network].
func (n *network) Dial(to netip.AddrPort) (standalone.Socket, error) {
	family, a := flatAddress(to)
	s, err := n.create(family)
	if err != nil {
		return 0, err
	}
	s.peer = to.Addr()
	startConnect(s.handle, n.network, family, a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], n.out())
	if err := fault(n.result[:], unit); err != nil {
		s.drop()
		return 0, err
	}
	return n.add(s), nil
}

// Connected implements [standalone.Network].
func (n *network) Connected(conn standalone.Socket) error {
	s := n.sockets[conn]
	if s.output != 0 {
		return nil
	}
	finishConnect(s.handle, n.out())
	if err := fault(n.result[:], words); err != nil {
		return err
	}
	s.input, s.output = n.handle(0), n.handle(1)
	return nil
}

// Read implements [standalone.Network].
func (n *network) Read(conn standalone.Socket, p []byte) (int, error) {
	s := n.sockets[conn]
	if s.ended || len(p) == 0 {
		return 0, nil
	}
	got, err := n.read(s, min(len(p), listSize))
	if err == nil && len(got) == 0 {
		err = ftp.ErrAgain
	}
	if err == errClosed {
		s.ended = true
		err = nil
	}
	return copy(p, got), err
}

// read borrows bytes that have arrived, none if there are none.
func (n *network) read(s *socket, most int) ([]byte, error) {
	lending = true
	readInput(s.input, uint64(most), n.out())
	lending = false
	if err := n.streamFault(words); err != nil {
		return nil, err
	}
	return borrow(word(n.result[:], words), word(n.result[:], words+4)), nil
}

// Write implements [standalone.Network].
func (n *network) Write(conn standalone.Socket, p []byte) (int, error) {
	s := n.sockets[conn]
	written := 0
	for written < len(p) {
		room, err := n.room(s)
		if err != nil {
			return written, err
		}
		if room == 0 {
			break
		}
		piece := p[written:]
		piece = piece[:min(uint64(len(piece)), room, pieceSize)]
		writeOutput(s.output, unsafe.Pointer(unsafe.SliceData(piece)), uint32(len(piece)), n.out())
		if err := n.streamFault(words); err != nil {
			return written, brokenEnd(err)
		}
		written += len(piece)
	}
	if written == 0 && len(p) > 0 {
		return 0, ftp.ErrAgain
	}
	return written, nil
}

// room is how many bytes the runtime takes now. A new connection always has room, but
// wasmtime learns that a moment late. room waits for that moment, which is shorter than the
// 40 ms that a second small write behind the first would take (Nagle's algorithm).
func (n *network) room(s *socket) (uint64, error) {
	room, err := n.checkRoom(s)
	if err == nil && s.room == 0 {
		pollableBlock(s.writable())
		room, err = n.checkRoom(s)
	}
	return room, err
}

func (n *network) checkRoom(s *socket) (uint64, error) {
	checkWrite(s.output, n.out())
	if err := n.streamFault(long); err != nil {
		return 0, brokenEnd(err)
	}
	room := uint64(word(n.result[:], long)) | uint64(word(n.result[:], long+4))<<32
	s.room = max(s.room, room)
	return room, nil
}

// brokenEnd makes ErrReset of errClosed: to a writer, a closed stream is a broken one.
func brokenEnd(err error) error {
	if err == errClosed {
		return ftp.ErrReset
	}
	return err
}

// streamFault is the error of a call on a stream, whose error resource it drops.
func (n *network) streamFault(at int) error {
	failure, err := streamFault(n.result[:], at)
	if failure != 0 {
		dropError(failure)
	}
	return err
}
