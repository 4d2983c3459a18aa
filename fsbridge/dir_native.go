//go:build !wasip1

package fsbridge

import (
	"cmp"
	"io/fs"
	"os"
)

// An open with openFlags never waits for the other end of a pipe.
const statFirst = false

const unicodeOnly = false

func typed(info fs.FileInfo) fs.FileInfo { return info }

// control calls do with the descriptor or handle of a file, which stays open meanwhile.
func control(file *os.File, do func(fd uintptr) error) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var fault error
	err = conn.Control(func(fd uintptr) { fault = do(fd) })
	return cmp.Or(err, fault)
}
