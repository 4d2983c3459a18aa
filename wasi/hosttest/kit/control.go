package kit

import (
	"bytes"
	"io"
	"net"

	"wasiftp/wasi"
)

var controlChecks = []Check{
	{"net_address", "result", "side 0 is our end of the control connection, side 1 the client's", func(c *Trial) {
		for side, want := range []net.Addr{c.Conn.RemoteAddr(), c.Conn.LocalAddr()} {
			c.Must(wasi.NetAddress, c.Session, uint64(side), c.At(ResultAt))
			if got := wasi.GetAddr(c.Peek(ResultAt, wasi.AddrSize)); got != want.(*net.TCPAddr).AddrPort() {
				c.T.Errorf("side %d is %v, not %v", side, got, want)
			}
		}
	}},
	{"net_address", "EINVAL", "EINVAL for any other side", func(c *Trial) {
		c.refused(wasi.EINVAL, wasi.NetAddress, c.Session, 2, c.At(ResultAt))
	}},

	{"net_read", "result", "gives what has arrived, as much as fits, and the rest after that", readsInPieces},
	{"net_read", "EAGAIN EventReadable", "EAGAIN when there is nothing yet, and EventReadable once there is", readsLater},
	{"net_read", "EventReadable", "a host that promises ShortReads sends EventReadable after less than fits, too", readsShort},
	{"net_read", "result", "n 0 is the end of the stream, each time, after all that came before it", readsEnd},
	{"net_read", "result", "a connection that the client resets ends, be it by an errno", readsReset},
	{"net_read", "result", "gives all that a client sends, however much faster than it is read", func(c *Trial) {
		p := c.watched()
		want := append(bytes.ReplaceAll(pattern(300_000), []byte{'\n'}, []byte{0}), '\n')
		go p.Conn.Write(want)
		if got := c.readLine(p.Session, outSize); got != string(want) {
			c.T.Errorf("of %d bytes sent, %d come, or other bytes", len(want), len(got))
		}
	}},

	{"net_write", "result", "what is given to a control connection arrives, in order", func(c *Trial) {
		p := c.watched()
		c.writes(p.Session, p.Conn)
	}},
	{"net_write", "result", "what is given to a data connection arrives, in order", loggedIn(func(c *Trial) {
		conn, client := c.Data()
		c.writes(conn, client)
	})},
	{"net_write", "EAGAIN EventWritable",
		"takes less than all, or EAGAIN, when the control connection has no room, and EventWritable follows", func(c *Trial) {
			p := c.watched()
			c.fills(p.Session, p.Conn)
		}},
	{"net_write", "EAGAIN EventWritable",
		"takes less than all, or EAGAIN, when the data connection has no room, and EventWritable follows", loggedIn(func(c *Trial) {
			conn, client := c.Data()
			c.fills(conn, client)
		})},
}

// refused checks that a call returns an errno. It skips the check when the host does not
// offer the import, and need not.
func (c *Trial) refused(want wasi.Errno, n int, args ...uint64) {
	c.T.Helper()
	errno := c.Call(n, args...)
	c.skipAbsent(n, errno)
	if errno != want {
		c.T.Errorf("%s %v: %v, not %v", wasi.Table[n].Name, args, errno, want)
	}
}

func timedOut(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}

func readsInPieces(c *Trial) {
	p := c.watched()
	const want = "0123456789abcdef\n"
	io.WriteString(p.Conn, want)
	c.Event(wasi.EventReadable, p.Session)
	c.reads(p.Session, 3, want)
}

func readsLater(c *Trial) {
	p := c.watched()
	for range 5 {
		if text, errno := c.read(p.Session, outSize); errno != wasi.EAGAIN {
			c.T.Fatalf("nothing was sent, and net_read gives %q, %v, not EAGAIN", text, errno)
		}
		c.Forget()
		io.WriteString(p.Conn, "line\n")
		c.Event(wasi.EventReadable, p.Session)
		c.reads(p.Session, outSize, "line\n")
	}
}

func readsShort(c *Trial) {
	if !c.config().ShortReads {
		c.T.Skipf(NotOffered + "the configuration does not promise ShortReads")
	}
	p := c.watched()
	if text, errno := c.read(p.Session, outSize); errno != wasi.EAGAIN {
		c.T.Fatalf("nothing was sent, and net_read gives %q, %v, not EAGAIN", text, errno)
	}
	for range 5 {
		c.Forget()
		io.WriteString(p.Conn, "line\n")
		c.Event(wasi.EventReadable, p.Session)
		if text, errno := c.read(p.Session, outSize); text != "line\n" {
			c.T.Fatalf("a line was sent, and net_read gives %q, %v", text, errno)
		}
	}
	c.Forget()
	p.Conn.(*net.TCPConn).CloseWrite()
	c.Event(wasi.EventReadable, p.Session)
	if text, errno := c.read(p.Session, outSize); errno != wasi.OK || text != "" {
		c.T.Errorf("at the end net_read gives %q, %v", text, errno)
	}
}

func readsEnd(c *Trial) {
	p := c.watched()
	io.WriteString(p.Conn, "last\n")
	p.Conn.(*net.TCPConn).CloseWrite()
	c.reads(p.Session, outSize, "last\n")
	if got := c.untilEnd(p.Session); got != wasi.OK {
		c.T.Errorf("net_read at the end is %v, not 0 bytes", got)
	}
	if text, errno := c.read(p.Session, outSize); errno != wasi.OK || text != "" {
		c.T.Errorf("after the end net_read gives %q, %v, not the end again", text, errno)
	}
	c.write(p.Session, "bye\n") // the client has ended its own side only
	c.Must(wasi.HandleClose, p.Session)
	c.ended(p.lines, "bye\n")
}

// reads checks that a session sends a line. net_read gets room bytes at a time.
func (c *Trial) reads(session, room uint64, want string) {
	c.T.Helper()
	if got := c.readLine(session, room); got != want {
		c.T.Errorf("%q was sent, but net_read gives %q", want, got)
	}
}

// write gives a short text to net_write, which must have room for it.
func (c *Trial) write(conn uint64, text string) {
	c.T.Helper()
	data := c.Text(text)
	c.Must(wasi.NetWrite, conn, data[0], data[1], c.At(ResultAt))
}

// untilEnd reads a session to its end. It returns the errno of the end, OK for 0 bytes.
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
	p := c.watched()
	p.Conn.(*net.TCPConn).SetLinger(0)
	p.Conn.Close()
	c.untilEnd(p.Session)
	c.Must(wasi.HandleClose, p.Session)
}

// pattern is bytes among which a lost, doubled or moved piece shows.
func pattern(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i) ^ byte(i>>8)*7
	}
	return b
}

// writes writes a few pieces by net_write, and checks that the client gets them.
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
			c.T.Fatalf("net_write: %v, not OK", errno)
		}
		at += int(c.Number(ResultAt))
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, want) {
		c.T.Errorf("the client gets other bytes than net_write took, %v", err)
	}
}

// mostUnsent is more than a host and its system may keep for a client that does not read.
const mostUnsent = 64 << 20

// stuff writes the pattern again and again until there is no room, and returns the number
// of bytes.
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

// stuffed checks that the client gets the bytes that stuff has written.
func (c *Trial) stuffed(client io.Reader, sent int) {
	c.T.Helper()
	got := make([]byte, sent)
	if n, err := io.ReadFull(client, got); err != nil {
		c.T.Fatalf("of %d bytes that net_write took, the client gets %d: %v", sent, n, err)
	}
	for at := 0; at < sent; at += piece {
		if part := got[at:min(at+piece, sent)]; !bytes.Equal(part, pattern(len(part))) {
			c.T.Fatalf("the client gets other bytes than net_write took, from %d on", at)
		}
	}
}

// fills writes until there is no room, lets the client read, and checks that there is room
// again.
func (c *Trial) fills(conn uint64, client net.Conn) {
	c.T.Helper()
	c.stuffed(client, c.stuff(conn))
	c.Event(wasi.EventWritable, conn)
	c.writes(conn, client)
}
