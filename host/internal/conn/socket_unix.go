//go:build unix

package conn

import (
	"net"
	"syscall"
)

// tryWriter writes to a connection without waiting, where that is a socket of the system's.
type tryWriter struct {
	raw  syscall.RawConn // nil: there is no socket, and never room
	once func(fd uintptr) bool
	p    []byte
	n    int
}

func (t *tryWriter) init(conn net.Conn) {
	t.raw = rawConn(conn)
	t.once = func(fd uintptr) bool {
		t.n, _ = syscall.Write(int(fd), t.p)
		return true
	}
}

// write returns how many bytes of p the socket took at once. An error counts as none: the
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

func urgentInline(fd uintptr) {
	syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_OOBINLINE, 1)
}
