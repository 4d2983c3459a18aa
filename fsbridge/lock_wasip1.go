package fsbridge

import "os"

// flock has no locks to take: a WASI program is one thread, and knows no other process.
func flock(*os.File, bool) error { return errNoLocks }

func funlock(*os.File) {}
