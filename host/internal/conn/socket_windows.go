package conn

import "syscall"

func urgentInline(fd uintptr) {
	const oobInline = 0x100 // SO_OOBINLINE of winsock2.h
	syscall.SetsockoptInt(syscall.Handle(fd), syscall.SOL_SOCKET, oobInline, 1)
}
