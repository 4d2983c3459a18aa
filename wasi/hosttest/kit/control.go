package kit

import (
	"bytes"
	"io"
	"net"
	"strings"

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
	{"net_read", "result", "n 0 is the end of the stream, each time, after all that came before it", readsEnd},
	{"net_read", "result", "a connection that the client resets ends, be it by an errno", readsReset},
	{"net_read", "result", "gives all that a client sends, however much faster than it is read", func(c *Trial) {
		p := c.second()
		c.Answer("watch %d", p.Session)
		want := append(bytes.ReplaceAll(pattern(300_000), []byte{'\n'}, []byte{0}), '\n')
		go p.Conn.Write(want)
		if got := c.readAll(p.Session); got != string(want) {
			c.T.Errorf("%d bytes were sent, and %d read, or others", len(want), len(got))
		}
	}},

	{"net_write", "result", "what is given to a control connection arrives, in order", func(c *Trial) {
		p := c.second()
		c.Answer("watch %d", p.Session)
		c.writes(p.Session, p.Conn)
	}},
	{"net_write", "result", "what is given to a data connection arrives, in order", func(c *Trial) {
		c.enter()
		conn, client := c.Data()
		c.writes(conn, client)
	}},
	{"net_write", "EAGAIN EventWritable",
		"takes less than all, or EAGAIN, when the control connection has no room, and EventWritable follows", func(c *Trial) {
			p := c.second()
			c.Answer("watch %d", p.Session)
			c.fills(p.Session, p.Conn)
		}},
	{"net_write", "EAGAIN EventWritable",
		"takes less than all, or EAGAIN, when the data connection has no room, and EventWritable follows", func(c *Trial) {
			c.enter()
			conn, client := c.Data()
			c.fills(conn, client)
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
