package kit

import (
	"io"
	"net"
	"net/netip"
	"time"

	"wasiftp/wasi"
)

var dataChecks = []Check{
	{"net_listen", "result", "opens a port at the address that it announces, a new one each time", opensPorts},
	{"net_listen", "EINVAL",
		"family is 4, 6 or 0: else EINVAL, as for one that the control connection cannot have", listensInFamilies},
	{"net_listen", "result", "goes on after many that were closed", loggedIn(func(c *Trial) {
		for range 200 {
			handle, _ := c.Listen()
			c.Must(wasi.HandleClose, handle)
		}
	})},
	{"net_listen", "result", "a session has room for four handles, and not for handles without end: EMFILE", hoards},

	{"net_accept", "EAGAIN EventReadable",
		"EAGAIN while the client has not come, and EventReadable on the listener once it has", accepts},
	{"net_accept", "result", "a client that came and sent and hung up before it was accepted is not lost", acceptsWhoLeft},
	{"net_accept", "EBUSY", "EBUSY when several came: none may be trusted", acceptsNone},
	{"net_accept", "result",
		"who comes from another address than the client's is turned away, and the client still waited for", acceptsNoStranger},

	{"net_dial", "result EventWritable", "connects to the client's port, and EventWritable says OK", dials},
	{"net_dial", "EventWritable", "EventWritable says ECONNREFUSED when nobody listens there", dialsNobody},
	{"net_dial", "EACCES", "EACCES for a port below 1024", loggedIn(func(c *Trial) {
		for _, port := range []uint16{0, 1, 21, 22, 1023} {
			if errno := c.Dial(netip.AddrPortFrom(c.clientPort().address.Addr(), port)); errno != wasi.EACCES {
				c.T.Errorf("port %d: %v, not EACCES", port, errno)
			}
		}
	})},
	{"net_dial", "EACCES", "EACCES for an address that is not the client's", dialsNoStranger},
	{"net_dial", "EINVAL", "EINVAL for an address of no family", loggedIn(func(c *Trial) {
		for _, family := range []byte{0, 5, 255} {
			c.Poke(TextAt, append([]byte{family, 0, 0x50, 0xc3, 127, 0, 0, 1}, make([]byte, 12)...))
			c.refused(wasi.EINVAL, wasi.NetDial, c.Session, c.At(TextAt), c.At(ResultAt))
		}
	})},
	{"net_dial", "result", "an attempt that is closed before it is answered leaves nothing", loggedIn(func(c *Trial) {
		for range 40 {
			if errno := c.Dial(c.clientPort().address); errno != wasi.OK && errno != wasi.EMFILE {
				c.T.Fatalf("net_dial: %v, not OK or EMFILE", errno)
			} else if errno == wasi.OK {
				c.Must(wasi.HandleClose, c.Number(ResultAt))
			}
		}
		c.Forget()
		dials(c)
	})},
}

func opensPorts(c *Trial) {
	c.enter()
	own := c.Conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	first, at := c.Listen()
	second, other := c.Listen()
	if at.Addr().Unmap() != own.Addr().Unmap() || at.Port() == 0 || at.Port() == own.Port() {
		c.T.Errorf("net_listen announces %v to a client that has connected to %v", at, own)
	}
	if first == second || at == other {
		c.T.Errorf("two listeners are handle %d at %v and handle %d at %v", first, at, second, other)
	}
	for handle, address := range map[uint64]netip.AddrPort{first: at, second: other} {
		c.awaits(handle)
		c.connect(address)
		c.Event(wasi.EventReadable, handle)
		c.Must(wasi.NetAccept, handle, c.At(ResultAt))
	}
}

// mostHandles is more than any host may allow a session.
const mostHandles = 1000

func hoards(c *Trial) {
	c.enter()
	var handles []uint64
	for len(handles) < mostHandles {
		errno := c.Call(wasi.NetListen, c.Session, 0, c.At(ResultAt), c.At(Result2At))
		if errno != wasi.OK {
			if errno != wasi.EMFILE || len(handles) < 4 {
				c.T.Errorf("%v after %d listeners, not EMFILE after four or more", errno, len(handles))
			}
			break
		}
		handles = append(handles, c.Number(ResultAt))
	}
	if len(handles) == mostHandles {
		c.T.Errorf("%d listeners, and no EMFILE", len(handles))
	}
	for _, handle := range handles {
		c.Must(wasi.HandleClose, handle)
	}
	c.Listen()
}

func listensInFamilies(c *Trial) {
	c.enter()
	own := uint64(6)
	if c.Conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap().Is4() {
		own = 4
	}
	c.Must(wasi.NetListen, c.Session, own, c.At(ResultAt), c.At(Result2At))
	if errno := c.Call(wasi.NetListen, c.Session, 10-own, c.At(ResultAt), c.At(Result2At)); errno != wasi.EINVAL &&
		errno != wasi.OK {
		c.T.Errorf("family %d: %v, not EINVAL", 10-own, errno)
	}
	for _, family := range []uint64{1, 5, 10, 1 << 31} {
		c.refused(wasi.EINVAL, wasi.NetListen, c.Session, family, c.At(ResultAt), c.At(Result2At))
	}
}

func accepts(c *Trial) {
	c.enter()
	listener, at := c.Listen()
	c.awaits(listener)
	client := c.connect(at)
	c.Event(wasi.EventReadable, listener)
	conn := c.Must(wasi.NetAccept, listener, c.At(ResultAt))
	if conn == listener || conn == c.Session || conn == 0 {
		c.T.Errorf("the handle of the connection is %d, which is 0, the listener's or the session's", conn)
	}
	c.writes(conn, client)
}

func acceptsWhoLeft(c *Trial) {
	c.enter()
	name := c.name("left")
	file := c.create(name)
	listener, at := c.Listen()
	c.awaits(listener)
	client := c.connect(at)
	io.WriteString(client, content)
	client.Close()
	c.Event(wasi.EventReadable, listener)
	conn := c.Must(wasi.NetAccept, listener, c.At(ResultAt))
	c.Must(wasi.TransferStart, file, conn, 0, 0)
	c.finish(c.Event(wasi.EventTransfer, file))
	c.Must(wasi.FileCommit, file)
	c.has(name, content)
}

func acceptsNone(c *Trial) {
	c.enter()
	for range 5 { // the second client may still be on its way
		listener, at := c.Listen()
		c.awaits(listener)
		first, second := c.connect(at), c.connect(at)
		c.Event(wasi.EventReadable, listener)
		for range 20 {
			c.life()
		}
		errno := c.Raw(wasi.NetAccept, listener, c.At(ResultAt))
		c.Must(wasi.HandleClose, listener)
		if errno == wasi.OK {
			c.Must(wasi.HandleClose, c.Number(ResultAt))
			continue
		}
		if errno != wasi.EBUSY {
			c.T.Errorf("%v, not EBUSY", errno)
		}
		for _, conn := range []net.Conn{first, second} {
			c.turnedAway(conn, "a client that may not be trusted")
		}
		return
	}
	c.T.Errorf("net_accept of a listener with two clients: OK in five attempts, not EBUSY")
}

func acceptsNoStranger(c *Trial) {
	c.enter()
	if c.config().ForeignData {
		c.T.Skipf(NotOffered + "the configuration allows other addresses than the client's")
	}
	listener, at := c.Listen()
	stranger := c.stranger(at)
	c.turnedAway(stranger, "a stranger")
	c.awaits(listener)
	client := c.connect(at)
	c.Event(wasi.EventReadable, listener)
	conn := c.Must(wasi.NetAccept, listener, c.At(ResultAt))
	c.writes(conn, client)
}

// turnedAway checks that a connection ends without a byte; who names its client.
func (c *Trial) turnedAway(conn net.Conn, who string) {
	c.T.Helper()
	if n, err := conn.Read(make([]byte, 1)); n > 0 || timedOut(err) {
		c.T.Errorf("%s gets %d bytes and %v, not the end", who, n, err)
	}
}

// stranger connects from another address than the client's. It skips the check when this
// machine has no other address that reaches the host.
func (c *Trial) stranger(to netip.AddrPort) net.Conn {
	c.T.Helper()
	from := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}
	dialer := net.Dialer{LocalAddr: from, Timeout: c.patience}
	conn, err := dialer.Dial("tcp", to.String())
	if err != nil {
		c.T.Skipf(NotChecked+"this machine has no other address: %v", err)
	}
	c.T.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(c.patience))
	return conn
}

func dials(c *Trial) {
	c.enter()
	conn, client := c.dialled()
	c.writes(conn, client)
}

// dialled opens an active data connection, and returns its handle and the client's end.
func (c *Trial) dialled() (uint64, net.Conn) {
	c.T.Helper()
	l := c.clientPort()
	c.succeed(wasi.NetDial, c.Dial(l.address))
	conn := c.Number(ResultAt)
	c.connected(conn)
	client, err := l.Accept()
	if err != nil {
		c.T.Fatalf("the host has not connected: %v", err)
	}
	c.T.Cleanup(func() { client.Close() })
	client.SetDeadline(time.Now().Add(c.patience))
	return conn, client
}

// connected waits for the EventWritable that follows net_dial and net_tls, which must say OK.
func (c *Trial) connected(conn uint64) {
	c.T.Helper()
	if e := c.Event(wasi.EventWritable, conn); e.Errno != wasi.OK {
		c.T.Fatalf("EventWritable says %v, not OK", e.Errno)
	}
}

func dialsNobody(c *Trial) {
	c.enter()
	var e wasi.Event
	for range 5 { // another program may have taken the port meanwhile
		l := c.clientPort()
		l.Close()
		if errno := c.Dial(l.address); errno != wasi.OK {
			c.T.Fatalf("net_dial: %v, not OK: EventWritable has the errno of the attempt", errno)
		}
		conn := c.Number(ResultAt)
		e = c.Event(wasi.EventWritable, conn)
		c.Must(wasi.HandleClose, conn)
		if e.Errno != wasi.OK {
			break
		}
	}
	if e.Errno != wasi.ECONNREFUSED {
		c.T.Errorf("EventWritable says %v, not ECONNREFUSED", e.Errno)
	}
}

func dialsNoStranger(c *Trial) {
	c.enter()
	if c.config().ForeignData {
		c.T.Skipf(NotOffered + "the configuration allows other addresses than the client's")
	}
	port := c.clientPort().address.Port()
	for _, address := range []string{"127.0.0.2", "10.0.0.1", "0.0.0.0", "255.255.255.255", "::", "::1", "2001:db8::1"} {
		to := netip.AddrPortFrom(netip.MustParseAddr(address), port)
		if to.Addr() == c.Conn.LocalAddr().(*net.TCPAddr).AddrPort().Addr() {
			continue
		}
		if errno := c.Dial(to); errno != wasi.EACCES {
			c.T.Errorf("%v: %v, not EACCES", to, errno)
		}
	}
}
