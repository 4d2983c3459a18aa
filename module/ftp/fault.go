package ftp

import "wasiftp/wasi"

var faults = [...]Error{
	wasi.EAGAIN: ErrAgain, wasi.EACCES: ErrPermission, wasi.ENOENT: ErrNotExist, wasi.EEXIST: ErrExist,
	wasi.ENOTDIR: ErrNotDir, wasi.EISDIR: ErrIsDir, wasi.ENOTEMPTY: ErrNotEmpty, wasi.EINVAL: ErrName,
	wasi.EBUSY: ErrBusy, wasi.ENOSPC: ErrNoSpace, wasi.EDQUOT: ErrQuota, wasi.EFBIG: ErrQuota,
	wasi.ENOSYS: ErrUnsupported, wasi.EMFILE: ErrTooMany, wasi.EADDRINUSE: ErrTooMany,
	wasi.ECONNREFUSED: ErrRefused, wasi.ECONNRESET: ErrReset, wasi.EPIPE: ErrReset,
	wasi.ETIMEDOUT: ErrTimeout, wasi.ECANCELED: ErrCanceled, wasi.EXDEV: ErrOtherDisk, wasi.EPROTO: ErrSecurity,
}

// Fault is the engine's error for an errno of the boundary: nil for OK, [ErrStorage] for
// one that has no error of its own.
func Fault(errno wasi.Errno) error {
	switch {
	case errno == wasi.OK:
		return nil
	case int(errno) < len(faults) && faults[errno] != 0:
		return faults[errno]
	}
	return ErrStorage
}
