package kit

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"time"

	"wasiftp/wasi"
)

var closeChecks = []Check{
	{"handle_close", "result", "a data connection ends in order once all that was written has gone", closesData},
	{"handle_close", "result",
		"a session's client gets the last reply and then the end, even when it still sends", closesSession},
	{"handle_close", "result", "all that net_write took arrives, however late the client reads it", closesFull},
	{"handle_close", "result", "a session goes with all it owns", closesAll},
	{"handle_close", "result", "a session's transfer goes with it, and a download is reset", func(c *Trial) {
		p := c.second()
		c.enter()
		p.Login(c.Target.User, c.Target.Password)
		file := p.Open(c.made("large", string(pattern(large))), 0, 0)
		client := p.transfer(file, 0, 0)
		io.ReadFull(client, make([]byte, 1000))
		c.Must(wasi.HandleClose, p.Session)
		if n, err := io.Copy(io.Discard, client); err == nil || timedOut(err) {
			c.T.Errorf("after %d bytes of %d the client sees %v, not a reset", n+1000, large, err)
		}
	}},
	{"handle_close", "result", "a listener's port is free, and who came to it is turned away", loggedIn(func(c *Trial) {
		handle, at := c.Listen()
		c.awaits(handle)
		waiting := c.connect(at)
		c.Event(wasi.EventReadable, handle)
		c.Must(wasi.HandleClose, handle)
		c.turnedAway(waiting, "a client that came to the listener")
		c.closed(at)
	})},
	{"handle_close", "handles", "a number does not come back at once: EBADF is what the old one is", loggedIn(func(c *Trial) {
		for range 40 {
			old, _ := c.Listen()
			c.Must(wasi.HandleClose, old)
			again, _ := c.Listen()
			if old == again {
				c.T.Fatalf("handle %d is a listener that was closed, and also the next one", old)
			}
			c.refused(wasi.EBADF, wasi.NetAccept, old, c.At(ResultAt))
			c.Must(wasi.HandleClose, again)
		}
	})},
	{"handle_close", "result",
		"an upload that was not committed is aborted, and its name can be used at once", loggedIn(func(c *Trial) {
			name := c.name("aborted")
			for range 20 {
				file := c.create(name)
				c.finish(c.upload(file, content, 0, 0))
				c.Must(wasi.HandleClose, file)
				c.refused(wasi.EBADF, wasi.FileCommit, file)
			}
			c.put(name, "other")
			c.has(name, "other")
		})},
}

func closesFull(c *Trial) {
	p := c.watched()
	c.enter()
	conn, client := c.Data()
	for handle, end := range map[uint64]io.Reader{conn: client, p.Session: p.lines} {
		sent := c.stuff(handle)
		c.Must(wasi.HandleClose, handle)
		c.stuffed(end, sent)
		c.ended(end, "")
	}
}

func closesData(c *Trial) {
	c.enter()
	conn, client := c.Data()
	const piece = 16 << 10
	want := pattern(piece)
	c.Poke(BufferAt, want)
	n := c.Must(wasi.NetWrite, conn, c.At(BufferAt), piece, c.At(ResultAt))
	c.Must(wasi.HandleClose, conn)
	c.ended(client, string(want[:n]))
}

func closesSession(c *Trial) {
	p := c.watched()
	p.Conn.Write(bytes.Repeat([]byte("never read\n"), 1000))
	c.write(p.Session, "221 bye\r\n")
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
	for what, handle := range map[string]uint64{"session": p.Session, "connection": conn, "listener": listener, "file": file,
		"directory": dir} {
		if errno := c.Raw(wasi.HandleClose, handle); errno != wasi.EBADF {
			c.T.Errorf("the session's %s is still open: handle_close is %v, not EBADF", what, errno)
		}
	}
	c.ended(client, "")
	c.closed(at)
}

// closed checks that nobody listens at an address any more.
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
