package script

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// Patience is the time after which a read fails. It is long, since only a failing test
// waits for it: under Node, a deep listing takes 2 s, and 25 s on a busy machine.
const Patience = time.Minute

// Network is the TCP part of a [World].
type Network struct {
	IPv4, IPv6 netip.AddrPort // of the server; zero IPv6: none
	Client     netip.Addr     // of the client; zero: the system chooses
}

// Open connects to the server.
func (n Network) Open(family int) (Conn, error) {
	to := n.IPv4
	if family == 6 {
		to = n.IPv6
	}
	return dial(n.Client, to)
}

// Dial connects to a data port, from control's own address.
func (n Network) Dial(control Conn, to netip.AddrPort) (Conn, error) {
	return dial(control.(tcpConn).local(), to)
}

// Listen opens a port at control's own address.
func (n Network) Listen(control Conn) (Listener, error) {
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(control.(tcpConn).local(), 0)))
	if err != nil {
		return nil, err
	}
	return tcpListener{l}, nil
}

func dial(from netip.Addr, to netip.AddrPort) (Conn, error) {
	d := net.Dialer{Timeout: Patience}
	if from.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	c, err := d.Dial("tcp", to.String())
	if err != nil {
		return nil, err
	}
	return tcpConn{c.(*net.TCPConn)}, nil
}

// tcpConn is a connection whose reads and writes end after some time.
type tcpConn struct{ *net.TCPConn }

func (c tcpConn) Read(p []byte) (int, error) {
	c.SetReadDeadline(time.Now().Add(Patience))
	return c.TCPConn.Read(p)
}

func (c tcpConn) Write(p []byte) (int, error) {
	c.SetWriteDeadline(time.Now().Add(Patience))
	return c.TCPConn.Write(p)
}

func (c tcpConn) Remote() netip.AddrPort {
	a := c.RemoteAddr().(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func (c tcpConn) local() netip.Addr { return c.LocalAddr().(*net.TCPAddr).AddrPort().Addr().Unmap() }

type tcpListener struct{ *net.TCPListener }

func (l tcpListener) Addr() netip.AddrPort { return l.TCPListener.Addr().(*net.TCPAddr).AddrPort() }

func (l tcpListener) Accept() (Conn, error) {
	l.SetDeadline(time.Now().Add(Patience))
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	return tcpConn{c}, nil
}

// IsReset says whether a read failed because the other end reset the connection.
func IsReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.ErrClosedPipe)
}
