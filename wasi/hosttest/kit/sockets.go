package kit

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"wasiftp/wasi"
)

var socketChecks = []Check{
	{Import: "net_address", Proves: []string{"result"}, Promise: "side 0 is our end of the control connection, side 1 the client's", Run: func(c *Trial) {
		for side, want := range []net.Addr{c.Conn.RemoteAddr(), c.Conn.LocalAddr()} {
			c.Must(wasi.NetAddress, c.Session, uint64(side), c.At(ResultAt))
			if got := wasi.GetAddr(c.Peek(ResultAt, wasi.AddrSize)); got != want.(*net.TCPAddr).AddrPort() {
				c.T.Errorf("side %d is %v, not %v", side, got, want)
			}
		}
	}},
	{Import: "net_address", Proves: []string{"EINVAL"}, Promise: "EINVAL for any other side", Run: func(c *Trial) {
		c.refused(wasi.EINVAL, wasi.NetAddress, c.Session, 2, c.At(ResultAt))
	}},

	{Import: "net_read", Proves: []string{"result"}, Promise: "gives what has arrived, as much as fits, and the rest after that", Run: readsInPieces},
	{Import: "net_read", Proves: []string{"EAGAIN", "EventReadable"}, Promise: "EAGAIN when there is nothing yet, and EventReadable once there is", Run: readsLater},
	{Import: "net_read", Proves: []string{"result"}, Promise: "n 0 is the end of the stream, each time, after all that came before it", Run: readsEnd},
	{Import: "net_read", Proves: []string{"result"}, Promise: "a connection that the client resets ends, be it by an errno", Run: readsReset},

	{Import: "net_read", Proves: []string{"result"}, Promise: "gives all that a client sends, however much faster than it is read", Run: func(c *Trial) {
		p := c.second()
		c.Answer("watch %d", p.Session)
		want := append(bytes.ReplaceAll(pattern(300_000), []byte{'\n'}, []byte{0}), '\n')
		go p.Conn.Write(want)
		if got := c.readAll(p.Session); got != string(want) {
			c.T.Errorf("%d bytes were sent, and %d read, or others", len(want), len(got))
		}
	}},

	{Import: "net_write", Proves: []string{"result"}, Promise: "what is given to a control connection arrives, in order", Run: func(c *Trial) {
		p := c.second()
		c.Answer("watch %d", p.Session)
		c.writes(p.Session, p.Conn)
	}},
	{Import: "net_write", Proves: []string{"result"}, Promise: "what is given to a data connection arrives, in order", Run: func(c *Trial) {
		c.enter()
		conn, client := c.Data()
		c.writes(conn, client)
	}},
	{Import: "net_write", Proves: []string{"EAGAIN", "EventWritable"}, Promise: "takes less than all, or EAGAIN, when the control connection has no room, and EventWritable follows", Run: func(c *Trial) {
		p := c.second()
		c.Answer("watch %d", p.Session)
		c.fills(p.Session, p.Conn)
	}},
	{Import: "net_write", Proves: []string{"EAGAIN", "EventWritable"}, Promise: "takes less than all, or EAGAIN, when the data connection has no room, and EventWritable follows", Run: func(c *Trial) {
		c.enter()
		conn, client := c.Data()
		c.fills(conn, client)
	}},

	{Import: "net_listen", Proves: []string{"result"}, Promise: "opens a port at the address that it announces, a new one each time", Run: opensPorts},
	{Import: "net_listen", Proves: []string{"EINVAL"}, Promise: "family is 4, 6 or 0: else EINVAL, as for one that the control connection cannot have", Run: listensInFamilies},
	{Import: "net_listen", Proves: []string{"result"}, Promise: "goes on after many that were closed", Run: func(c *Trial) {
		c.enter()
		for range 200 {
			handle, _ := c.Listen()
			c.Must(wasi.HandleClose, handle)
		}
	}},

	{Import: "net_listen", Proves: []string{"result"}, Promise: "a session has room for four handles, and not for handles without end: EMFILE", Run: hoards},

	{Import: "net_accept", Proves: []string{"EAGAIN", "EventReadable"}, Promise: "EAGAIN while the client has not come, and EventReadable on the listener once it has", Run: accepts},
	{Import: "net_accept", Proves: []string{"result"}, Promise: "a client that came and sent and hung up before it was accepted is not lost", Run: acceptsWhoLeft},
	{Import: "net_accept", Proves: []string{"EBUSY"}, Promise: "EBUSY when several came: none may be trusted", Run: acceptsNone},
	{Import: "net_accept", Proves: []string{"result"}, Promise: "who comes from another address than the client's is turned away, and the client still waited for", Run: acceptsNoStranger},

	{Import: "net_dial", Proves: []string{"result", "EventWritable"}, Promise: "connects to the client's port, and EventWritable says OK", Run: dials},
	{Import: "net_dial", Proves: []string{"EventWritable"}, Promise: "EventWritable says ECONNREFUSED when nobody listens there", Run: dialsNobody},
	{Import: "net_dial", Proves: []string{"EACCES"}, Promise: "EACCES for a port below 1024", Run: func(c *Trial) {
		c.enter()
		for _, port := range []uint16{0, 1, 21, 22, 1023} {
			if errno := c.Dial(netip.AddrPortFrom(c.clientPort().address.Addr(), port)); errno != wasi.EACCES {
				c.T.Errorf("port %d: %v, not EACCES", port, errno)
			}
		}
	}},
	{Import: "net_dial", Proves: []string{"EACCES"}, Promise: "EACCES for an address that is not the client's", Run: dialsNoStranger},
	{Import: "net_dial", Proves: []string{"EINVAL"}, Promise: "EINVAL for an address of no family", Run: func(c *Trial) {
		c.enter()
		for _, family := range []byte{0, 5, 255} {
			c.Poke(TextAt, append([]byte{family, 0, 0x50, 0xc3, 127, 0, 0, 1}, make([]byte, 12)...))
			c.refused(wasi.EINVAL, wasi.NetDial, c.Session, c.At(TextAt), c.At(ResultAt))
		}
	}},
	{Import: "net_dial", Proves: []string{"result"}, Promise: "an attempt that is closed before it is answered leaves nothing", Run: func(c *Trial) {
		c.enter()
		for range 40 {
			if errno := c.Dial(c.clientPort().address); errno != wasi.OK && errno != wasi.EMFILE {
				c.T.Fatalf("%v, not OK", errno)
			} else if errno == wasi.OK {
				c.Must(wasi.HandleClose, c.Number(ResultAt))
			}
		}
		c.Forget()
		dials(c)
	}},

	{Import: "handle_close", Proves: []string{"result"}, Promise: "a data connection ends in order once all that was written has gone", Run: closesData},
	{Import: "handle_close", Proves: []string{"result"}, Promise: "a session's client gets the last reply and then the end, even when it still sends", Run: closesSession},
	{Import: "handle_close", Proves: []string{"result"}, Promise: "all that net_write took arrives, however late the client reads it", Run: closesFull},
	{Import: "handle_close", Proves: []string{"result"}, Promise: "a session goes with all it owns", Run: closesAll},
	{Import: "handle_close", Proves: []string{"result"}, Promise: "a session's transfer goes with it, and a download is reset", Run: func(c *Trial) {
		p := c.second()
		c.enter()
		p.Login(c.Target.User, c.Target.Password)
		file := p.Open(c.made("large", string(pattern(large))), 0, 0)
		conn, client := p.Data()
		p.Must(wasi.TransferStart, file, conn, 0, 0)
		io.ReadFull(client, make([]byte, 1000))
		c.Must(wasi.HandleClose, p.Session)
		if n, err := io.Copy(io.Discard, client); err == nil || timedOut(err) {
			c.T.Errorf("after %d bytes of %d the client sees %v, no reset", n+1000, large, err)
		}
	}},
	{Import: "handle_close", Proves: []string{"result"}, Promise: "a listener's port is free, and who came to it is turned away", Run: func(c *Trial) {
		c.enter()
		handle, at := c.Listen()
		waiting := c.connect(at)
		c.Event(wasi.EventReadable, handle)
		c.Must(wasi.HandleClose, handle)
		if n, err := waiting.Read(make([]byte, 1)); n > 0 || timedOut(err) {
			c.T.Errorf("who came to it gets %d bytes, %v", n, err)
		}
		c.closed(at)
	}},
	{Import: "handle_close", Proves: []string{"handles"}, Promise: "a number does not come back at once: EBADF is what the old one is", Run: func(c *Trial) {
		c.enter()
		for range 40 {
			old, _ := c.Listen()
			c.Must(wasi.HandleClose, old)
			again, _ := c.Listen()
			if old == again {
				c.T.Fatalf("%d is closed, and then the next listener", old)
			}
			c.refused(wasi.EBADF, wasi.NetAccept, old, c.At(ResultAt))
			c.Must(wasi.HandleClose, again)
		}
	}},
	{Import: "handle_close", Proves: []string{"result"}, Promise: "an upload that was not committed is aborted, and its name can be used", Run: func(c *Trial) {
		c.enter()
		name := c.name("aborted")
		file := c.Open(name, wasi.OpenWrite|wasi.OpenTruncate, 0)
		c.finish(c.upload(file, content, 0, 0))
		c.Must(wasi.HandleClose, file)
		c.refused(wasi.EBADF, wasi.FileCommit, file)
		c.put(name, "other")
		c.has(name, "other")
	}},
}

// refused checks that a call comes to an errno. What a host need not have is no
// fault.
func (c *Trial) refused(want wasi.Errno, n int, args ...uint64) {
	c.T.Helper()
	errno := c.Call(n, args...)
	if errno == wasi.ENOSYS && Optional(n) {
		c.T.Skipf(NotOffered+"%s is ENOSYS", wasi.Table[n].Name)
	}
	if errno != want {
		c.T.Errorf("%s %v: %v, not %v", wasi.Table[n].Name, args, errno, want)
	}
}

func timedOut(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}

func readsInPieces(c *Trial) {
	p := c.second()
	c.Answer("watch %d", p.Session)
	const want = "0123456789abcdef\n"
	io.WriteString(p.Conn, want)
	c.Event(wasi.EventReadable, p.Session)
	got := ""
	for !strings.HasSuffix(got, "\n") {
		text, errno := c.read(p.Session, 3)
		switch {
		case errno == wasi.EAGAIN:
			c.Event(wasi.EventReadable, p.Session)
		case errno != wasi.OK || text == "":
			c.T.Fatalf("after %q it gives %q, %v", got, text, errno)
		}
		got += text
	}
	if got != want {
		c.T.Errorf("%q was sent, and %q read", want, got)
	}
}

func readsLater(c *Trial) {
	p := c.second()
	c.Answer("watch %d", p.Session)
	for range 5 {
		if text, errno := c.read(p.Session, outSize); errno != wasi.EAGAIN {
			c.T.Fatalf("nothing was sent, and it gives %q, %v, not EAGAIN", text, errno)
		}
		c.Forget()
		io.WriteString(p.Conn, "line\n")
		c.Event(wasi.EventReadable, p.Session)
		if got := c.readAll(p.Session); got != "line\n" {
			c.T.Errorf("%q was sent, and %q read", "line\n", got)
		}
	}
}

func readsEnd(c *Trial) {
	p := c.second()
	c.Answer("watch %d", p.Session)
	io.WriteString(p.Conn, "last\n")
	p.Conn.(*net.TCPConn).CloseWrite()
	if got := c.readAll(p.Session); got != "last\n" {
		c.T.Errorf("%q was sent, and %q read", "last\n", got)
	}
	if got := c.untilEnd(p.Session); got != wasi.OK {
		c.T.Errorf("the end is %v, not 0 bytes", got)
	}
	if text, errno := c.read(p.Session, outSize); errno != wasi.OK || text != "" {
		c.T.Errorf("after the end it gives %q, %v, not the end again", text, errno)
	}
	if errno := c.Raw(wasi.NetWrite, append([]uint64{p.Session}, append(c.Text("bye\n"), c.At(ResultAt))...)...); errno != wasi.OK {
		c.T.Fatalf("net_write to a client that has said all: %v", errno)
	}
	c.Must(wasi.HandleClose, p.Session)
	c.ended(p.lines, "bye\n")
}

// untilEnd reads until there is no more, and says how that was told.
func (c *Trial) untilEnd(session uint64) wasi.Errno {
	c.T.Helper()
	for {
		text, errno := c.read(session, outSize)
		if errno == wasi.EAGAIN {
			c.Event(wasi.EventReadable, session)
		} else if errno != wasi.OK || text == "" {
			return errno
		}
	}
}

func readsReset(c *Trial) {
	p := c.second()
	c.Answer("watch %d", p.Session)
	p.Conn.(*net.TCPConn).SetLinger(0)
	p.Conn.Close()
	c.untilEnd(p.Session)
	c.Must(wasi.HandleClose, p.Session)
}

// pattern is bytes of which each place is different from those near it.
func pattern(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i) ^ byte(i>>8)*7
	}
	return b
}

// writes sends a few pieces by net_write and reads them at the client's end.
func (c *Trial) writes(conn uint64, client net.Conn) {
	c.T.Helper()
	want := pattern(9000)
	c.Poke(BufferAt, want)
	for at := 0; at < len(want); {
		errno := c.Raw(wasi.NetWrite, conn, c.At(BufferAt+uint64(at)), uint64(min(3000, len(want)-at)), c.At(ResultAt))
		if errno == wasi.EAGAIN {
			c.Event(wasi.EventWritable, conn)
			continue
		}
		if errno != wasi.OK {
			c.T.Fatalf("%v, not OK", errno)
		}
		at += int(c.Number(ResultAt))
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, want) {
		c.T.Errorf("the client gets something else, %v", err)
	}
}

// mostUnsent is more than a host and its system may keep for a client that does
// not read.
const mostUnsent = 64 << 20

// stuff writes the pattern again and again until there is no room, and says how
// many bytes that were.
func (c *Trial) stuff(conn uint64) (sent int) {
	c.T.Helper()
	c.Poke(BufferAt, pattern(piece))
	for {
		errno := c.Raw(wasi.NetWrite, conn, c.At(BufferAt), piece, c.At(ResultAt))
		if errno == wasi.EAGAIN {
			return sent
		}
		if errno != wasi.OK {
			c.T.Fatalf("net_write after %d bytes: %v, not OK or EAGAIN", sent, errno)
		}
		n := int(c.Number(ResultAt))
		if sent += n; n < piece {
			return sent
		}
		if sent > mostUnsent {
			c.T.Fatalf("net_write takes %d bytes for a client that reads none", sent)
		}
	}
}

const piece = 64 << 10

// stuffed reads what stuff has written.
func (c *Trial) stuffed(client io.Reader, sent int) {
	c.T.Helper()
	got := make([]byte, sent)
	if n, err := io.ReadFull(client, got); err != nil {
		c.T.Fatalf("of %d bytes taken the client gets %d: %v", sent, n, err)
	}
	for at := 0; at < sent; at += piece {
		if part := got[at:min(at+piece, sent)]; !bytes.Equal(part, pattern(len(part))) {
			c.T.Fatalf("the client gets other bytes than were taken, from %d on", at)
		}
	}
}

// fills writes until there is no room, then lets the client read.
func (c *Trial) fills(conn uint64, client net.Conn) {
	c.T.Helper()
	c.stuffed(client, c.stuff(conn))
	c.Event(wasi.EventWritable, conn)
	c.writes(conn, client)
}

func closesFull(c *Trial) {
	p := c.second()
	c.Answer("watch %d", p.Session)
	c.enter()
	conn, client := c.Data()
	for handle, end := range map[uint64]io.Reader{conn: client, p.Session: p.lines} {
		sent := c.stuff(handle)
		c.Must(wasi.HandleClose, handle)
		c.stuffed(end, sent)
		c.ended(end, "")
	}
}

func opensPorts(c *Trial) {
	c.enter()
	own := c.Conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	first, at := c.Listen()
	second, other := c.Listen()
	if at.Addr().Unmap() != own.Addr().Unmap() || at.Port() == 0 || at.Port() == own.Port() {
		c.T.Errorf("it announces %v to a client that has connected to %v", at, own)
	}
	if first == second || at == other {
		c.T.Errorf("two listeners are %d at %v and %d at %v", first, at, second, other)
	}
	for handle, address := range map[uint64]netip.AddrPort{first: at, second: other} {
		c.connect(address)
		c.Event(wasi.EventReadable, handle)
		c.Must(wasi.NetAccept, handle, c.At(ResultAt))
	}
}

// mostHandles is more than any session may have.
const mostHandles = 1000

func hoards(c *Trial) {
	c.enter()
	var handles []uint64
	for len(handles) < mostHandles {
		errno := c.Raw(wasi.NetListen, c.Session, 0, c.At(ResultAt), c.At(Result2At))
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
	if errno := c.Raw(wasi.NetListen, c.Session, 10-own, c.At(ResultAt), c.At(Result2At)); errno != wasi.EINVAL && errno != wasi.OK {
		c.T.Errorf("family %d: %v, not EINVAL", 10-own, errno)
	}
	for _, family := range []uint64{1, 5, 10, 1 << 31} {
		c.refused(wasi.EINVAL, wasi.NetListen, c.Session, family, c.At(ResultAt), c.At(Result2At))
	}
}

func accepts(c *Trial) {
	c.enter()
	listener, at := c.Listen()
	c.refused(wasi.EAGAIN, wasi.NetAccept, listener, c.At(ResultAt))
	client := c.connect(at)
	c.Event(wasi.EventReadable, listener)
	conn := c.Must(wasi.NetAccept, listener, c.At(ResultAt))
	if conn == listener || conn == c.Session || conn == 0 {
		c.T.Errorf("the connection's handle is %d", conn)
	}
	c.writes(conn, client)
}

func acceptsWhoLeft(c *Trial) {
	c.enter()
	name := c.name("left")
	file := c.Open(name, wasi.OpenWrite|wasi.OpenTruncate, 0)
	listener, at := c.Listen()
	client := c.connect(at)
	io.WriteString(client, content)
	client.Close()
	c.Event(wasi.EventReadable, listener)
	conn := c.Must(wasi.NetAccept, listener, c.At(ResultAt))
	c.Must(wasi.TransferStart, file, conn, 0, 0)
	c.finish(c.Event(wasi.EventTransfer, file))
	c.succeed(wasi.FileCommit, c.Call(wasi.FileCommit, file))
	c.has(name, content)
}

func acceptsNone(c *Trial) {
	c.enter()
	for range 5 { // the second may still be on its way
		listener, at := c.Listen()
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
			if n, err := conn.Read(make([]byte, 1)); n > 0 || timedOut(err) {
				c.T.Errorf("a client that may not be trusted gets %d bytes, %v", n, err)
			}
		}
		return
	}
	c.T.Errorf("OK each time, not EBUSY")
}

func acceptsNoStranger(c *Trial) {
	c.enter()
	if c.config().ForeignData {
		c.T.Skipf(NotOffered + "the host is set to allow it")
	}
	listener, at := c.Listen()
	stranger := c.stranger(at)
	if n, err := stranger.Read(make([]byte, 1)); n > 0 || timedOut(err) {
		c.T.Errorf("a stranger is not turned away: %d bytes, %v", n, err)
	}
	c.refused(wasi.EAGAIN, wasi.NetAccept, listener, c.At(ResultAt))
	client := c.connect(at)
	c.Event(wasi.EventReadable, listener)
	conn := c.Must(wasi.NetAccept, listener, c.At(ResultAt))
	c.writes(conn, client)
}

// stranger connects from another address than the client's, where this machine
// has one that reaches the host.
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
	l := c.clientPort()
	if errno := c.Dial(l.address); errno != wasi.OK {
		c.T.Fatalf("%v, not OK", errno)
	}
	conn := c.Number(ResultAt)
	if e := c.Event(wasi.EventWritable, conn); e.Errno != wasi.OK {
		c.T.Fatalf("EventWritable says %v, not OK", e.Errno)
	}
	client, err := l.Accept()
	if err != nil {
		c.T.Fatalf("nobody connects: %v", err)
	}
	defer client.Close()
	client.SetDeadline(time.Now().Add(c.patience))
	c.writes(conn, client)
}

func dialsNobody(c *Trial) {
	c.enter()
	l := c.clientPort()
	l.Close()
	if errno := c.Dial(l.address); errno != wasi.OK {
		c.T.Fatalf("%v, not OK: how it went is what EventWritable says", errno)
	}
	conn := c.Number(ResultAt)
	if e := c.Event(wasi.EventWritable, conn); e.Errno != wasi.ECONNREFUSED {
		c.T.Errorf("EventWritable says %v, not ECONNREFUSED", e.Errno)
	}
	c.Must(wasi.HandleClose, conn)
}

func dialsNoStranger(c *Trial) {
	c.enter()
	if c.config().ForeignData {
		c.T.Skipf(NotOffered + "the host is set to allow it")
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

func closesData(c *Trial) {
	c.enter()
	conn, client := c.Data()
	const piece = 16 << 10
	want := pattern(piece)
	c.Poke(BufferAt, want)
	if errno := c.Raw(wasi.NetWrite, conn, c.At(BufferAt), piece, c.At(ResultAt)); errno != wasi.OK {
		c.T.Fatalf("net_write: %v", errno)
	}
	n := c.Number(ResultAt)
	c.Must(wasi.HandleClose, conn)
	c.ended(client, string(want[:n]))
}

func closesSession(c *Trial) {
	p := c.second()
	c.Answer("watch %d", p.Session)
	p.Conn.Write(bytes.Repeat([]byte("never read\n"), 1000))
	text := c.Text("221 bye\r\n")
	if errno := c.Raw(wasi.NetWrite, p.Session, text[0], text[1], c.At(ResultAt)); errno != wasi.OK {
		c.T.Fatalf("net_write: %v", errno)
	}
	c.Must(wasi.HandleClose, p.Session)
	c.ended(p.lines, "221 bye\r\n")
	c.refused(wasi.EBADF, wasi.HandleClose, p.Session)
}

func closesAll(c *Trial) {
	p := c.second()
	c.enter()
	p.Login(c.Target.User, c.Target.Password)
	c.put(c.name("owned"), content)
	conn, client := p.Data()
	listener, at := p.Listen()
	file, dir := p.Open(c.name("owned"), 0, 0), p.List(".", 0)
	c.Must(wasi.HandleClose, p.Session)
	for what, handle := range map[string]uint64{"session": p.Session, "connection": conn, "listener": listener, "file": file, "directory": dir} {
		if errno := c.Raw(wasi.HandleClose, handle); errno != wasi.EBADF {
			c.T.Errorf("its %s is left: handle_close is %v, not EBADF", what, errno)
		}
	}
	c.ended(client, "")
	c.closed(at)
}

// closed checks that nobody listens there any more.
func (c *Trial) closed(at netip.AddrPort) {
	c.T.Helper()
	for deadline := time.Now().Add(c.patience); ; {
		conn, err := net.DialTimeout("tcp", at.String(), c.patience)
		if err != nil {
			return
		}
		conn.Close()
		if time.Now().After(deadline) {
			c.T.Errorf("the port is still open")
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
