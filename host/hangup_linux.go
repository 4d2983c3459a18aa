package host

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// hungUp says whether the other end of a socket will send no more, though some of
// what it has sent may not be read yet.
func hungUp(conn net.Conn) (gone bool) {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	raw.Control(func(fd uintptr) {
		n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}, 0)
		gone = n > 0
	})
	return gone
}
