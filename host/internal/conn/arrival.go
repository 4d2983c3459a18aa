package conn

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// Arrival is a connection that was accepted. It is closed, or becomes a stream.
type Arrival struct {
	// From and To are the ends of a TCP connection, the client's first. An IPv4 address that
	// is mapped into IPv6 becomes that address.
	From, To netip.AddrPort

	behind netip.AddrPort // see Behind

	direct direct   // nil for one of Go's
	conn   net.Conn // nil with direct
}

// Arrived makes an Arrival of a connection of Go's.
func Arrived(c net.Conn) *Arrival {
	return &Arrival{From: Addr(c.RemoteAddr()), To: Addr(c.LocalAddr()), conn: c}
}

var errNoConn = errors.New("the listener accepted nothing")

// Accept waits for a connection.
func Accept(l net.Listener) (*Arrival, error) {
	if own, ok := l.(interface{ arrive() (*Arrival, error) }); ok {
		return own.arrive()
	}
	c, err := l.Accept()
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, errNoConn
	}
	if _, known := c.(*net.TCPConn); !known {
		return &Arrival{conn: c}, nil
	}
	return Arrived(c), nil
}

// listenTCP is net.Listen, without MPTCP, whose connections do not tell the zone of a
// link-local address.
func listenTCP(network, address string) (*net.TCPListener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	l, err := config.Listen(context.Background(), network, address)
	if err != nil {
		return nil, err
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		l.Close()
		return nil, &net.OpError{Op: "listen", Net: network, Err: net.UnknownNetworkError(network)}
	}
	return tcp, nil
}

// Foreign is the connection if it is of the embedder's own type, else nil.
func (a *Arrival) Foreign() net.Conn {
	if _, known := a.conn.(*net.TCPConn); known {
		return nil
	}
	return a.conn
}

// Ends are the addresses of the connection's ends, whatever its network. A PROXY header
// changes neither.
func (a *Arrival) Ends() (local, remote net.Addr) {
	if a.direct != nil {
		return a.direct.local(), a.direct.remote()
	}
	return a.conn.LocalAddr(), a.conn.RemoteAddr()
}

// Close closes the connection unread. It waits for no code of the embedder's.
func (a *Arrival) Close() {
	if a.direct != nil {
		a.direct.close()
	} else {
		closeSoon(a.conn)
	}
}

// closeSoon closes a connection, one of the embedder's own type on another goroutine.
func closeSoon(c net.Conn) {
	if _, theirs := c.(*Foreign); theirs {
		go c.Close()
	} else {
		c.Close()
	}
}

// Cut ends the connection at once, with a last reply if there is room.
func (a *Arrival) Cut(reply string) {
	if a.direct != nil {
		a.direct.write([]byte(reply))
		a.direct.close()
		return
	}
	var try tryWriter
	try.init(a.conn)
	try.write([]byte(reply))
	sever(a.conn)
}

// Ordinary is the connection as one of Go's.
func (a *Arrival) Ordinary() net.Conn {
	if a.direct == nil {
		return a.conn
	}
	return ordinaryOf(a.direct)
}

// Control sets what a control connection needs. TCP urgent data stays at its place in the
// stream: a Telnet Synch ends in an urgent byte (RFC 854); from Python's ftplib that byte is a
// letter of ABOR. The connections of ListenTCP need nothing more.
func (a *Arrival) Control() {
	if tcp, ok := a.conn.(*net.TCPConn); ok {
		control(tcp, urgentInline)
		tcp.SetKeepAlive(true)
	}
}

// Stream makes a stream of the connection, as [New] does.
func (a *Arrival) Stream(poll *Poll, owner Owner) *Stream {
	if a.direct != nil && a.direct.join(poll) {
		return &Stream{owner: owner, direct: a.direct}
	}
	return New(a.Ordinary(), poll, owner)
}

// Addr is the address of a TCP connection's end, the zero value for other networks. An
// IPv4 address that is mapped into IPv6 becomes that address.
func Addr(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
