//go:build !linux

package conn

import "net"

// directOf is nil: here goroutines read from all sockets.
func directOf(net.Conn, *Poll) direct { return nil }

// directListener is nil: here goroutines accept.
func directListener(net.Listener, *Poll, func()) Listener { return nil }
