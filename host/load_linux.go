package host

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// load is the number of programs that want each processor of this machine, over the last
// minute.
func load() float64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	const whole = 1 << 16 // SI_LOAD_SHIFT
	return float64(info.Loads[0]) / whole / float64(runtime.NumCPU())
}
