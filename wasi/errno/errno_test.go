package errno

import (
	"errors"
	"io"
	"io/fs"
	"testing"

	"wasiftp/wasi"
)

func TestOf(t *testing.T) {
	t.Parallel()
	for n := range wasi.Errno(256) {
		if got := Of(n); got != n {
			t.Errorf("%v crosses as %v", n, got)
		}
	}
	reached := map[wasi.Errno]bool{wasi.OK: true, wasi.EIO: true}
	for _, e := range crossings {
		for _, err := range []error{e.err, &fs.PathError{Op: "open", Path: "/secret", Err: e.err},
			errors.Join(errors.New("x"), e.err)} {
			if got := Of(err); got != e.errno {
				t.Errorf("%v crosses as %v, not %v", err, got, e.errno)
			}
		}
		reached[e.errno] = true
	}
	// What the boundary itself says, and no storage or network.
	for _, errno := range []wasi.Errno{wasi.EAGAIN, wasi.EBADF, wasi.EFAULT, wasi.EPROTO} {
		reached[errno] = true
	}
	for n := range wasi.Errno(1 << 12) {
		if n.Error() != "E?" && !reached[n] {
			t.Errorf("no error crosses as %v", n)
		}
	}
	if got := Of(errors.New("whatever")); got != wasi.EIO {
		t.Errorf("an unknown fault crosses as %v", got)
	}
	if got := Of(io.EOF); got != wasi.EIO {
		t.Errorf("EOF crosses as %v", got)
	}
}
