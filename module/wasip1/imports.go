//go:build wasip1

package main

import (
	"runtime"
	"structs"
	"syscall"
	"time"
	"unsafe"

	"wasiftp/module/ftp"
)

// The functions of WASI preview 1 for sockets, and some for all descriptors.

//go:wasmimport wasi_snapshot_preview1 sock_accept
//go:noescape
func sockAccept(fd uint32, flags uint32, conn *uint32) syscall.Errno

//go:wasmimport wasi_snapshot_preview1 sock_recv
//go:noescape
func sockRecv(fd uint32, iovs *iovec, count uint32, flags uint32, n *uint32, outFlags *uint16) syscall.Errno

//go:wasmimport wasi_snapshot_preview1 sock_send
//go:noescape
func sockSend(fd uint32, iovs *iovec, count uint32, flags uint32, n *uint32) syscall.Errno

//go:wasmimport wasi_snapshot_preview1 sock_shutdown
func sockShutdown(fd uint32, how uint32) syscall.Errno

//go:wasmimport wasi_snapshot_preview1 fd_close
func fdClose(fd uint32) syscall.Errno

//go:wasmimport wasi_snapshot_preview1 fd_fdstat_get
//go:noescape
func fdStatGet(fd uint32, stat *fdStat) syscall.Errno

//go:wasmimport wasi_snapshot_preview1 fd_fdstat_set_flags
func fdStatSetFlags(fd uint32, flags uint32) syscall.Errno

//go:wasmimport wasi_snapshot_preview1 poll_oneoff
//go:noescape
func pollOneoff(in *subscription, out *[32]byte, count uint32, events *uint32) syscall.Errno

// subscription is preview 1's record for a clock, with a length of time to wait.
type subscription struct {
	_         structs.HostLayout
	user      uint64
	kind      uint64 // 0 for a clock
	clock     uint64
	timeout   uint64 // ns
	precision uint64
	flags     uint64
}

// sleep is time.Sleep at a fraction of the cost: Go's scheduler does not look for other
// work first.
func sleep(d time.Duration) {
	var out [32]byte
	var n uint32
	s := subscription{clock: clockMonotonic, timeout: uint64(d)}
	pollOneoff(&s, &out, 1, &n)
}

// iovec is preview 1's record for a buffer.
type iovec struct {
	_          structs.HostLayout
	data, size uint32
}

// fdStat is preview 1's record about a descriptor.
type fdStat struct {
	_        structs.HostLayout
	fileType uint8
	flags    uint16
	rights   [2]uint64
}

const (
	clockMonotonic = 1
	typeSocket     = 6 // socket_stream
	flagNonblock   = 4
	recvPeek       = 1
	shutdownWrite  = 2
)

func vector(p []byte) iovec {
	return iovec{data: uint32(uintptr(unsafe.Pointer(unsafe.SliceData(p)))), size: uint32(len(p))}
}

// receive reads from a connection. p must be on the heap, where it does not move.
func receive(fd uint32, p []byte, flags uint32) (int, syscall.Errno) {
	var n uint32
	var out uint16
	v := vector(p)
	errno := sockRecv(fd, &v, 1, flags, &n, &out)
	runtime.KeepAlive(p)
	return int(n), errno
}

// send writes to a connection. p must be on the heap.
func send(fd uint32, p []byte) (int, syscall.Errno) {
	var n uint32
	v := vector(p)
	errno := sockSend(fd, &v, 1, 0, &n)
	runtime.KeepAlive(p)
	return int(n), errno
}

// fault is the engine's error for an errno of a socket, nil for 0.
func fault(errno syscall.Errno) error {
	switch errno {
	case 0:
		return nil
	case syscall.EAGAIN, syscall.EINTR:
		return ftp.ErrAgain
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM:
		return ftp.ErrTooMany
	}
	return ftp.ErrReset
}
