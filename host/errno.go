package host

import (
	"wasiftp/wasi"
	"wasiftp/wasi/errno"
)

// errnoOf is the errno of an error at the boundary: [errno.Of], with two errors of the host.
func errnoOf(err error) wasi.Errno {
	switch err {
	case errGivenUp:
		return wasi.ECANCELED
	case errNoPort:
		return wasi.EADDRINUSE
	}
	return errno.Of(err)
}
