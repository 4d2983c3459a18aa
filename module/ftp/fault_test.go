package ftp_test

import (
	"errors"
	"testing"

	"wasiftp/module/ftp"
	"wasiftp/wasi"
)

// TestEveryErrnoIsAFault: each errno is one of the engine's errors, and each of these comes
// from an errno.
func TestEveryErrnoIsAFault(t *testing.T) {
	t.Parallel()
	want := map[wasi.Errno]ftp.Error{
		wasi.EACCES: ftp.ErrPermission, wasi.EADDRINUSE: ftp.ErrTooMany, wasi.EAGAIN: ftp.ErrAgain, wasi.EBADF: ftp.ErrStorage,
		wasi.EBUSY: ftp.ErrBusy, wasi.ECANCELED: ftp.ErrCanceled, wasi.ECONNREFUSED: ftp.ErrRefused, wasi.ECONNRESET: ftp.ErrReset,
		wasi.EDQUOT: ftp.ErrQuota, wasi.EEXIST: ftp.ErrExist, wasi.EFAULT: ftp.ErrStorage, wasi.EFBIG: ftp.ErrQuota,
		wasi.EINVAL: ftp.ErrName, wasi.EIO: ftp.ErrStorage, wasi.EISDIR: ftp.ErrIsDir, wasi.EMFILE: ftp.ErrTooMany,
		wasi.ENOENT: ftp.ErrNotExist, wasi.ENOSPC: ftp.ErrNoSpace, wasi.ENOSYS: ftp.ErrUnsupported, wasi.ENOTDIR: ftp.ErrNotDir,
		wasi.ENOTEMPTY: ftp.ErrNotEmpty, wasi.EPIPE: ftp.ErrReset, wasi.EPROTO: ftp.ErrSecurity, wasi.ETIMEDOUT: ftp.ErrTimeout,
		wasi.EXDEV: ftp.ErrOtherDisk,
	}
	if err := ftp.Fault(wasi.OK); err != nil {
		t.Errorf("OK is %v", err)
	}
	reached := map[ftp.Error]bool{}
	for n := uint32(1); n < 1<<16; n++ {
		errno := wasi.Errno(n)
		expected, known := want[errno]
		if named := errno.Error() != "E?"; named != known {
			t.Errorf("errno %d (%v): this test does not say what it is to the engine", n, errno)
			continue
		}
		if !known {
			expected = ftp.ErrStorage
		}
		if got := ftp.Fault(errno); !errors.Is(got, expected) {
			t.Errorf("%v is %v, not %v", errno, got, expected)
		}
		reached[expected] = true
	}
	for e := ftp.ErrAgain; e <= ftp.ErrStorage; e++ {
		if !reached[e] {
			t.Errorf("no errno is %v", e)
		}
	}
}
