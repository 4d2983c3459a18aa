//go:build unix

package script

import "syscall"

// Urgent sends p, its last byte as TCP urgent data, as Telnet's Synch does (RFC
// 854). Python's ftplib sends a whole ABOR in this way.
func (c tcpConn) Urgent(p []byte) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	if err := raw.Write(func(fd uintptr) bool {
		_, sent = syscall.SendmsgN(int(fd), p, nil, nil, syscall.MSG_OOB)
		return sent != syscall.EAGAIN
	}); err != nil {
		return err
	}
	return sent
}
