package standalone

import (
	"wasiftp/module/ftp"
	"wasiftp/wasi/errno"
)

// fault is the engine's error for one of the storage, nil for nil.
func fault(err error) error { return ftp.Fault(errno.Of(err)) }
