//go:build !linux

package conn

import "net"

// ListenTCP opens a listener.
func ListenTCP(network, address string) (net.Listener, error) { return listenTCP(network, address) }

// Adopt returns the listener.
func Adopt(tcp *net.TCPListener) net.Listener { return tcp }
