// Package errno says as which errno an error of the system, of a storage or of the
// network crosses the boundary.
package errno

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"wasiftp/wasi"
)

// crossing is what errno an error crosses the boundary as.
type crossing struct {
	err   error
	errno wasi.Errno
}

// crossings are all there are; the first match counts. Whatever is not here is
// EIO.
var crossings = append(ofSystem, []crossing{
	{syscall.ENOTDIR, wasi.ENOTDIR},
	{syscall.EISDIR, wasi.EISDIR},
	{syscall.ENOTEMPTY, wasi.ENOTEMPTY}, // before ErrExist, which it also is
	{syscall.EXDEV, wasi.EXDEV},
	{syscall.EROFS, wasi.EACCES},
	{syscall.ELOOP, wasi.ENOENT},
	{syscall.ENXIO, wasi.EACCES}, // a pipe, a device
	{syscall.ENAMETOOLONG, wasi.EINVAL},
	{syscall.EILSEQ, wasi.EINVAL}, // a name in a character set that the storage has not
	{syscall.ENOSPC, wasi.ENOSPC},
	{syscall.EMLINK, wasi.ENOSPC}, // of a directory
	{syscall.EDQUOT, wasi.EDQUOT},
	{syscall.EFBIG, wasi.EFBIG},
	{syscall.EBUSY, wasi.EBUSY},
	{syscall.ETXTBSY, wasi.EBUSY},
	{syscall.EAGAIN, wasi.EBUSY}, // a lease; to the guest EAGAIN promises an event
	{syscall.EMFILE, wasi.EMFILE},
	{syscall.ENFILE, wasi.EMFILE},
	{syscall.EADDRINUSE, wasi.EADDRINUSE},
	{syscall.EADDRNOTAVAIL, wasi.EADDRINUSE},
	{syscall.ECONNREFUSED, wasi.ECONNREFUSED},
	{syscall.ECONNRESET, wasi.ECONNRESET},
	{syscall.ECONNABORTED, wasi.ECONNRESET},
	{syscall.ENETDOWN, wasi.ECONNRESET},
	{syscall.ENETUNREACH, wasi.ECONNRESET},
	{syscall.EHOSTUNREACH, wasi.ECONNRESET},
	{syscall.ETIMEDOUT, wasi.ETIMEDOUT},
	{syscall.EPIPE, wasi.EPIPE},
	{syscall.EINVAL, wasi.EINVAL},
	{fs.ErrNotExist, wasi.ENOENT},
	{fs.ErrExist, wasi.EEXIST},
	{fs.ErrPermission, wasi.EACCES},
	{fs.ErrInvalid, wasi.EINVAL},
	{errors.ErrUnsupported, wasi.ENOSYS},
	{os.ErrDeadlineExceeded, wasi.ETIMEDOUT},
	{context.DeadlineExceeded, wasi.ETIMEDOUT},
	{context.Canceled, wasi.ECANCELED},
	{io.ErrClosedPipe, wasi.EPIPE},
	{io.ErrUnexpectedEOF, wasi.ECONNRESET},
}...)

// Of is the errno of an error: OK for nil, an errno for itself, and EIO for an error that
// is not known or that panics when it is asked what it is.
func Of(err error) (errno wasi.Errno) {
	if err == nil {
		return wasi.OK
	}
	if errno, ok := err.(wasi.Errno); ok {
		return errno
	}
	defer func() {
		if recover() != nil {
			errno = wasi.EIO
		}
	}()
	for _, c := range crossings {
		if errors.Is(err, c.err) {
			return c.errno
		}
	}
	return wasi.EIO
}
