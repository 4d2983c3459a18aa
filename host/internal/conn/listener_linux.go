package conn

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// listening is a Listener that an epoll watches.
type listening struct {
	epoll  *epoll
	fd     int
	place  int32 // in epoll
	notify func()
}

// directListener takes a listener from Go's hands; nil leaves it there.
func directListener(l net.Listener, p *Poll, notify func()) Listener {
	tcp, ok := l.(*net.TCPListener)
	if !ok || p == nil {
		return nil
	}
	e := p.ready()
	if e == nil {
		return nil
	}
	fd := copied(tcp)
	if fd < 0 {
		return nil
	}
	d := &listening{epoll: e, fd: fd, notify: notify}
	var err error
	if d.place, err = e.add(fd, unix.EPOLLIN, d); err != nil {
		unix.Close(fd)
		return nil
	}
	tcp.Close()
	setAccepted(fd)
	return d
}

// setAccepted sets the options that a connection of Go's has; accepted ones inherit them.
func setAccepted(fd int) {
	const every, probes = 15, 9 // seconds: those of net.KeepAliveConfig
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, every)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, every)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, probes)
}

// Accept implements [Listener]. Errors that concern one connection count for nothing
// (accept(2)).
func (l *listening) Accept() (*Arrival, error) {
	for range mostArrived {
		fd, from, err := accepted(l.fd)
		switch err {
		case 0:
			return &Arrival{From: from, direct: &polled{epoll: l.epoll, fd: int32(fd)}}, nil
		case unix.EAGAIN:
			return nil, nil
		case unix.EBADF, unix.EINVAL, unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			return nil, err
		}
	}
	return nil, nil
}

// accepted is accept4, which does not wait, and so need not tell Go's scheduler.
func accepted(listener int) (fd int, from netip.AddrPort, err unix.Errno) {
	var sa unix.RawSockaddrInet6 // the larger one
	size := uint32(unsafe.Sizeof(sa))
	n, _, err := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)),
		unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if err != 0 {
		return -1, from, err
	}
	return int(n), addrOf(&sa), 0
}

// addrOf is a socket address as a value, with the zone of a link-local one.
func addrOf(sa *unix.RawSockaddrInet6) netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&sa.Port))[:])
	switch sa.Family {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(sa)).Addr), port)
	case unix.AF_INET6:
		addr := netip.AddrFrom16(sa.Addr).Unmap()
		if sa.Scope_id != 0 {
			addr = addr.WithZone(zone(int(sa.Scope_id)))
		}
		return netip.AddrPortFrom(addr, port)
	}
	return netip.AddrPort{}
}

// zone names a network interface, as package net does.
func zone(index int) string {
	if i, err := net.InterfaceByIndex(index); err == nil {
		return i.Name
	}
	return strconv.Itoa(index)
}

// seen implements [watcher].
func (l *listening) seen(uint32) { l.notify() }

// Close implements [Listener].
func (l *listening) Close() {
	if l.fd < 0 {
		return
	}
	l.epoll.remove(l.fd, l.place)
	unix.Close(l.fd)
	l.fd = -1
}
