//go:build !linux

package conn

import (
	"context"
	"io"
	"net"
)

// SendFile can't: goroutines move all bytes here.
func SendFile(context.Context, net.Conn, io.Reader, int64, func(int64)) (done bool, err error) {
	return false, nil
}
