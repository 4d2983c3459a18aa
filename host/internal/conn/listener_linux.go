package conn

import (
	"net"

	"golang.org/x/sys/unix"
)

// listening is a Listener that an epoll watches.
type listening struct {
	epoll  *epoll
	fd     int
	place  int32 // in epoll
	notify func()
}

// directListener takes a listener from Go's hands; nil leaves it there.
func directListener(l net.Listener, p *Poll, notify func()) Listener {
	tcp, ok := l.(*net.TCPListener)
	if !ok || p == nil {
		return nil
	}
	e := p.ready()
	if e == nil {
		return nil
	}
	fd := copied(tcp)
	if fd < 0 {
		return nil
	}
	d := &listening{epoll: e, fd: fd, notify: notify}
	var err error
	if d.place, err = e.add(fd, unix.EPOLLIN, d); err != nil {
		unix.Close(fd)
		return nil
	}
	tcp.Close()
	setAccepted(fd)
	return d
}

// Accept implements [Listener]. Errors that concern one connection count for nothing
// (accept(2)). To accept none takes the system several times as long as to say that none has come.
func (l *listening) Accept() (*Arrival, error) {
	for range mostArrived {
		if !pending(l.fd, unix.POLLIN) {
			return nil, nil
		}
		fd, from, err := accepted(l.fd)
		switch err {
		case 0:
			return &Arrival{From: from, direct: &polled{fd: int32(fd)}}, nil
		case unix.EAGAIN:
			return nil, nil
		case unix.EBADF, unix.EINVAL, unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			return nil, err
		}
	}
	return nil, nil
}

// seen implements [watcher].
func (l *listening) seen(uint32) { l.notify() }

// Close implements [Listener].
func (l *listening) Close() {
	if l.fd < 0 {
		return
	}
	l.epoll.vacate(l.place)
	closeSocket(l.fd)
	l.fd = -1
}
