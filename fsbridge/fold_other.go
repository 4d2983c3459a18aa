//go:build !linux

package fsbridge

import "runtime"

// foldsNames reports whether this system mostly takes names without regard to case.
func foldsNames(string) bool {
	return runtime.GOOS == "windows" || runtime.GOOS == "darwin" || runtime.GOOS == "ios"
}
