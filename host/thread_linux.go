package host

import (
	"fmt"
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// threadRoom is how many more threads this process can make. A limit that cannot be read
// counts as none.
func threadRoom() int {
	room := min(systemRoom(), cgroupRoom())
	if user := os.Getuid(); user != 0 { // RLIMIT_NPROC does not bind root
		room = min(room, userRoom(user))
	}
	return room
}

// number is the number in a file, math.MaxInt if there is none.
func number(text []byte, err error) int {
	n, bad := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || bad != nil {
		return math.MaxInt
	}
	return n
}

func systemRoom() int {
	all := min(number(os.ReadFile("/proc/sys/kernel/threads-max")), number(os.ReadFile("/proc/sys/kernel/pid_max")))
	load, _ := os.ReadFile("/proc/loadavg")
	var average [3]float64
	var running, tasks int
	fmt.Sscanf(string(load), "%f %f %f %d/%d", &average[0], &average[1], &average[2], &running, &tasks)
	return all - tasks
}

// userRoom is RLIMIT_NPROC less the threads of all processes of the user.
func userRoom(user int) int {
	limits, _ := os.ReadFile("/proc/self/limits")
	_, rest, _ := strings.Cut(string(limits), "Max processes")
	soft, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	limit := number([]byte(soft), nil)
	if limit/2 > mostThreads { // nearly always: then there is no need to count
		return limit
	}
	processes, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, process := range processes {
		status, _ := os.ReadFile(process)
		if fact(status, "Uid:") == user {
			limit -= fact(status, "Threads:")
		}
	}
	return limit
}

// fact is the first number behind word in a status file, 0 for none.
func fact(status []byte, word string) (n int) {
	_, rest, _ := strings.Cut(string(status), "\n"+word)
	fmt.Sscanf(rest, "%d", &n)
	return n
}

// cgroupRoom is how many tasks the cgroup of this process and the cgroups above it still
// allow. In a container the names in /proc may be those of the machine outside; then the
// topmost visible cgroup is the container's own.
func cgroupRoom() int {
	room := math.MaxInt
	groups, _ := os.ReadFile("/proc/self/cgroup")
	for group := range strings.Lines(string(groups)) {
		part := strings.SplitN(strings.TrimSpace(group), ":", 3)
		if len(part) < 3 {
			continue
		}
		root := "/sys/fs/cgroup"
		switch part[1] {
		case "": // version 2
		case "pids":
			root += "/pids"
		default:
			continue
		}
		for name := path.Clean("/" + part[2]); ; name = path.Dir(name) {
			limit := number(os.ReadFile(root + name + "/pids.max"))
			if tasks := number(os.ReadFile(root + name + "/pids.current")); limit < math.MaxInt && tasks < math.MaxInt {
				room = min(room, limit-tasks)
			}
			if name == "/" {
				break
			}
		}
	}
	return room
}
