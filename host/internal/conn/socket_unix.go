//go:build unix

package conn

import (
	"net"
	"syscall"
)

// tryWriter writes without waiting, where a connection is a socket of the
// system's.
type tryWriter struct {
	raw  syscall.RawConn // nil: nothing can be tried
	once func(fd uintptr) bool
	p    []byte
	n    int
}

func (t *tryWriter) init(conn net.Conn) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	t.raw = raw
	t.once = func(fd uintptr) bool {
		t.n, _ = syscall.Write(int(fd), t.p)
		return true
	}
}

// write is how much of p the socket took at once. An error is not told: the
// write that waits will meet it again.
func (t *tryWriter) write(p []byte) int {
	if t.raw == nil {
		return 0
	}
	t.p, t.n = p, 0
	t.raw.Write(t.once)
	t.p = nil
	return max(t.n, 0)
}

// SetUrgentInline puts TCP urgent data where it stands in the stream: a Telnet
// Synch ends in an urgent byte (RFC 854), which Python's ftplib even makes a
// letter of ABOR.
func SetUrgentInline(conn net.Conn) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := c.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_OOBINLINE, 1) })
	}
}
