package conn

import (
	"net"
	"syscall"
)

// Bottom is the connection beneath TLS and all other layers.
func Bottom(conn net.Conn) net.Conn {
	for {
		over, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return conn
		}
		conn = over.NetConn()
	}
}

// rawConn is the system's socket of a connection or a listener, nil where there is none.
func rawConn(of any) syscall.RawConn {
	if c, ok := of.(syscall.Conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}

// socketed calls do with the descriptor of a connection, if it has one.
type socketed func(do func(fd uintptr))

// control calls do with the descriptor of a connection or a listener that has one.
func control(of any, do func(fd uintptr)) {
	if raw := rawConn(of); raw != nil {
		raw.Control(do)
	}
}
