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

// Foreign is a connection of the embedder's own type: his listener has made it,
// to count bytes, say, or to read a proxy's header. Each call into it is guarded, and the
// guest's goroutine waits for none. Its errors become io.EOF, os.ErrDeadlineExceeded or
// an errno, whose methods are not code of the embedder's.
type Foreign struct {
	conn          net.Conn
	guarded       func(func() error) error
	local, remote net.Addr
	socket        socket
}

// Guarded makes a Foreign that calls the embedder's connection through guard alone. It
// asks for the connection's addresses, which may block, and returns the error of that;
// the Foreign is to be closed in any case.
func Guarded(conn net.Conn, guard func(func() error) error) (*Foreign, error) {
	f := &Foreign{conn: conn, guarded: guard}
	return f, f.guard(func() error {
		f.local, f.remote = conn.LocalAddr(), conn.RemoteAddr()
		under := Bottom(conn)
		control(under, urgentInline)
		f.socket.raw, f.socket.foreign = rawConn(under), f
		return nil
	})
}

func (f *Foreign) guard(call func() error) error {
	return f.guarded(func() error { return known(call()) })
}

// known replaces an error of the embedder's type, whose methods are his code.
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

// moved bounds the count of bytes that the embedder's code returns for p.
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

// CloseWrite ends the sending direction, where the connection has such a method.
func (f *Foreign) CloseWrite() error {
	return f.guard(func() error {
		if half, ok := f.conn.(interface{ CloseWrite() error }); ok {
			return half.CloseWrite()
		}
		return errors.ErrUnsupported
	})
}

// reset breaks the connection off, where it has a method for that.
func (f *Foreign) reset() error {
	return f.guard(func() error {
		if abrupt, ok := f.conn.(interface{ SetLinger(int) error }); ok {
			abrupt.SetLinger(0)
		}
		return f.conn.Close()
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

// SetWriteDeadline doesn't wait for the embedder's, because the guest's goroutine calls it.
func (f *Foreign) SetWriteDeadline(t time.Time) error {
	go f.guard(func() error { return f.conn.SetWriteDeadline(t) })
	return nil
}

// NetConn is the connection beneath.
func (f *Foreign) NetConn() net.Conn { return f.socket }

// socket is the system's socket beneath a foreign connection. It only serves to ask the
// system about the connection: bytes move through the foreign one.
type socket struct {
	net.Conn // nil
	foreign  *Foreign
	raw      syscall.RawConn // nil where there is none
}

// SyscallConn implements [syscall.Conn].
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
