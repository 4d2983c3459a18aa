//go:build linux

package runtimes

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ticks is how many units of processor time in /proc make a second.
const ticks = 100

// idleTime is how long a server is idle.
const idleTime = 5 * time.Second

// BenchmarkIdle reports how much of a processor a server with four idle sessions takes,
// and how long the first reply after that takes.
func BenchmarkIdle(b *testing.B) {
	for _, to := range targets {
		b.Run(to.String(), func(b *testing.B) {
			to.here(b)
			network := to.start(b, b.TempDir())
			for range 3 {
				client(b, network)
			}
			c := client(b, network)
			time.Sleep(time.Second) // the start's last collection
			var idle, reply time.Duration
			for range b.N {
				before := processorTime(b)
				time.Sleep(idleTime)
				idle += processorTime(b) - before
				began := time.Now()
				require.NoError(b, c.NoOp())
				reply += time.Since(began)
			}
			b.ReportMetric(float64(idle)/float64(idleTime)/float64(b.N)*100, "cpu-%")
			b.ReportMetric(float64(reply.Microseconds())/float64(b.N)/1000, "ms/first-reply")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// processorTime is the processor time that the test's last server has used.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", processOf(b).Pid))
	require.NoError(b, err)
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	user, err := strconv.Atoi(fields[11])
	require.NoError(b, err)
	system, err := strconv.Atoi(fields[12])
	require.NoError(b, err)
	return time.Duration(user+system) * time.Second / ticks
}
