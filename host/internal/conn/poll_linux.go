package conn

import (
	"math"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// epoll is a set of watched sockets (epoll(7)). Its own descriptor is in Go's poller, where
// the goroutine that waits for it sleeps like one that reads.
type epoll struct {
	fd    int
	file  *os.File
	raw   syscall.RawConn
	look  func(fd uintptr) (found bool)
	found [64]unix.EpollEvent
	n     int       // of found
	until time.Time // when file's reads end; zero is never

	woken  atomic.Bool
	parked atomic.Bool

	mu      sync.Mutex
	watched []watch // by place
	free    []int32 // places
	last    int32   // number of a watch
	ending  bool    // end waits for the last socket
}

// watch is a socket that is watched, or a free place if by is nil. A batch of events may
// have one of a socket whose place has another since: the number tells them apart.
type watch struct {
	number int32
	by     watcher
}

// watcher is told of the events of its socket, on the goroutine that waits.
type watcher interface{ seen(events uint32) }

// ready makes the poll's epoll at the first call; nil if the system has none to give.
func (p *Poll) ready() *epoll {
	if e := p.epoll.Load(); e != nil {
		return e
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil
	}
	unix.SetNonblock(fd, true) // so that os.NewFile gives it to Go's poller
	e := &epoll{fd: fd, file: os.NewFile(uintptr(fd), "epoll")}
	if e.raw, err = e.file.SyscallConn(); err != nil {
		e.file.Close()
		return nil
	}
	e.look = func(uintptr) bool {
		e.n = epollWait(e.fd, &e.found)
		return e.n > 0 || e.woken.Load()
	}
	e.woken.Store(true) // a Wake may have found no epoll
	p.epoll.Store(e)
	select {
	case p.wake <- struct{}{}: // a Wait without the epoll ends
	default:
	}
	return e
}

// epollWait does not wait, and so need not tell Go's scheduler.
func epollWait(fd int, found *[64]unix.EpollEvent) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(fd), uintptr(unsafe.Pointer(found)), uintptr(len(found)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// wait is [Poll.Wait].
func (e *epoll) wait(until time.Time) {
	if !e.woken.Load() {
		if e.until.IsZero() && !until.IsZero() || until.Before(e.until) && !until.IsZero() {
			e.until = until
			e.file.SetReadDeadline(until)
		}
		e.parked.Store(true)
		err := e.raw.Read(e.look) // looks before it sleeps
		e.parked.Store(false)
		if err != nil { // until is past, or Wake was called
			e.until = time.Time{}
			e.file.SetReadDeadline(e.until)
			e.n = 0
		}
	}
	e.glance()
}

// glance tells of the events that there are.
func (e *epoll) glance() {
	if e.n == 0 {
		e.look(0)
	}
	e.woken.Store(false)
	for _, event := range e.found[:e.n] {
		e.mu.Lock()
		w := e.watched[event.Fd]
		e.mu.Unlock()
		if w.by != nil && w.number == event.Pad {
			w.by.seen(event.Events)
		}
	}
	e.n = 0
}

// rouse is [Poll.Wake]. A past deadline ends the sleep without a system call.
func (e *epoll) rouse() {
	if !e.woken.Swap(true) && e.parked.Load() {
		e.file.SetReadDeadline(time.Unix(1, 0))
	}
}

// add watches a socket for these events, each of which is told of once when it comes about.
// It returns the socket's place.
func (e *epoll) add(fd int, events uint32, by watcher) (place int32, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.free) == 0 {
		e.free = append(e.free, int32(len(e.watched)))
		e.watched = append(e.watched, watch{})
	}
	last := len(e.free) - 1
	place = e.free[last]
	e.last = (e.last + 1) & math.MaxInt32
	event := unix.EpollEvent{Events: events | unix.EPOLLET, Fd: place, Pad: e.last} // both numbers are ours to choose
	if err := unix.EpollCtl(e.fd, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return 0, err
	}
	e.free = e.free[:last]
	e.watched[place] = watch{e.last, by}
	return place, nil
}

// remove ends add for a socket that lives on.
func (e *epoll) remove(fd int, place int32) {
	unix.EpollCtl(e.fd, unix.EPOLL_CTL_DEL, fd, nil)
	e.vacate(place)
}

// vacate ends add for a socket that is about to be closed, which the system then watches no
// more. If a copy of it lives on, as in a process that is being started, its events find
// nobody.
func (e *epoll) vacate(place int32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.watched[place] = watch{}
	e.free = append(e.free, place)
	if e.ending && len(e.free) == len(e.watched) {
		e.rouse()
	}
}

// end is [Poll.End].
func (e *epoll) end() {
	for e.left() {
		e.wait(time.Time{})
	}
	e.file.Close()
}

func (e *epoll) left() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ending = true
	return len(e.free) < len(e.watched)
}
