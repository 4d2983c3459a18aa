//go:build !linux

package host

// threadRoom is how many threads a process can have on the systems that tell
// nobody: the least of their limits, that of FreeBSD.
func threadRoom() int { return 1500 }
