package conn

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// listener is a TCP listener whose connections Go has no part in: it would make each one known
// to its own poller.
type listener struct {
	address net.Addr
	at      netip.AddrPort // of all connections; not valid if the listener is at every address
	file    *os.File
	raw     syscall.RawConn // of file
}

// ListenTCP opens a listener whose connections cost little.
func ListenTCP(network, address string) (net.Listener, error) {
	tcp, err := listenTCP(network, address)
	if err != nil {
		return nil, err
	}
	return Adopt(tcp), nil
}

// Adopt makes a listener whose connections cost little of one of Go's, which it closes. Where
// that fails it returns Go's.
func Adopt(tcp *net.TCPListener) net.Listener {
	fd := copied(tcp)
	if fd < 0 {
		return tcp
	}
	file := os.NewFile(uintptr(fd), "listener")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return tcp
	}
	tcp.Close()
	setAccepted(fd)
	urgentInline(uintptr(fd)) // see Control
	l := &listener{address: tcp.Addr(), file: file, raw: raw}
	if at := Addr(tcp.Addr()); !at.Addr().IsUnspecified() {
		l.at = at
	}
	return l
}

// arrive is [Accept].
func (l *listener) arrive() (a *Arrival, err error) {
	closed := l.raw.Read(func(socket uintptr) (done bool) {
		fd, from, errno := accepted(int(socket))
		switch errno {
		case 0:
			if a = (&Arrival{From: from, To: l.at, direct: &polled{fd: int32(fd)}}); !a.To.IsValid() {
				a.To = localOf(fd)
			}
		case unix.EAGAIN:
			return false
		default:
			err = l.fault(errno)
		}
		return true
	})
	if closed != nil {
		return nil, l.fault(net.ErrClosed)
	}
	return a, err
}

func (l *listener) fault(err error) error {
	return &net.OpError{Op: "accept", Net: l.address.Network(), Addr: l.address, Err: err}
}

// Accept implements [net.Listener].
func (l *listener) Accept() (net.Conn, error) {
	a, err := l.arrive()
	if err != nil {
		return nil, err
	}
	return a.direct.ordinary()
}

func (l *listener) Addr() net.Addr { return l.address }

// SyscallConn implements [syscall.Conn], as [net.TCPListener] does.
func (l *listener) SyscallConn() (syscall.RawConn, error) { return l.raw, nil }

func (l *listener) Close() error {
	if err := l.file.Close(); err != nil {
		return &net.OpError{Op: "close", Net: l.address.Network(), Addr: l.address, Err: net.ErrClosed}
	}
	return nil
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

// localOf and remoteOf are the addresses of a socket's two ends.
func localOf(fd int) netip.AddrPort  { return nameOf(unix.SYS_GETSOCKNAME, fd) }
func remoteOf(fd int) netip.AddrPort { return nameOf(unix.SYS_GETPEERNAME, fd) }

func nameOf(call uintptr, fd int) netip.AddrPort {
	var sa unix.RawSockaddrInet6
	size := uint32(unsafe.Sizeof(sa))
	_, _, err := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)))
	if err != 0 {
		return netip.AddrPort{}
	}
	return addrOf(&sa)
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
