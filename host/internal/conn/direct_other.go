//go:build !linux

package conn

import "net"

// directOf is nil: here goroutines read from all sockets.
func directOf(net.Conn, *Poll) direct { return nil }
