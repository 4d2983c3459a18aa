package ftptest

import (
	"net/netip"
	"slices"

	"wasiftp/module/ftp"
)

// conn is a connection as two byte queues.
type conn struct {
	w             *World
	owner, handle ftp.Handle
	toServer      []byte
	toClient      []byte
	clientClosed  bool // the client will send no more
	clientGone    bool // the client reads no more either
	serverClosed  bool
	reset         bool // the server broke it off
	wantRead      bool // EventReadable is owed
	wantWrite     bool // EventWritable is owed
	deflated      bool
	writes        int // how many writes of the server put bytes into toClient
}

// listener is a passive data port.
type listener struct {
	owner ftp.Handle
	addr  netip.AddrPort
	queue []*conn
}

// LocalAddress is the server's end of a control connection.
func (w *World) LocalAddress(h ftp.Handle) netip.AddrPort {
	s, ok := get[*session](w, "LocalAddress", h)
	if !ok {
		return netip.AddrPort{}
	}
	return s.server
}

// PeerAddress is the client's end of a control connection.
func (w *World) PeerAddress(h ftp.Handle) netip.AddrPort {
	s, ok := get[*session](w, "PeerAddress", h)
	if !ok {
		return netip.AddrPort{}
	}
	return s.peer
}

// conn finds the control or data connection of a handle.
func (w *World) conn(call string, h ftp.Handle) *conn {
	switch c := w.handles[h].(type) {
	case *session:
		return c.conn
	case *conn:
		return c
	}
	w.broken("%s: bad handle %d", call, h)
	return nil
}

// Read reads what the client has sent.
func (w *World) Read(h ftp.Handle, p []byte) (int, error) {
	c := w.conn("Read", h)
	if c == nil {
		return 0, ftp.ErrReset
	}
	if len(p) == 0 {
		w.broken("Read: no room")
		return 0, ftp.ErrStorage
	}
	if len(c.toServer) == 0 {
		switch {
		case c.clientGone:
			return 0, ftp.ErrReset
		case c.clientClosed:
			return 0, nil
		}
		c.wantRead = true
		return 0, ftp.ErrAgain
	}
	room := len(p)
	if w.Segment > 0 {
		p = p[:min(len(p), w.Segment)]
	}
	n := copy(p, c.toServer)
	c.toServer = slices.Delete(c.toServer, 0, n)
	if n < room && w.shortReads {
		if c.wantRead = true; len(c.toServer) > 0 || c.clientClosed {
			c.sent()
		}
	}
	return n, nil
}

// Write takes as much as there is room for.
func (w *World) Write(h ftp.Handle, p []byte) (int, error) {
	c := w.conn("Write", h)
	if c == nil || c.clientGone {
		return 0, ftp.ErrReset
	}
	if len(p) == 0 {
		w.broken("Write: nothing")
	}
	n := c.room(len(p))
	c.toClient = append(c.toClient, p[:n]...)
	if n > 0 {
		c.writes++
	}
	if n == len(p) {
		return n, nil
	}
	c.wantWrite = true
	if n == 0 {
		return 0, ftp.ErrAgain
	}
	return n, nil
}

// room is how many of n bytes the connection takes now.
func (c *conn) room(n int) int {
	if c.w.Room == 0 {
		return n
	}
	return min(n, max(c.w.Room-len(c.toClient), 0))
}

// send sends bytes from the client.
func (c *conn) send(text string) {
	c.toServer = append(c.toServer, text...)
	c.sent()
}

// take takes all bytes that came to the client.
func (c *conn) take() string {
	text := string(c.toClient)
	c.toClient = nil
	c.read()
	return text
}

// sent is called when the client has sent bytes or closed its side.
func (c *conn) sent() {
	if c.wantRead && !c.serverClosed {
		c.wantRead = false
		c.w.event(ftp.EventReadable, c.owner, c.handle, nil, 0)
	}
}

// read is called when the client has read bytes, or will not read again.
func (c *conn) read() {
	if c.wantWrite && !c.serverClosed {
		c.wantWrite = false
		c.w.event(ftp.EventWritable, c.owner, c.handle, nil, 0)
	}
}

// Listen opens a passive data port. It may wait.
func (w *World) Listen(h ftp.Handle, family int) (ftp.Handle, netip.AddrPort, error) {
	s, ok := get[*session](w, "Listen", h)
	if !ok {
		return 0, netip.AddrPort{}, ftp.ErrStorage
	}
	if err := w.wait(s, "Listen", family); err != nil {
		return 0, netip.AddrPort{}, err
	}
	is4 := s.server.Addr().Unmap().Is4()
	if family == 4 && !is4 || family == 6 && is4 {
		return 0, netip.AddrPort{}, ftp.ErrName
	}
	w.port++
	l := &listener{owner: h, addr: netip.AddrPortFrom(s.server.Addr(), w.port)}
	return w.newHandle(l), l.addr, nil
}

// Accept takes the data connection that came; ErrBusy if several did.
func (w *World) Accept(h ftp.Handle) (ftp.Handle, error) {
	l, ok := get[*listener](w, "Accept", h)
	switch {
	case !ok:
		return 0, ftp.ErrStorage
	case len(l.queue) == 0:
		return 0, ftp.ErrAgain
	case len(l.queue) > 1:
		return 0, ftp.ErrBusy
	}
	c := l.queue[0]
	l.queue = nil
	c.owner = l.owner
	c.handle = w.newHandle(c)
	return c.handle, nil
}

// Dial connects to a client that listens.
func (w *World) Dial(h ftp.Handle, to netip.AddrPort) (ftp.Handle, error) {
	if _, ok := get[*session](w, "Dial", h); !ok {
		return 0, ftp.ErrStorage
	}
	w.Attempts = append(w.Attempts, to)
	c := &conn{w: w, owner: h}
	c.handle = w.newHandle(c)
	target := w.waiting[to]
	if target == nil {
		w.event(ftp.EventWritable, h, c.handle, ftp.ErrRefused, 0)
		return c.handle, nil
	}
	target.queue = append(target.queue, &Data{conn: c})
	w.event(ftp.EventWritable, h, c.handle, nil, 0)
	return c.handle, nil
}

// Close closes any handle, and with a session all handles that it owns.
func (w *World) Close(h ftp.Handle) {
	v, ok := w.handles[h]
	if !ok {
		w.broken("Close: bad handle %d", h)
		return
	}
	delete(w.handles, h)
	switch v := v.(type) {
	case *session:
		v.serverClosed = true
		w.sessions = slices.DeleteFunc(w.sessions, func(s *session) bool { return s == v })
		for other, owned := range w.handles {
			if w.ownerOf(owned) == h {
				w.Close(other)
			}
		}
	case *conn:
		v.serverClosed = true
	case *listener:
		for _, c := range v.queue {
			c.serverClosed = true
		}
	case *openFile:
		w.drop(v)
	}
}

func (w *World) ownerOf(v any) ftp.Handle {
	switch v := v.(type) {
	case *conn:
		return v.owner
	case *listener:
		return v.owner
	case *openFile:
		return v.owner.handle
	case *directory:
		return v.owner.handle
	}
	return 0
}
