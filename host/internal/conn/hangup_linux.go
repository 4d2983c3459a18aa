package conn

import "golang.org/x/sys/unix"

// acknowledged is how many bytes the other end's system has acknowledged, 0 if unknown.
func acknowledged(of socketed) (n int64) {
	of(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = int64(info.Bytes_acked)
		}
	})
	return n
}

// hungUp says whether the other end of a socket will send no more, though some of the
// bytes that it sent may be unread.
func hungUp(of socketed) (gone bool) {
	of(func(fd uintptr) {
		n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}, 0)
		gone = n > 0
	})
	return gone
}
