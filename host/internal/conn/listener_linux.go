package conn

import (
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// listening is a Listener that an epoll watches.
type listening struct {
	epoll  *epoll
	fd     int
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
	if e.add(fd, unix.EPOLLIN, d) != nil {
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
		fd, from, err := unix.Accept4(l.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch err {
		case nil:
			return &Arrival{From: addrOf(from), direct: &polled{epoll: l.epoll, fd: fd}}, nil
		case unix.EAGAIN:
			return nil, nil
		case unix.EBADF, unix.EINVAL, unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			return nil, err
		}
	}
	return nil, nil
}

// addrOf is a socket address as a value, with the zone of a link-local one.
func addrOf(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		addr := netip.AddrFrom16(sa.Addr).Unmap()
		if sa.ZoneId != 0 {
			addr = addr.WithZone(zone(int(sa.ZoneId)))
		}
		return netip.AddrPortFrom(addr, uint16(sa.Port))
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
	l.epoll.remove(l.fd)
	unix.Close(l.fd)
	l.fd = -1
}
