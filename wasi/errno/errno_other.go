//go:build !windows && !wasip1

package errno

import (
	"net"

	"wasiftp/wasi"
)

// ofSystem are the network's errors.
var ofSystem = []crossing{{net.ErrClosed, wasi.ECANCELED}}
