package conn

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"wasiftp/wasi/errno"
)

// Foreign is a control connection that is the embedder's own: his listener has made
// it, to count bytes or to read the header of a proxy, say. Each call into it is
// guarded, and the guest's goroutine waits for none. Its errors become the system's,
// which anybody can look at.
type Foreign struct {
	conn          net.Conn
	guarded       func(func() error) error
	local, remote net.Addr
	socket        socket
}

// Guarded is an embedder's connection, each call into which goes through guard. The error
// is that of finding out whose it is, which may take its time.
func Guarded(conn net.Conn, guard func(func() error) error) (*Foreign, error) {
	f := &Foreign{conn: conn, guarded: guard}
	return f, f.guard(func() error {
		f.local, f.remote = conn.LocalAddr(), conn.RemoteAddr()
		under := Bottom(conn)
		SetUrgentInline(under)
		if c, ok := under.(syscall.Conn); ok {
			f.socket.raw, _ = c.SyscallConn()
		}
		f.socket.foreign = f
		return nil
	})
}

func (f *Foreign) guard(call func() error) error {
	return f.guarded(func() error { return known(call()) })
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
	return errno.Of(err)
}

// moved is how many of the bytes in p a call says that it has moved.
func moved(p []byte, n int) int { return max(0, min(n, len(p))) }

func (f *Foreign) Read(p []byte) (n int, err error) {
	err = f.guard(func() (err error) { n, err = f.conn.Read(p); return err })
	return moved(p, n), err
}

func (f *Foreign) Write(p []byte) (n int, err error) {
	err = f.guard(func() (err error) { n, err = f.conn.Write(p); return err })
	return moved(p, n), err
}

func (f *Foreign) Close() error { return f.guard(f.conn.Close) }

// CloseWrite ends one direction, where the connection can.
func (f *Foreign) CloseWrite() error {
	return f.guard(func() error {
		if half, ok := f.conn.(interface{ CloseWrite() error }); ok {
			return half.CloseWrite()
		}
		return errors.ErrUnsupported
	})
}

func (f *Foreign) LocalAddr() net.Addr  { return f.local }
func (f *Foreign) RemoteAddr() net.Addr { return f.remote }

func (f *Foreign) SetDeadline(t time.Time) error {
	return f.guard(func() error { return f.conn.SetDeadline(t) })
}

func (f *Foreign) SetReadDeadline(t time.Time) error {
	return f.guard(func() error { return f.conn.SetReadDeadline(t) })
}

// SetWriteDeadline is the one that the guest's goroutine calls, and so waits for
// nothing.
func (f *Foreign) SetWriteDeadline(t time.Time) error {
	go f.guard(func() error { return f.conn.SetWriteDeadline(t) })
	return nil
}

// NetConn is what lies beneath.
func (f *Foreign) NetConn() net.Conn { return f.socket }

// socket is the system's beneath a foreign connection, to ask the system about.
type socket struct {
	net.Conn // nil: nothing goes past the foreign connection
	foreign  *Foreign
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
	foreign *Foreign
}

func (r guardedRaw) Control(f func(fd uintptr)) error {
	return r.foreign.guard(func() error { return r.RawConn.Control(f) })
}
