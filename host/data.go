package host

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"sync"

	"wasiftp/wasi"
)

// listener waits for a passive data connection (RFC 959 §4.1.2, PASV).
type listener struct {
	session *session
	handle  uint32
	socket  net.Listener

	mu      sync.Mutex
	arrived []net.Conn
	ended   bool
}

func (l *listener) owner() *session { return l.session }

func (l *listener) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.socket.Close()
	for _, c := range l.arrived {
		c.Close()
	}
	l.arrived = nil
}

// accept takes what connects until there is too much to trust. Somebody else's
// connection is closed unread, and the client's is still waited for.
func (l *listener) accept() {
	s := l.session
	s.server.acceptAll(l.socket, func(conn net.Conn) bool {
		from := addrPort(conn.RemoteAddr())
		if !s.isClient(from.Addr()) && !s.server.config.AllowForeignDataAddress {
			conn.Close()
			s.observe(Event{Kind: DataRefused, Data: from})
			return true
		}
		return l.keep(conn)
	})
}

func (l *listener) keep(conn net.Conn) (more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		conn.Close()
		return false
	}
	l.arrived = append(l.arrived, conn)
	if len(l.arrived) == 1 {
		l.session.shard.post(wasi.Event{Kind: wasi.EventReadable, Session: l.session.handle, Handle: l.handle})
		return true
	}
	l.socket.Close()
	return false
}

// take gives the connection that came. When two came from the client's address,
// one of them is a thief's, and nobody can say which.
func (l *listener) take() (net.Conn, wasi.Errno) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch len(l.arrived) {
	case 0:
		return nil, wasi.EAGAIN
	case 1:
		conn := l.arrived[0]
		l.arrived = nil
		return conn, wasi.OK
	}
	return nil, wasi.EBUSY
}

func (sh *shard) netListen(a *args) wasi.Errno {
	s, errno := sh.session(a)
	if errno != wasi.OK {
		return errno
	}
	family := uint32(6)
	if s.local.Addr().Is4() {
		family = 4
	}
	if want := a.uint32(1); !s.local.IsValid() || want != 0 && want != family {
		return wasi.EINVAL
	}
	if len(s.objects) >= maxOwned {
		return wasi.EMFILE
	}
	socket, err := listenInRange(s.local.Addr(), s.server.config.Passive.FirstPort, s.server.config.Passive.LastPort)
	if err != nil {
		s.server.config.Logger.Warn("no passive port", "session", s.id, "client", s.client, "err", err)
		return errnoOf(err)
	}
	l := &listener{session: s, socket: socket}
	if l.handle, errno = s.own(l); errno != wasi.OK {
		socket.Close()
		return errno
	}
	s.server.work.Go(l.accept)
	putUint32(a.bytes(2), l.handle)
	wasi.PutAddr(a.bytes(3), s.announced(addrPort(socket.Addr()).Port()))
	return wasi.OK
}

// listenInRange listens on a port of the range that nobody can guess.
func listenInRange(ip netip.Addr, first, last uint16) (net.Listener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false) // its connections do not tell the zone of a link-local address
	size := int(last) - int(first) + 1
	start := rand.IntN(size)
	var socket net.Listener
	var err error
	for i := range size {
		port := int(first) + (start+i)%size
		socket, err = config.Listen(context.Background(), "tcp", net.JoinHostPort(ip.String(), strconv.Itoa(port)))
		if err == nil {
			return socket, nil
		}
	}
	return nil, err
}

// announced is the address at which this client reaches a passive port: that of
// its control connection, unless a NAT stands between.
func (s *session) announced(port uint16) netip.AddrPort {
	passive := &s.server.config.Passive
	if !passive.PublicAddress.IsValid() || !s.local.Addr().Is4() {
		return netip.AddrPortFrom(s.local.Addr(), port)
	}
	for _, network := range passive.LocalNetworks {
		if network.Contains(s.client.Addr()) {
			return netip.AddrPortFrom(s.local.Addr(), port)
		}
	}
	return netip.AddrPortFrom(passive.PublicAddress, port)
}

func (sh *shard) netAccept(a *args) wasi.Errno {
	l, errno := get[*listener](&sh.handles, a.handle(0))
	if errno != wasi.OK {
		return errno
	}
	conn, errno := l.take()
	if errno != wasi.OK {
		return errno
	}
	if !l.session.seat.hold() {
		conn.Close()
		return wasi.EMFILE
	}
	c := &dataConn{session: l.session}
	handle, errno := l.session.own(c)
	if errno != wasi.OK {
		conn.Close()
		l.session.seat.drop(nil)
		return errno
	}
	c.connected(conn, handle)
	putUint32(a.bytes(1), handle)
	return wasi.OK
}

// dataConn is a data connection, or the attempt at an active one.
type dataConn struct {
	session *session
	conn    net.Conn // nil while dialling
	stream  *stream  // what the engine writes itself: listings
	cancel  context.CancelFunc
	tls     *closing // beneath TLS, from the begin of the handshake on; nil in the clear
	shaking bool     // hands: the handshake goes on
}

// usable says whether bytes may cross the connection: not beside a handshake, nor
// in the clear where TLS is required, whatever the guest believes.
func (c *dataConn) usable() wasi.Errno {
	switch {
	case c.conn == nil:
		return wasi.EBADF
	case c.shaking:
		return wasi.EBUSY
	case c.tls == nil && c.session.server.config.TLS.Require == TLSForTransfer:
		return wasi.EACCES
	}
	return wasi.OK
}

func (c *dataConn) owner() *session { return c.session }

func (c *dataConn) end() {
	if c.cancel != nil {
		c.cancel()
	}
	if c.stream != nil {
		c.stream.close(c.session.server.config.Limits.StallTime)
	}
}

// connected makes conn what the guest's handle reads and writes from now on.
func (c *dataConn) connected(conn net.Conn, handle uint32) {
	c.conn = conn
	c.stream = newStream(c.session.shard, conn)
	c.stream.seat = c.session.seat
	c.stream.owner(c.session.handle, handle)
	_, plain := conn.(*net.TCPConn)
	c.stream.secured = !plain
}

// settled tells the guest how dialling or a handshake went. It runs on the
// shard's goroutine, and reports false when the guest has given the handle up.
func (c *dataConn) settled(conn net.Conn, handle uint32, errno wasi.Errno) bool {
	s := c.session
	if current, bad := get[*dataConn](&s.shard.handles, handle); bad != wasi.OK || current != c {
		return false
	}
	if errno == wasi.OK {
		c.shaking = false
		c.connected(conn, handle)
	}
	s.shard.post(wasi.Event{Kind: wasi.EventWritable, Session: s.handle, Handle: handle, Errno: errno})
	return true
}

// isClient says whether an address is the client's. Where only one of them tells its
// zone, that is taken for the other's too.
func (s *session) isClient(a netip.Addr) bool {
	client := s.client.Addr()
	if a.Zone() == "" || client.Zone() == "" {
		return a.WithZone("") == client.WithZone("")
	}
	return a == client
}

// zoned is an address that the guest gave, which has no zone: one that is good on a
// link only is on the control connection's.
func (s *session) zoned(a netip.AddrPort) netip.AddrPort {
	if !a.Addr().IsLinkLocalUnicast() {
		return a
	}
	return netip.AddrPortFrom(a.Addr().WithZone(s.client.Addr().Zone()), a.Port())
}

// lowestPort is the lowest that an active client may name: below it are the
// well-known services that a bounce attack is after (RFC 2577 §3).
const lowestPort = 1024

func (sh *shard) netDial(a *args) wasi.Errno {
	s, errno := sh.session(a)
	if errno != wasi.OK {
		return errno
	}
	to := s.zoned(wasi.GetAddr(a.bytes(1)))
	if !to.IsValid() {
		return wasi.EINVAL
	}
	if to.Port() < lowestPort || !s.isClient(to.Addr()) && !s.server.config.AllowForeignDataAddress {
		s.observe(Event{Kind: DataRefused, Data: to})
		return wasi.EACCES
	}
	if s.working >= maxWorking || !s.seat.hold() {
		return wasi.EMFILE
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.server.config.Limits.DataTime)
	c := &dataConn{session: s, cancel: cancel}
	handle, errno := s.own(c)
	if errno != wasi.OK {
		cancel()
		s.seat.drop(nil)
		return errno
	}
	s.working++
	go c.dial(ctx, to, handle)
	putUint32(a.bytes(2), handle)
	return wasi.OK
}

func (c *dataConn) dial(ctx context.Context, to netip.AddrPort, handle uint32) {
	s := c.session
	dialer := net.Dialer{}
	if to.Addr().Is4() == s.local.Addr().Is4() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(s.local.Addr(), 0))
	}
	conn, err := dialer.DialContext(ctx, "tcp", to.String())
	lost := func() {
		if conn != nil {
			conn.Close()
		}
		s.seat.drop(nil)
	}
	done := s.shard.do(func() {
		s.working--
		if !c.settled(conn, handle, errnoOf(err)) || err != nil {
			lost()
		}
	})
	if !done {
		lost()
	}
}
