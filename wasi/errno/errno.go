// Package errno maps the errors of the system, of a storage and of the network to the
// errnos of the boundary.
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

// crossing maps an error to the errno that crosses the boundary in its place.
type crossing struct {
	err   error
	errno wasi.Errno
}

// crossings are all known errors. The first match counts; an error without a match is EIO.
var crossings = append(ofSystem, []crossing{
	{syscall.ENOTDIR, wasi.ENOTDIR},
	{syscall.EISDIR, wasi.EISDIR},
	{syscall.ENOTEMPTY, wasi.ENOTEMPTY}, // before ErrExist, which it also is
	{syscall.EXDEV, wasi.EXDEV},
	{syscall.EROFS, wasi.EACCES},
	{syscall.ELOOP, wasi.ENOENT},
	{syscall.ENXIO, wasi.EACCES}, // a pipe, a device
	{syscall.ENAMETOOLONG, wasi.EINVAL},
	{syscall.EILSEQ, wasi.EINVAL}, // a name that the storage's character set cannot express
	{syscall.ENOSPC, wasi.ENOSPC},
	{syscall.EMLINK, wasi.ENOSPC}, // a directory with too many directories in it
	{syscall.EDQUOT, wasi.EDQUOT},
	{syscall.EFBIG, wasi.EFBIG},
	{syscall.EBUSY, wasi.EBUSY},
	{syscall.ETXTBSY, wasi.EBUSY},
	{syscall.EAGAIN, wasi.EBUSY}, // of a lease; EAGAIN would promise the guest an event
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

// Of is the errno of an error. It is OK for nil, the errno itself for a [wasi.Errno], and EIO
// for an error that is not known, or whose Is or As method panics.
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
