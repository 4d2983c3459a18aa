package host

import (
	"wasiftp/wasi"
	"wasiftp/wasi/errno"
)

// errnoOf is the errno that an error crosses the boundary as.
func errnoOf(err error) wasi.Errno {
	switch err {
	case errGivenUp:
		return wasi.ECANCELED
	case errNoPort:
		return wasi.EADDRINUSE
	}
	return errno.Of(err)
}
