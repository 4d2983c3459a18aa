package host

import (
	"wasiftp/wasi"
	"wasiftp/wasi/errno"
)

// errnoOf is the errno of an error at the boundary: [errno.Of], with errors of the host.
func errnoOf(err error) wasi.Errno {
	switch err {
	case errGivenUp:
		return wasi.ECANCELED
	case errNoPort:
		return wasi.EADDRINUSE
	case nil:
		return wasi.OK
	}
	if r := refusalOf(err); r != nil {
		return r.errno()
	}
	return errno.Of(err)
}
