//go:build linux

package bench

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// pin keeps this process, and those that it starts, on one core until the benchmark ends.
// The time of one session is then that of the work at both ends. On cores of their own the
// two ends would mostly measure how fast an idle core wakes up. Where the system refuses,
// pin logs that and changes nothing.
func pin(b testing.TB) {
	b.Helper()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		b.Logf("not pinned to one core: %v", err)
		return
	}
	one.Set(lastCore(&before))
	if err := setAffinity(&one); err != nil {
		b.Logf("not pinned to one core: %v", err)
		setAffinity(&before)
		return
	}
	processors := runtime.GOMAXPROCS(1) // as the servers, which find one core when they start
	b.Cleanup(func() {
		if err := setAffinity(&before); err != nil {
			b.Errorf("still pinned to one core: %v", err)
		}
		runtime.GOMAXPROCS(processors)
	})
}

// lastCore is the core with the highest number in a set: the first serves most interrupts.
func lastCore(set *unix.CPUSet) int {
	last := 0
	for core, left := 0, set.Count(); left > 0; core++ {
		if set.IsSet(core) {
			last = core
			left--
		}
	}
	return last
}

// setAffinity binds every thread of this process. It looks for threads until it finds no
// new one: a thread that was not bound yet may have started another.
func setAffinity(set *unix.CPUSet) error {
	bound := map[string]bool{}
	for {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		found := false
		for _, thread := range threads {
			id, err := strconv.Atoi(thread.Name())
			if err != nil || bound[thread.Name()] {
				continue
			}
			found, bound[thread.Name()] = true, true
			if err := unix.SchedSetaffinity(id, set); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
		if !found {
			return nil
		}
	}
}
