//go:build !unix

package conn

import "net"

// tryWriter takes nothing: a goroutine does every write.
type tryWriter struct{}

func (*tryWriter) init(net.Conn)    {}
func (*tryWriter) write([]byte) int { return 0 }
