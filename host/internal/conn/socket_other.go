//go:build !unix

package conn

import "net"

// tryWriter never has room: every write is left to a goroutine.
type tryWriter struct{}

func (*tryWriter) init(net.Conn)    {}
func (*tryWriter) write([]byte) int { return 0 }
