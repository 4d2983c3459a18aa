package ftp

import "wasiftp/wasi"

// Fault is the engine's error for an errno of the boundary, nil for OK.
func Fault(errno wasi.Errno) error {
	switch errno {
	case wasi.OK:
		return nil
	case wasi.EAGAIN:
		return ErrAgain
	case wasi.EACCES:
		return ErrPermission
	case wasi.ENOENT:
		return ErrNotExist
	case wasi.EEXIST:
		return ErrExist
	case wasi.ENOTDIR:
		return ErrNotDir
	case wasi.EISDIR:
		return ErrIsDir
	case wasi.ENOTEMPTY:
		return ErrNotEmpty
	case wasi.EINVAL:
		return ErrName
	case wasi.EBUSY:
		return ErrBusy
	case wasi.ENOSPC:
		return ErrNoSpace
	case wasi.EDQUOT, wasi.EFBIG:
		return ErrQuota
	case wasi.ENOSYS:
		return ErrUnsupported
	case wasi.EMFILE, wasi.EADDRINUSE:
		return ErrTooMany
	case wasi.ECONNREFUSED:
		return ErrRefused
	case wasi.ECONNRESET, wasi.EPIPE:
		return ErrReset
	case wasi.ETIMEDOUT:
		return ErrTimeout
	case wasi.ECANCELED:
		return ErrCanceled
	case wasi.EXDEV:
		return ErrOtherDisk
	case wasi.EPROTO:
		return ErrSecurity
	}
	return ErrStorage
}
