package host

import (
	"compress/flate"
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"wasiftp/host/internal/conn"
	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
)

// listener waits up to Limits.DataTime for a passive data connection (RFC 959 §4.1.2,
// PASV). Then its port is given back; a connection that has come stays.
type listener struct {
	session *session
	handle  uint32
	socket  net.Listener
	port    uint16 // of the range, 0 for none
	timer   *time.Timer

	mu      sync.Mutex
	arrived []net.Conn // from the client's address
	wanted  bool       // the guest has asked for the connection
	shut    bool       // the port has been given back
}

func (s *session) listener(socket net.Listener, port uint16) *listener {
	l := &listener{session: s, socket: socket, port: port}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = time.AfterFunc(s.server.config.Limits.DataTime, l.expire)
	return l
}

// open gives the listener its handle, and begins to accept.
func (l *listener) open() wasi.Errno {
	handle, errno := l.session.own(l)
	if errno != wasi.OK {
		l.end()
		return errno
	}
	l.mu.Lock()
	l.handle = handle
	l.mu.Unlock()
	l.session.server.work.Go(l.accept)
	return wasi.OK
}

func (l *listener) owner() *session { return l.session }

func (l *listener) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shutPort()
	for _, c := range l.arrived {
		c.Close()
	}
	l.arrived = nil
}

// shutPort gives the port back. Callers hold l.mu.
func (l *listener) shutPort() {
	if l.shut {
		return
	}
	l.shut = true
	l.timer.Stop()
	l.socket.Close()
	l.session.server.ports.giveBack(l.session, l.port)
}

// expire ends the wait. The guest gets an event if no connection has come.
func (l *listener) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shut {
		return
	}
	l.shutPort()
	if len(l.arrived) == 0 {
		l.session.shard.post(wasi.Event{Kind: wasi.EventReadable, Session: l.session.handle, Handle: l.handle})
	}
}

// accept keeps connections from the client's address until there are two, of which none
// can be trusted. Connections from elsewhere are closed unread, and the wait goes on.
func (l *listener) accept() {
	s := l.session
	s.server.acceptAll(l.socket, func(conn net.Conn) bool {
		from := addrPort(conn.RemoteAddr())
		if !wasi.IsClient(s.client.Addr(), from.Addr()) && !s.server.config.AllowForeignDataAddress {
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
	if l.shut {
		conn.Close()
		return false
	}
	l.arrived = append(l.arrived, conn)
	if len(l.arrived) == 1 {
		l.session.shard.post(wasi.Event{Kind: wasi.EventReadable, Session: l.session.handle, Handle: l.handle})
		return true
	}
	l.shutPort()
	return false
}

// take returns the connection. If two came from the client's address, one of them is a
// thief's, and nobody can say which: EBUSY. The first call begins the transfer, so that
// DataTime begins anew.
func (l *listener) take() (net.Conn, wasi.Errno) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch len(l.arrived) {
	case 0:
		if l.shut {
			return nil, errnoOf(os.ErrDeadlineExceeded)
		}
		if !l.wanted {
			l.wanted = true
			l.timer.Reset(l.session.server.config.Limits.DataTime)
		}
		return nil, wasi.EAGAIN
	case 1:
		conn := l.arrived[0]
		l.arrived = nil
		return conn, wasi.OK
	}
	return nil, wasi.EBUSY
}

func (sh *shard) netListen(a *wasm.Args) wasi.Errno {
	s, errno := sh.session(a)
	if errno != wasi.OK {
		return errno
	}
	family := uint32(6)
	if s.local.Addr().Is4() {
		family = 4
	}
	if want := a.Uint32(1); !s.local.IsValid() || want != 0 && want != family {
		return wasi.EINVAL
	}
	if len(s.objects) >= maxOwned || s.server.config.Passive.FirstPort > 0 && s.listens() {
		return wasi.EMFILE // the engine needs one port a session; of a range it gets no more
	}
	listen := func(ctx context.Context) answer {
		socket, port, err := s.server.ports.listen(ctx, s)
		if err != nil {
			s.server.config.Logger.Warn("no passive port", "session", s.id, "client", s.client, "err", err)
			return answer{errno: errnoOf(err)}
		}
		return answer{port: s.listener(socket, port)}
	}
	var result answer
	if s.server.config.Passive.FirstPort > 0 {
		result, errno = s.pose(questionKey{call: wasi.NetListen, flags: family}, listen)
	} else {
		result = listen(context.Background()) // without a range this does not wait
		errno = result.errno
	}
	if errno != wasi.OK {
		return errno
	}
	l := result.port
	if errno := l.open(); errno != wasi.OK {
		return errno
	}
	putUint32(a.Bytes(2), l.handle)
	wasi.PutAddr(a.Bytes(3), s.announced(addrPort(l.socket.Addr()).Port()))
	return wasi.OK
}

// listens reports whether the session has a passive port.
func (s *session) listens() bool {
	return slices.ContainsFunc(s.objects, func(handle uint32) bool {
		_, errno := get[*listener](&s.shard.handles, handle)
		return errno == wasi.OK
	})
}

// announced is the address at which this client reaches a passive port.
func (s *session) announced(port uint16) netip.AddrPort {
	passive, client := &s.server.config.Passive, s.client.Addr()
	near := slices.ContainsFunc(passive.LocalNetworks, func(n netip.Prefix) bool { return n.Contains(client) })
	if passive.LocalNetworks == nil {
		near = wasi.IsNear(client)
	}
	return wasi.Announced(s.local.Addr(), passive.PublicAddress, near, port)
}

func (sh *shard) netAccept(a *wasm.Args) wasi.Errno {
	l, errno := get[*listener](&sh.handles, a.Handle(0))
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
	putUint32(a.Bytes(1), handle)
	return wasi.OK
}

// dataConn is a data connection, or an active one that is being dialled.
type dataConn struct {
	session *session
	conn    net.Conn     // nil while dialling
	stream  *conn.Stream // for the bytes that the engine writes itself: listings
	cancel  context.CancelFunc
	tls     *conn.Closing // the connection under TLS, set when the handshake begins; nil in the clear
	shaking bool          // the handshake is under way
}

// usable is OK if bytes may cross the connection: not during a handshake, and not in the
// clear where TLS is required.
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
		stall := c.session.server.config.Limits.StallTime
		c.stream.Close(stall, stall)
	}
}

// connected makes the connection that the guest's handle stands for.
func (c *dataConn) connected(to net.Conn, handle uint32) {
	s := c.session
	c.conn, c.stream = to, conn.New(to, nil, &link{s.shard, s.seat, s.handle, handle})
}

// defaultLevel is zlib's own.
const defaultLevel = 6

// netDeflate puts a data connection into MODE Z. Transfers read and write the expanded
// bytes, so that all limits count the bytes of the file.
func (sh *shard) netDeflate(a *wasm.Args) wasi.Errno {
	c, errno := get[*dataConn](&sh.handles, a.Handle(0))
	if errno != wasi.OK {
		return errno
	}
	level := int(a.Uint32(1))
	if c.conn == nil || c.shaking || c.compressed() || level > flate.BestCompression {
		return wasi.EINVAL
	}
	if c.stream.Busy() {
		return wasi.EBUSY
	}
	if level == 0 {
		level = defaultLevel
	}
	d := &conn.Deflated{
		Conn: c.conn, Level: level, Stall: sh.server.config.Limits.StallTime, Labour: c.session.labour(context.Background()),
	}
	c.connected(d, a.Handle(0))
	return wasi.OK
}

func (c *dataConn) compressed() bool {
	_, is := c.conn.(*conn.Deflated)
	return is
}

// settled posts the result of dialling or of a handshake. It runs on the shard's
// goroutine. It returns false if the guest has closed the handle.
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

func (sh *shard) netDial(a *wasm.Args) wasi.Errno {
	s, errno := sh.session(a)
	if errno != wasi.OK {
		return errno
	}
	to := wasi.Zoned(s.client.Addr(), wasi.GetAddr(a.Bytes(1)))
	if !to.IsValid() {
		return wasi.EINVAL
	}
	if to.Port() < wasi.LowestPort || !wasi.IsClient(s.client.Addr(), to.Addr()) && !s.server.config.AllowForeignDataAddress {
		s.observe(Event{Kind: DataRefused, Data: to})
		return wasi.EACCES
	}
	if s.dialing >= maxOwned || !s.seat.hold() { // attempts whose handle was closed count until they end
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
	s.dialing++
	go c.dial(ctx, to, handle)
	putUint32(a.Bytes(2), handle)
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
		s.dialing--
		if !c.settled(conn, handle, errnoOf(err)) || err != nil {
			lost()
		}
	})
	if !done {
		lost()
	}
}
