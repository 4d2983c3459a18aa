package conn

import (
	"net"
	"syscall"
)

// SetUrgentInline puts TCP urgent data where it stands in the stream: a Telnet
// Synch ends in an urgent byte (RFC 854), which Python's ftplib even makes a
// letter of ABOR.
func SetUrgentInline(conn net.Conn) {
	const oobInline = 0x100 // SO_OOBINLINE of winsock2.h
	c, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := c.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) {
			syscall.SetsockoptInt(syscall.Handle(fd), syscall.SOL_SOCKET, oobInline, 1)
		})
	}
}
