//go:build !windows

package host

// systemCrossings are those of the system besides the syscall package's names.
var systemCrossings []crossing
