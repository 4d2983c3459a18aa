package standalone

import (
	"errors"
	"io/fs"
	"syscall"

	"wasiftp/module/ftp"
)

// faults say which of the engine's errors an error of the storage is; the first
// match counts.
var faults = []struct {
	err   error
	fault ftp.Error
}{
	{syscall.ENOTDIR, ftp.ErrNotDir},
	{syscall.EISDIR, ftp.ErrIsDir},
	{syscall.ENOTEMPTY, ftp.ErrNotEmpty}, // before ErrExist, which it also is
	{syscall.EXDEV, ftp.ErrOtherDisk},
	{syscall.EROFS, ftp.ErrPermission},
	{syscall.ELOOP, ftp.ErrNotExist},   // also of a link that the runtime does not even read, for it leads out
	{syscall.ENXIO, ftp.ErrPermission}, // a pipe, a device
	{syscall.ENAMETOOLONG, ftp.ErrName},
	{syscall.EILSEQ, ftp.ErrName}, // a name in a character set that the storage has not
	{syscall.ENOSPC, ftp.ErrNoSpace},
	{syscall.EMLINK, ftp.ErrNoSpace}, // of a directory
	{syscall.EDQUOT, ftp.ErrQuota},
	{syscall.EFBIG, ftp.ErrQuota},
	{syscall.EBUSY, ftp.ErrBusy},
	{syscall.ETXTBSY, ftp.ErrBusy},
	{syscall.EAGAIN, ftp.ErrBusy}, // a lease; to the engine ErrAgain promises an event
	{syscall.EMFILE, ftp.ErrTooMany},
	{syscall.ENFILE, ftp.ErrTooMany},
	{syscall.EINVAL, ftp.ErrName},
	{fs.ErrNotExist, ftp.ErrNotExist},
	{fs.ErrExist, ftp.ErrExist},
	{fs.ErrPermission, ftp.ErrPermission},
	{fs.ErrInvalid, ftp.ErrName},
	{errors.ErrUnsupported, ftp.ErrUnsupported},
}

// fault is the engine's error for one of the storage, nil for nil.
func fault(err error) error {
	if err == nil {
		return nil
	}
	for _, f := range faults {
		if errors.Is(err, f.err) {
			return f.fault
		}
	}
	return ftp.ErrStorage
}
