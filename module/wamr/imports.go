//go:build wasip1

package main

import (
	"syscall"
	"unsafe"
)

// WAMR's additions to preview 1. Their descriptors are read, written, accepted from and
// closed by preview 1's own functions, and they return its errnos.

//go:wasmimport wasi_snapshot_preview1 sock_open
//go:noescape
func sockOpen(pool uint32, family uint32, kind uint32, fd *uint32) syscall.Errno

//go:wasmimport wasi_snapshot_preview1 sock_bind
//go:noescape
func sockBind(fd uint32, address unsafe.Pointer) syscall.Errno

//go:wasmimport wasi_snapshot_preview1 sock_listen
func sockListen(fd uint32, backlog uint32) syscall.Errno

//go:wasmimport wasi_snapshot_preview1 sock_connect
//go:noescape
func sockConnect(fd uint32, address unsafe.Pointer) syscall.Errno

//go:wasmimport wasi_snapshot_preview1 sock_addr_local
//go:noescape
func sockAddrLocal(fd uint32, address unsafe.Pointer) syscall.Errno

//go:wasmimport wasi_snapshot_preview1 sock_addr_remote
//go:noescape
func sockAddrRemote(fd uint32, address unsafe.Pointer) syscall.Errno

//go:wasmimport wasi_snapshot_preview1 sock_set_linger
func sockSetLinger(fd uint32, on uint32, seconds uint32) syscall.Errno

//go:wasmimport wasi_snapshot_preview1 sock_set_reuse_addr
func sockSetReuseAddr(fd uint32, on uint32) syscall.Errno

//go:wasmimport wasi_snapshot_preview1 sock_set_ipv6_only
func sockSetIPv6Only(fd uint32, on uint32) syscall.Errno

//go:wasmimport wasi_snapshot_preview1 sock_set_keep_alive
func sockSetKeepAlive(fd uint32, on uint32) syscall.Errno

//go:wasmimport wasi_snapshot_preview1 sock_set_tcp_no_delay
func sockSetNoDelay(fd uint32, on uint32) syscall.Errno

// pollOneoff is preview 1's own, which package syscall does not export.
//
//go:wasmimport wasi_snapshot_preview1 poll_oneoff
//go:noescape
func pollOneoff(in *subscription, out *event, n uint32, events *uint32) syscall.Errno
