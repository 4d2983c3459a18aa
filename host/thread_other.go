//go:build !linux

package host

// threadRoom is how many threads a process can have where the limit cannot be read: the
// lowest of these systems' limits, that of FreeBSD.
func threadRoom() int { return 1500 }
