package main

import (
	"wasiftp/module/ftp"
	"wasiftp/wasi"
)

// fault turns an errno into the engine's error, nil for OK.
func fault(errno uint32) error {
	if errno == 0 {
		return nil
	}
	return faults(wasi.Errno(errno))
}

func faults(errno wasi.Errno) ftp.Error {
	switch errno {
	case wasi.EAGAIN:
		return ftp.ErrAgain
	case wasi.EACCES:
		return ftp.ErrPermission
	case wasi.ENOENT:
		return ftp.ErrNotExist
	case wasi.EEXIST:
		return ftp.ErrExist
	case wasi.ENOTDIR:
		return ftp.ErrNotDir
	case wasi.EISDIR:
		return ftp.ErrIsDir
	case wasi.ENOTEMPTY:
		return ftp.ErrNotEmpty
	case wasi.EINVAL:
		return ftp.ErrName
	case wasi.EBUSY:
		return ftp.ErrBusy
	case wasi.ENOSPC:
		return ftp.ErrNoSpace
	case wasi.EDQUOT, wasi.EFBIG:
		return ftp.ErrQuota
	case wasi.ENOSYS:
		return ftp.ErrUnsupported
	case wasi.EMFILE, wasi.EADDRINUSE:
		return ftp.ErrTooMany
	case wasi.ECONNREFUSED:
		return ftp.ErrRefused
	case wasi.ECONNRESET, wasi.EPIPE:
		return ftp.ErrReset
	case wasi.ETIMEDOUT:
		return ftp.ErrTimeout
	case wasi.ECANCELED:
		return ftp.ErrCanceled
	case wasi.EXDEV:
		return ftp.ErrOtherDisk
	case wasi.EPROTO:
		return ftp.ErrSecurity
	}
	return ftp.ErrStorage
}
