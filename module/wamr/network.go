//go:build wasip1

package main

import (
	"errors"
	"net/netip"
	"syscall"
	"unsafe"

	"wasiftp/module/ftp"
	"wasiftp/module/standalone"
)

// network implements [standalone.Network]. Its zero value is ready.
type network struct {
	asked   []subscription
	answers []event
	dialled map[standalone.Socket]netip.AddrPort // dialled, and not yet known to be connected
	unread  [1024]byte                           // buffer for bytes that drain drops
}

// connect makes a network. WAMR needs no settings.
func connect(standalone.Settings) (standalone.Network, error) { return &network{}, nil }

const (
	streams = 1   // the kind of socket for sock_open
	backlog = 128 // connections that may wait to be accepted
)

// open makes a non-blocking socket.
func open(family netip.Addr) (standalone.Socket, error) {
	var fd uint32
	if errno := sockOpen(0, kindOf(family), streams, &fd); errno != 0 {
		return 0, fault(errno)
	}
	if err := syscall.SetNonblock(int(fd), true); err != nil {
		syscall.Close(int(fd))
		return 0, fault(err)
	}
	return standalone.Socket(fd), nil
}

// Listen implements [standalone.Network].
func (n *network) Listen(at netip.AddrPort) (standalone.Socket, netip.AddrPort, error) {
	s, err := open(at.Addr())
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	if errno := listen(uint32(s), at); errno != 0 {
		n.Close(s, false)
		return 0, netip.AddrPort{}, fault(errno)
	}
	return s, addressOf(s, sockAddrLocal), nil
}

func listen(fd uint32, at netip.AddrPort) syscall.Errno {
	if errno := sockSetReuseAddr(fd, 1); errno != 0 {
		return errno
	}
	if at.Addr().Is6() { // IPv4 has a listener of its own
		if errno := sockSetIPv6Only(fd, 1); errno != 0 {
			return errno
		}
	}
	address := putAddress(at)
	if errno := sockBind(fd, unsafe.Pointer(&address)); errno != 0 {
		return errno
	}
	// WAMR's bind sets SO_LINGER so that closing resets connections; accepted ones would
	// inherit that.
	if errno := sockSetLinger(fd, 0, 0); errno != 0 {
		return errno
	}
	return sockListen(fd, backlog)
}

// addressOf is an address of a socket, the zero value if WAMR does not tell. ask is
// sockAddrLocal or sockAddrRemote.
func addressOf(s standalone.Socket, ask func(fd uint32, address unsafe.Pointer) syscall.Errno) netip.AddrPort {
	var address [addressSize]byte
	if ask(uint32(s), unsafe.Pointer(&address)) != 0 {
		return netip.AddrPort{}
	}
	return getAddress(address)
}

// Accept implements [standalone.Network].
func (n *network) Accept(listener standalone.Socket) (conn standalone.Socket, local, peer netip.AddrPort, err error) {
	fd, _, err := syscall.Accept(int(listener))
	if err == syscall.ECONNABORTED { // the connection is gone already
		return 0, local, peer, ftp.ErrAgain
	}
	if err != nil {
		return 0, local, peer, fault(err)
	}
	conn = standalone.Socket(fd)
	if err := syscall.SetNonblock(fd, true); err != nil {
		n.Close(conn, true)
		return 0, local, peer, fault(err)
	}
	sockSetKeepAlive(uint32(fd), 1)
	sockSetNoDelay(uint32(fd), 1)
	return conn, addressOf(conn, sockAddrLocal), addressOf(conn, sockAddrRemote), nil
}

// Dial implements [standalone.Network].
func (n *network) Dial(to netip.AddrPort) (standalone.Socket, error) {
	s, err := open(to.Addr())
	if err != nil {
		return 0, err
	}
	if n.dialled == nil {
		n.dialled = map[standalone.Socket]netip.AddrPort{}
	}
	n.dialled[s] = to
	if err := n.Connected(s); err != nil && err != ftp.ErrAgain {
		n.Close(s, false)
		return 0, err
	}
	return s, nil
}

// Connected implements [standalone.Network]. WAMR has no function that tells whether
// connecting succeeded, but connecting again tells.
func (n *network) Connected(conn standalone.Socket) error {
	to, unknown := n.dialled[conn]
	if !unknown {
		return nil
	}
	address := putAddress(to)
	errno := sockConnect(uint32(conn), unsafe.Pointer(&address))
	if errno != 0 && errno != syscall.EISCONN {
		return fault(errno)
	}
	delete(n.dialled, conn)
	return nil
}

// Read implements [standalone.Network].
func (n *network) Read(conn standalone.Socket, p []byte) (int, error) {
	count, err := syscall.Read(int(conn), p)
	if err != nil {
		return 0, fault(err)
	}
	return count, nil
}

// Write implements [standalone.Network].
func (n *network) Write(conn standalone.Socket, p []byte) (int, error) {
	// iwasm does not ignore SIGPIPE: writing to a broken connection would end the process,
	// and all sessions with it.
	if n.broken(conn) {
		return 0, ftp.ErrReset
	}
	count, err := syscall.Write(int(conn), p)
	if err != nil {
		return 0, fault(err)
	}
	return count, nil
}

// Close implements [standalone.Network].
func (n *network) Close(s standalone.Socket, reset bool) {
	delete(n.dialled, s)
	if reset {
		sockSetLinger(uint32(s), 1, 0)
	} else {
		n.drain(s)
	}
	syscall.Close(int(s))
}

// drain drops the bytes that have arrived. Closing with bytes unread would reset the
// connection, and the client might lose the last reply.
func (n *network) drain(s standalone.Socket) {
	for range 64 {
		if count, err := syscall.Read(int(s), n.unread[:]); count <= 0 || err != nil {
			return
		}
	}
}

// fault is the engine's error for one of package syscall.
func fault(err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return ftp.ErrStorage
	}
	switch errno {
	case syscall.EAGAIN, syscall.EINTR, syscall.EINPROGRESS, syscall.EALREADY:
		return ftp.ErrAgain
	case syscall.EACCES, syscall.EPERM, syscall.ENOTCAPABLE:
		return ftp.ErrPermission
	case syscall.EADDRINUSE:
		return ftp.ErrBusy
	case syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT, syscall.ENOSYS:
		return ftp.ErrUnsupported
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM:
		return ftp.ErrTooMany
	case syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH:
		return ftp.ErrRefused
	case syscall.ETIMEDOUT:
		return ftp.ErrTimeout
	case syscall.ECONNRESET, syscall.EPIPE, syscall.ENOTCONN:
		return ftp.ErrReset
	}
	return ftp.ErrStorage
}
