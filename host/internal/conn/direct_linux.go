package conn

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// polled is a socket that an epoll watches.
type polled struct {
	epoll   *epoll // nil before join
	stream  *Stream
	fd      int32 // -1 once closed
	place   int32 // in epoll
	watched bool
}

// directOf takes a TCP connection from Go's hands; nil leaves it there.
func directOf(c net.Conn, p *Poll) direct {
	d := &polled{}
	tcp, ok := c.(*net.TCPConn)
	if !ok || !d.join(p) {
		return nil
	}
	fd := copied(tcp)
	if fd < 0 {
		return nil
	}
	tcp.Close()
	d.fd = int32(fd)
	return d
}

// copied is a copy of the descriptor of a connection or a listener, -1 if there is none to
// be had.
func copied(of any) int {
	n := -1
	control(of, func(fd uintptr) { n, _ = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	return n
}

func (d *polled) join(p *Poll) bool {
	if p != nil {
		d.epoll = p.ready()
	}
	return d.epoll != nil
}

func (d *polled) watch(s *Stream, receives bool) error {
	if receives {
		d.forget()
	} else if d.watched {
		return nil
	}
	events := uint32(unix.EPOLLOUT)
	if receives {
		events |= unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLPRI
	}
	d.stream = s
	var err error
	d.place, err = d.epoll.add(int(d.fd), events, d)
	d.watched = err == nil
	return err
}

// seen implements [watcher].
func (d *polled) seen(e uint32) {
	d.stream.seen(events{
		bytes:  e&unix.EPOLLIN != 0,
		urgent: e&unix.EPOLLPRI != 0,
		end:    e&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0,
		room:   e&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0,
	})
}

// received is the result of recvfrom, which need not tell Go's scheduler since it doesn't
// wait. A nil p with MSG_TRUNC drops the bytes.
func (d *polled) received(p *byte, size, flags int) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(d.fd), uintptr(unsafe.Pointer(p)), uintptr(size),
		uintptr(flags), 0, 0)
	switch {
	case errno != 0:
		return 0, errno
	case n == 0:
		return 0, io.EOF
	}
	return int(n), nil
}

func (d *polled) read(p []byte) (int, error) {
	if raced {
		n, err := syscall.Read(int(d.fd), p)
		if n == 0 && err == nil {
			err = io.EOF
		}
		return max(n, 0), err
	}
	return d.received(unsafe.SliceData(p), len(p), 0)
}

func (d *polled) write(p []byte) (int, error) {
	if raced {
		n, err := syscall.Write(int(d.fd), p)
		return max(n, 0), err
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
		unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// mostDiscarded is how many bytes are dropped at a time: more than a socket holds.
const mostDiscarded = 64 << 20

func (d *polled) discard() (more bool) {
	for range 4 { // a client may send while we look, but not for ever
		if _, err := d.received(nil, mostDiscarded, unix.MSG_TRUNC); err != nil {
			return err == unix.EAGAIN
		}
	}
	return false
}

func (d *polled) peek() error {
	var one [1]byte
	_, err := d.received(&one[0], 1, unix.MSG_PEEK)
	return err
}

func (d *polled) shutdown() error {
	if _, _, errno := unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(d.fd), unix.SHUT_WR, 0); errno != 0 {
		return errno
	}
	return nil
}

func (d *polled) reset() {
	unix.SetsockoptLinger(int(d.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	d.close()
}

func (d *polled) close() {
	if d.fd >= 0 {
		if d.watched {
			d.watched = false
			d.epoll.vacate(d.place)
		}
		closeSocket(int(d.fd))
		d.fd = -1
	}
}

// closeSocket closes a TCP socket, which doesn't wait, and so need not tell Go's scheduler: that
// would wake its monitor.
func closeSocket(fd int) { unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// forget ends watch.
func (d *polled) forget() {
	if d.watched {
		d.watched = false
		d.epoll.remove(int(d.fd), d.place)
	}
}

func (d *polled) ordinary() (net.Conn, error) {
	d.forget()
	file := os.NewFile(uintptr(d.fd), "")
	d.fd = -1
	defer file.Close()
	return net.FileConn(file)
}

func (d *polled) control(do func(fd uintptr)) {
	if d.fd >= 0 {
		do(uintptr(d.fd))
	}
}

func (d *polled) local() net.Addr  { return net.TCPAddrFromAddrPort(localOf(int(d.fd))) }
func (d *polled) remote() net.Addr { return net.TCPAddrFromAddrPort(remoteOf(int(d.fd))) }
