package host

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// foreign is a control connection that is the embedder's own: his listener has made
// it, to count bytes or to read the header of a proxy, say. Each call into it is
// guarded, and the shard's goroutine waits for none. Its errors become the system's,
// which anybody can look at.
type foreign struct {
	conn          net.Conn
	server        *Server
	local, remote net.Addr
	socket        socket
}

// acceptForeign is accept for a connection that may take its time to say whose it is.
func (s *Server) acceptForeign(conn net.Conn, implicit bool) {
	f := &foreign{conn: conn, server: s}
	err := f.guard(func() error {
		f.local, f.remote = conn.LocalAddr(), conn.RemoteAddr()
		under := bottom(conn)
		setUrgentInline(under)
		if c, ok := under.(syscall.Conn); ok {
			f.socket.raw, _ = c.SyscallConn()
		}
		f.socket.foreign = f
		return nil
	})
	if err != nil {
		f.Close()
		return
	}
	s.accept(f, implicit)
}

func (f *foreign) guard(call func() error) error {
	return f.server.guard(connCode, nil, func() error { return known(call()) })
}

// known is an error without code of the embedder's in it.
func known(err error) error {
	var timed net.Error
	switch {
	case err == nil, err == io.EOF:
		return err
	case errors.As(err, &timed) && timed.Timeout():
		return os.ErrDeadlineExceeded
	}
	return errnoOf(err)
}

// moved is how many of the bytes in p a call says that it has moved.
func moved(p []byte, n int) int { return max(0, min(n, len(p))) }

func (f *foreign) Read(p []byte) (n int, err error) {
	err = f.guard(func() (err error) { n, err = f.conn.Read(p); return err })
	return moved(p, n), err
}

func (f *foreign) Write(p []byte) (n int, err error) {
	err = f.guard(func() (err error) { n, err = f.conn.Write(p); return err })
	return moved(p, n), err
}

func (f *foreign) Close() error { return f.guard(f.conn.Close) }

// CloseWrite ends one direction, where the connection can.
func (f *foreign) CloseWrite() error {
	return f.guard(func() error {
		if half, ok := f.conn.(interface{ CloseWrite() error }); ok {
			return half.CloseWrite()
		}
		return errors.ErrUnsupported
	})
}

func (f *foreign) LocalAddr() net.Addr  { return f.local }
func (f *foreign) RemoteAddr() net.Addr { return f.remote }

func (f *foreign) SetDeadline(t time.Time) error {
	return f.guard(func() error { return f.conn.SetDeadline(t) })
}

func (f *foreign) SetReadDeadline(t time.Time) error {
	return f.guard(func() error { return f.conn.SetReadDeadline(t) })
}

// SetWriteDeadline is the one that the shard's goroutine calls, and so waits for
// nothing.
func (f *foreign) SetWriteDeadline(t time.Time) error {
	go f.guard(func() error { return f.conn.SetWriteDeadline(t) })
	return nil
}

// NetConn is what lies beneath.
func (f *foreign) NetConn() net.Conn { return f.socket }

// socket is the system's beneath a foreign connection, to ask the system about.
type socket struct {
	net.Conn // nil: nothing goes past the foreign connection
	foreign  *foreign
	raw      syscall.RawConn // nil where there is none
}

// SyscallConn is [syscall.Conn]'s.
func (s socket) SyscallConn() (syscall.RawConn, error) {
	if s.raw == nil {
		return nil, errors.ErrUnsupported
	}
	return guardedRaw{s.raw, s.foreign}, nil
}

type guardedRaw struct {
	syscall.RawConn
	foreign *foreign
}

func (r guardedRaw) Control(f func(fd uintptr)) error {
	return r.foreign.guard(func() error { return r.RawConn.Control(f) })
}
