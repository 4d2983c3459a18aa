package conn

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

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
	of(func(fd uintptr) { gone = pending(int(fd), unix.POLLRDHUP) })
	return gone
}

// pending says whether a socket has any of the events, or has failed. It does not wait, and so
// need not tell Go's scheduler.
func pending(fd int, events int16) bool {
	of, now := unix.PollFd{Fd: int32(fd), Events: events}, unix.Timespec{}
	n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&of)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return errno == 0 && n > 0
}
