package host

import (
	"compress/flate"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"wasiftp/host/internal/conn"
	"wasiftp/host/internal/wasm"
	"wasiftp/wasi"
)

// listener waits up to Limits.DataTime for a passive data connection (RFC 959 §4.1.2,
// PASV). Then its port is given back; a connection that has come stays. Only the shard's
// goroutine uses it.
//
// A port that is not of the range is kept for the session's next transfer: to open one
// takes long when many connections of the system are in TIME_WAIT.
type listener struct {
	session *session
	handle  uint32 // 0 while the port is kept
	socket  conn.Listener
	port    uint16
	ranged  bool // the port is of the range
	timer   *time.Timer
	until   time.Time // the timer's
	arrived []*conn.Arrival
	heard   []*conn.Arrival            // of proxies, that nobody has looked at yet
	proxied map[*conn.Proxied]struct{} // whose header has not come yet
	wanted  bool                       // the guest has asked for the connection
	taken   bool                       // the guest has the connection
	shut    bool                       // the port has been given back
	failing bool                       // a connection could not be accepted
	uses    int
	public  netip.Addr // see announced
	opened  time.Time
}

const (
	// keptTime is how long a port is kept between two transfers.
	keptTime = 10 * time.Second

	// maxUses is how often a port is used. A client that ends many connections to one port
	// within a minute has no port of its own left (TIME_WAIT, RFC 9293 §3.6.1).
	maxUses = 1000

	// maxStrays is how many connections are accepted at a time, of which none is wanted.
	maxStrays = 64

	// failPause is how long a listener waits before it accepts again.
	failPause = 100 * time.Millisecond
)

// open gives the listener its handle, and begins the wait.
func (l *listener) open() wasi.Errno {
	l.limit(l.session.config.Limits.DataTime)
	handle, errno := l.session.own(l)
	if errno != wasi.OK {
		l.shutPort()
		return errno
	}
	l.handle, l.wanted, l.taken = handle, false, false
	l.uses++
	return wasi.OK
}

// limit has expire called after wait, and not at an earlier time that was set.
func (l *listener) limit(wait time.Duration) {
	l.until = time.Now().Add(wait)
	if l.timer == nil {
		l.timer = time.AfterFunc(wait, func() { l.session.shard.do(l.expire) })
	} else {
		l.timer.Reset(wait)
	}
}

func (l *listener) owner() *session { return l.session }

func (l *listener) end() {
	if !l.taken && !l.shut && (l.wanted || l.session.over) {
		if l.look(); len(l.arrived) == 0 {
			l.unreached()
		}
	}
	for _, a := range l.arrived {
		a.Close()
	}
	l.arrived, l.handle = nil, 0
	l.unhear()
	if l.taken && !l.shut && l.lasting() && l.session.kept == nil {
		l.session.kept = l
		l.limit(keptTime)
	} else {
		l.shutPort()
	}
}

// keptPort is the port that the session has kept; nil for none. Connections that have come
// since the last transfer are none of the next.
func (s *session) keptPort() *listener {
	l := s.kept
	if l == nil {
		return nil
	}
	s.kept = nil
	for range maxStrays {
		stray := l.next()
		if stray == nil {
			l.unhear()
			return l
		}
		stray.Close()
	}
	l.shutPort()
	return nil
}

// shutPort gives the port back.
func (l *listener) shutPort() {
	if l.shut {
		return
	}
	l.shut = true
	l.timer.Stop()
	l.unhear()
	l.socket.Close()
	if l.ranged {
		l.session.server.ports.giveBack(l.session, l.port)
	}
}

// expire ends the wait. The guest gets an event if no connection has come.
func (l *listener) expire() {
	if l.shut || time.Now().Before(l.until) {
		return
	}
	if l.handle == 0 {
		l.session.kept = nil
		l.shutPort()
		return
	}
	l.look()
	l.shutPort()
	if len(l.arrived) == 0 {
		l.unreached()
		l.tell()
	}
}

// unreached sends the event of a port that no client came to. Mostly a firewall is in the way,
// or the address is wrong.
func (l *listener) unreached() {
	s := l.session
	s.spoken.told.Store(true)
	s.observe(Event{Kind: Unreached, Data: s.announced(l)})
}

// tell has the guest ask for the connection.
func (l *listener) tell() {
	l.session.shard.post(wasi.Event{Kind: wasi.EventReadable, Session: l.session.handle, Handle: l.handle})
}

// attend takes up connections that have come, and tells the guest if it waits for one.
func (l *listener) attend() {
	before := len(l.arrived)
	if l.shut || l.handle == 0 || l.taken {
		return
	}
	if l.look(); l.wanted && before == 0 && len(l.arrived) > 0 {
		l.tell()
	}
}

// look accepts connections from the client's address until there are two, of which none
// can be trusted.
func (l *listener) look() {
	for !l.shut {
		a := l.next()
		if a == nil {
			return
		}
		if l.arrived = append(l.arrived, a); len(l.arrived) == 2 {
			l.shutPort()
		}
	}
}

// next is a connection from the client's address, nil if none has come. Connections from
// elsewhere are closed unread.
func (l *listener) next() *conn.Arrival {
	s := l.session
	for range maxStrays {
		a, err := l.accept()
		if err != nil {
			l.fail(err)
		}
		if a == nil {
			return nil
		}
		if s.owns(a.From.Addr()) || s.vouched() {
			return a
		}
		a.Close()
		s.observe(Event{Kind: DataRefused, Data: a.From})
	}
	s.shard.do(l.attend) // others come first
	return nil
}

// fail has the listener try again a little later: a connection that could not be accepted,
// for want of descriptors, say, is still there.
func (l *listener) fail(err error) {
	s := l.session
	if !l.failing {
		s.server.logger.Warn("no data connection accepted; trying again", "session", s.id, "client", s.client, "err", err)
	}
	l.failing = true
	time.AfterFunc(failPause, func() { s.shard.do(l.attend) })
}

// take returns the connection. If two came from the client's address, one of them is a
// thief's, and nobody can say which: EBUSY. The first call begins the transfer, so that
// DataTime begins anew.
func (l *listener) take() (*conn.Arrival, wasi.Errno) {
	l.look()
	switch len(l.arrived) {
	case 0:
		if l.shut {
			return nil, errnoOf(os.ErrDeadlineExceeded)
		}
		if !l.wanted {
			l.wanted = true
			l.limit(l.session.config.Limits.DataTime)
		}
		return nil, wasi.EAGAIN
	case 1:
		a := l.arrived[0]
		l.arrived, l.taken = nil, true
		return a, wasi.OK
	}
	return nil, wasi.EBUSY
}

func (sh *shard) netListen(a *wasm.Args) wasi.Errno {
	s, errno := sh.session(a)
	if errno != wasi.OK {
		return errno
	}
	family, errno := s.family(a.Uint32(1))
	if errno != wasi.OK {
		return errno
	}
	scarce := s.config.Passive.FirstPort > 0 || s.config.ListenData != nil
	if len(s.objects) >= maxOwned || scarce && s.listens() {
		return wasi.EMFILE // the engine needs one port a session; of a range it gets no more
	}
	l := s.keptPort()
	if l == nil {
		port, errno := s.openPort(family)
		if errno != wasi.OK {
			return errno
		}
		l = port.listener()
	}
	if errno := l.open(); errno != wasi.OK {
		return errno
	}
	putUint32(a.Bytes(2), l.handle)
	wasi.PutAddr(a.Bytes(3), s.announced(l))
	return wasi.OK
}

// listens reports whether the session has a passive port.
func (s *session) listens() bool {
	return slices.ContainsFunc(s.objects, func(handle uint32) bool {
		_, errno := get[*listener](&s.shard.handles, handle)
		return errno == wasi.OK
	})
}

func (sh *shard) netAccept(a *wasm.Args) wasi.Errno {
	l, errno := get[*listener](&sh.handles, a.Handle(0))
	if errno != wasi.OK {
		return errno
	}
	arrival, errno := l.take()
	if errno != wasi.OK {
		return errno
	}
	s := l.session
	if !s.seat.hold() {
		arrival.Close()
		return wasi.EMFILE
	}
	c := &dataConn{session: s}
	handle, errno := s.own(c)
	if errno != wasi.OK {
		arrival.Close()
		s.seat.drop(nil)
		return errno
	}
	c.stream = arrival.Stream(s.shard.poll, &link{s.shard, s.seat, s.handle, handle})
	sh.tally.connected(false)
	putUint32(a.Bytes(1), handle)
	return wasi.OK
}

// dataConn is a data connection, or an active one that is being dialled.
type dataConn struct {
	session  *session
	stream   *conn.Stream // nil while dialling
	cancel   context.CancelFunc
	tls      *conn.Closing  // the connection under TLS, set when the handshake begins; nil in the clear
	shaking  bool           // the handshake is under way
	deflated *conn.Deflated // nil but in MODE Z
}

// usable is OK if bytes may cross the connection: not during a handshake, and not in the
// clear where TLS is required.
func (c *dataConn) usable() wasi.Errno {
	switch {
	case c.stream == nil:
		return wasi.EBADF
	case c.shaking:
		return wasi.EBUSY
	case c.tls == nil && c.session.config.TLS.Require == TLSForTransfer:
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
		stall := c.session.config.Limits.StallTime
		c.stream.Close(stall, stall)
	}
}

// connected makes the connection that the guest's handle stands for.
func (c *dataConn) connected(to net.Conn, handle uint32) {
	s := c.session
	c.stream = conn.New(to, nil, &link{s.shard, s.seat, s.handle, handle})
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
	if c.stream == nil || c.shaking || c.deflated != nil || level > flate.BestCompression {
		return wasi.EINVAL
	}
	if c.stream.Busy() {
		return wasi.EBUSY
	}
	if level == 0 {
		level = defaultLevel
	}
	c.deflated = &conn.Deflated{
		Conn: c.stream.Ordinary(), Level: level, Stall: c.session.config.Limits.StallTime,
		Labour: c.session.labour(context.Background()),
	}
	c.connected(c.deflated, a.Handle(0))
	return wasi.OK
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
	elsewhere := s.config.ListenData != nil && s.config.DialData == nil
	if elsewhere || to.Port() < wasi.LowestPort || !s.owns(to.Addr()) {
		s.spoken.told.Store(true)
		s.observe(Event{Kind: DataRefused, Data: to})
		return wasi.EACCES
	}
	if s.dialing >= maxOwned || !s.seat.hold() { // attempts whose handle was closed count until they end
		return wasi.EMFILE
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.config.Limits.DataTime)
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
	made, err := s.dialData(ctx, to)
	lost := func() {
		if made != nil {
			made.Close()
		}
		s.seat.drop(nil)
	}
	done := s.shard.do(func() {
		s.dialing--
		if err == nil {
			s.shard.tally.connected(true)
		}
		if !c.settled(made, handle, errnoOf(err)) || err != nil {
			lost()
		}
		if err != nil && ctx.Err() != context.Canceled {
			s.spoken.told.Store(true)
			s.observe(Event{Kind: DataRefused, Data: to, Err: err})
		}
	})
	if !done {
		lost()
	}
}

var errNoConn = errors.New("DialData returned neither a connection nor an error")

// dialData makes an active data connection, by the embedder's network if there is one.
func (s *session) dialData(ctx context.Context, to netip.AddrPort) (made net.Conn, err error) {
	if s.config.DialData == nil {
		dialer := net.Dialer{}
		if to.Addr().Is4() == s.here().Is4() {
			dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(s.here(), 0))
		}
		return dialer.DialContext(ctx, "tcp", to.String())
	}
	err = s.guard(dialDataCode, func() (err error) {
		made, err = s.config.DialData(ctx, s.dataRequest(), to)
		return err
	})
	if err == nil && made == nil {
		err = errNoConn
	}
	if _, system := made.(*net.TCPConn); err == nil && !system {
		made, err = conn.Guarded(made, func(call func() error) error { return s.guard(connCode, call) })
	}
	if err != nil {
		s.config.Logger.Warn("no data connection", "session", s.id, "client", s.client, "err", err)
		err = &portFault{err}
	}
	return made, err
}
