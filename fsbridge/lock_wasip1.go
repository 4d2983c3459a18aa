package fsbridge

import "os"

// flock has nothing to lock with: WASI has one thread, and no other process.
func flock(*os.File, bool) error { return errNoLocks }

func funlock(*os.File) {}
