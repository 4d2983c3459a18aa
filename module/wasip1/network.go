//go:build wasip1

package main

import (
	"errors"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"wasiftp/module/ftp"
	"wasiftp/module/standalone"
)

// firstDescriptor is the first descriptor behind the standard streams.
const firstDescriptor = 3

// network is a [standalone.Preopened].
type network struct {
	listeners []*listener   // one for control connections, and then the passive ports in their order
	first     uint16        // the first passive port
	pause     time.Duration // the last one between two looks at the sockets; 0 after bytes have moved
	peeked    []byte        // buffer for one byte, on the heap
}

// listener is one that the runtime was started with.
type listener struct {
	fd      uint32
	open    bool
	arrived []uint32 // connections accepted by Wait, and not yet by Accept
}

// connect finds the listeners.
func connect(settings standalone.Settings) (standalone.Network, error) {
	var all []*listener
	for fd := uint32(firstDescriptor); ; fd++ {
		var stat fdStat
		if fdStatGet(fd, &stat) != 0 {
			break
		}
		if stat.fileType != typeSocket {
			continue
		}
		if fdStatSetFlags(fd, flagNonblock) != 0 {
			return nil, errors.New("a listener of this runtime cannot be used without waiting")
		}
		all = append(all, &listener{fd: fd})
	}
	if len(all) == 0 {
		return nil, errors.New("there is no listener: have the runtime open some, as -listen=127.0.0.1:2121 does " +
			"for wazero, the first for control connections, the others for passive data connections")
	}
	p := settings.Passive
	if p.First == 0 || int(p.Last)-int(p.First)+1 != len(all)-1 || !p.Address.IsValid() {
		return nil, errors.New("WASIFTP_PASSIVE: the runtime has opened " + strconv.Itoa(len(all)-1) +
			" listeners behind the first, for passive data connections; say at which address and ports clients " +
			"reach them, as in 127.0.0.1:50000-50003")
	}
	all[0].open = true
	return &network{listeners: all, first: p.First, peeked: make([]byte, 1)}, nil
}

// Control implements [standalone.Preopened].
func (n *network) Control() []standalone.Socket {
	return []standalone.Socket{standalone.Socket(n.listeners[0].fd)}
}

// Listen implements [standalone.Network].
func (n *network) Listen(at netip.AddrPort) (standalone.Socket, netip.AddrPort, error) {
	i, passive := int(at.Port())-int(n.first), n.listeners[1:]
	if i < 0 || i >= len(passive) {
		return 0, at, ftp.ErrUnsupported
	}
	l := passive[i]
	if l.open {
		return 0, at, ftp.ErrBusy
	}
	n.turnAway(l)
	l.open = true
	return standalone.Socket(l.fd), at, nil
}

// listener finds a listener by its descriptor, nil for that of a connection.
func (n *network) listener(s standalone.Socket) *listener {
	for _, l := range n.listeners {
		if l.fd == uint32(s) {
			return l
		}
	}
	return nil
}

// take accepts a connection for a later Accept, and reports false if none has arrived.
func (n *network) take(l *listener) bool {
	var conn uint32
	if sockAccept(l.fd, flagNonblock, &conn) != 0 {
		return false
	}
	l.arrived = append(l.arrived, conn)
	return true
}

// turnAway closes the connections that nobody wants: the runtime goes on listening.
func (n *network) turnAway(l *listener) {
	for n.take(l) {
	}
	for _, conn := range l.arrived {
		hangUp(conn)
	}
	l.arrived = l.arrived[:0]
}

// Accept implements [standalone.Network].
func (n *network) Accept(s standalone.Socket) (conn standalone.Socket, local, peer netip.AddrPort, err error) {
	l := n.listener(s)
	if len(l.arrived) == 0 {
		var fd uint32
		err = fault(sockAccept(l.fd, flagNonblock, &fd))
		return standalone.Socket(fd), local, peer, err
	}
	conn = standalone.Socket(l.arrived[0])
	l.arrived = append(l.arrived[:0], l.arrived[1:]...)
	n.pause = 0
	return conn, local, peer, nil
}

// Dial implements [standalone.Network].
func (n *network) Dial(netip.AddrPort) (standalone.Socket, error) { return 0, ftp.ErrUnsupported }

// Connected implements [standalone.Network].
func (n *network) Connected(standalone.Socket) error { return ftp.ErrUnsupported }

// Read implements [standalone.Network].
func (n *network) Read(conn standalone.Socket, p []byte) (int, error) {
	size, errno := receive(uint32(conn), p, 0)
	return n.moved(size, errno)
}

// Write implements [standalone.Network].
func (n *network) Write(conn standalone.Socket, p []byte) (int, error) {
	size, errno := send(uint32(conn), p)
	return n.moved(size, errno)
}

// moved is the result of a call that moves bytes. After a success it shortens the pause, as
// more bytes will move soon.
func (n *network) moved(size int, errno syscall.Errno) (int, error) {
	if errno != 0 {
		return 0, fault(errno)
	}
	n.pause = 0
	return size, nil
}

// Close implements [standalone.Network].
func (n *network) Close(s standalone.Socket, _ bool) {
	if l := n.listener(s); l != nil {
		n.turnAway(l)
		l.open = false
		return
	}
	hangUp(uint32(s))
}

// hangUp closes a connection. wazero closes the socket only when its garbage is collected,
// so shutdown tells the other end now.
func hangUp(conn uint32) {
	sockShutdown(conn, shutdownWrite)
	fdClose(conn)
}

// The pauses between two looks at the sockets are short after bytes have moved. Each is
// twice as long as the one before, up to a length that costs an idle server little, and
// that no user notices.
const (
	firstPause = 50 * time.Microsecond
	lastPause  = 20 * time.Millisecond
)

// Wait implements [standalone.Network]. The runtime's own poll says of any socket that it
// is ready, so Wait looks at each again and again. It cannot see whether there is room to
// write, and so has the engine try after each pause.
func (n *network) Wait(list []standalone.Interest, timeout int64) {
	began := time.Now()
	for {
		if n.look(list) || timeout == 0 {
			return
		}
		pause := min(max(2*n.pause, firstPause), lastPause)
		if timeout > 0 {
			left := time.Duration(timeout) - time.Since(began)
			if left <= 0 {
				return
			}
			pause = min(pause, left)
		}
		n.pause = pause
		sleep(pause)
		if writers(list) {
			n.look(list)
			return
		}
	}
}

// look marks the sockets that can be read as ready, and reports whether there are any.
func (n *network) look(list []standalone.Interest) (found bool) {
	for i := range list {
		if list[i].Readable && n.readable(list[i].Socket) {
			list[i].Ready, found = true, true
		}
	}
	return found
}

func (n *network) readable(s standalone.Socket) bool {
	if l := n.listener(s); l != nil {
		return len(l.arrived) > 0 || n.take(l)
	}
	_, errno := receive(uint32(s), n.peeked, recvPeek)
	return errno != syscall.EAGAIN
}

// writers marks the sockets that wait for room as ready, and reports whether there are any.
func writers(list []standalone.Interest) (found bool) {
	for i := range list {
		if list[i].Writable {
			list[i].Ready, found = true, true
		}
	}
	return found
}
