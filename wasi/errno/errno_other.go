//go:build !windows && !wasip1

package errno

import (
	"net"

	"wasiftp/wasi"
)

// ofSystem are the errors of package net.
var ofSystem = []crossing{{net.ErrClosed, wasi.ECANCELED}}
