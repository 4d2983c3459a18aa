//go:build linux

package bench

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"
)

var (
	hold         = flag.Duration("hold", 0, "how long TestHold holds sessions, a minute at least; 0 skips it")
	holdSessions = flag.Int("hold-sessions", 10_000, "how many idle sessions TestHold holds, if the system allows as many")
)

// TestHold: a server that has many idle sessions, and some that transfer all the time,
// loses none of them and takes no more memory, descriptors and goroutines as time goes on.
//
//	go test ./tests/bench -run TestHold -hold 10m -timeout 20m
func TestHold(t *testing.T) {
	if *hold == 0 {
		t.Skip("it takes minutes: -hold DURATION")
	}
	n := possibleSessions(t, *holdSessions)
	root := memoryDir(t)
	makeHoldFiles(t, root)
	p := startProcess(t, "engine", root)
	idle := make([]*client, n)
	for i := range idle {
		idle[i] = login(t, p.address)
		defer idle[i].conn.Close()
	}
	var stop atomic.Bool
	var busy sync.WaitGroup
	for number := range 16 {
		c := login(t, p.address)
		defer c.conn.Close()
		c.number = number
		busy.Go(func() { c.transferUntil(&stop) })
	}

	samples := p.sampleOver(*hold)
	stop.Store(true)
	busy.Wait()
	logSamples(t, n, samples)
	checkSteady(t, samples[1], samples[len(samples)-1])
	for _, c := range idle {
		c.command("NOOP", "200")
	}
}

// The files that sessions transfer all the time, and how many are in the folder that they
// list.
const (
	holdLarge, holdSmall, holdUpload = 64 << 20, 4 << 10, 1 << 20

	holdListed = 100
)

func makeHoldFiles(t *testing.T, root string) {
	sparse(t, filepath.Join(root, "large"), holdLarge)
	sparse(t, filepath.Join(root, "small"), holdSmall)
	if err := os.Mkdir(filepath.Join(root, "list"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range holdListed {
		if err := os.WriteFile(filepath.Join(root, "list", fmt.Sprint(i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// transferUntil does all kinds of transfers, one after the other, until it is told to stop.
func (c *client) transferUntil(stop *atomic.Bool) {
	content := make([]byte, holdUpload)
	c.command("TYPE I", "200")
	for !stop.Load() {
		if n := c.retrieve("large/sparse"); n != holdLarge {
			c.b.Errorf("got %d bytes", n)
		}
		c.storeFrom(fmt.Sprint("upload-", c.number), bytes.NewReader(content))
		if n := c.retrieve("small/sparse"); n != holdSmall {
			c.b.Errorf("got %d bytes", n)
		}
		if n := bytes.Count(c.list("LIST list"), []byte("\n")); n != holdListed {
			c.b.Errorf("%d files are listed", n)
		}
	}
}

// possibleSessions raises RLIMIT_NOFILE of this process and of those that it starts, and
// tells how many of the wanted sessions descriptors and ports allow.
func possibleSessions(t *testing.T, want int) int {
	const others = 500 // descriptors that a process needs besides those of idle sessions
	limit := syscall.Rlimit{Cur: uint64(want) + others, Max: uint64(want) + others}
	var now syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now); err != nil {
		t.Fatal(err)
	}
	if limit.Max < now.Max || syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) != nil { // only root can raise Max
		limit = syscall.Rlimit{Cur: now.Max, Max: now.Max}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
	}
	n := min(want, int(min(limit.Cur, math.MaxInt32))-others, freePorts(t)/2) // transfers need the other half
	if n < want {
		t.Logf("%d idle sessions, not %d: there are %d descriptors and %d ports", n, want, limit.Cur, freePorts(t))
	}
	return n
}

// freePorts is how many ports the system gives to connections that ask for none.
func freePorts(t *testing.T) int {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	var first, last int
	if err == nil {
		_, err = fmt.Sscan(string(text), &first, &last)
	}
	if err != nil {
		t.Fatal(err)
	}
	return last - first + 1
}

// sample is what a server uses at one moment.
type sample struct {
	at          time.Duration // since the first transfer
	pss         int64         // memory in bytes, with its share of pages that processes share
	threads     int64
	descriptors int64
	goroutines  int64
}

func (p *process) sample() sample {
	descriptors, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid))
	if err != nil {
		p.b.Fatal(err)
	}
	return sample{
		pss:         p.proportional(),
		threads:     p.fact("status", "Threads:"),
		descriptors: int64(len(descriptors)),
		goroutines:  p.ask("goroutines"),
	}
}

// sampleOver takes ten samples, the last after that time.
func (p *process) sampleOver(all time.Duration) []sample {
	began := time.Now()
	ticks := time.NewTicker(all / 10)
	defer ticks.Stop()
	var samples []sample
	for range 10 {
		<-ticks.C
		s := p.sample()
		s.at = time.Since(began)
		samples = append(samples, s)
	}
	return samples
}

func logSamples(t *testing.T, idle int, samples []sample) {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "after\tPSS, MiB\tthreads\tdescriptors\tgoroutines\t")
	for _, s := range samples {
		fmt.Fprintf(table, "%v\t%.1f\t%d\t%d\t%d\t\n",
			s.at.Round(time.Second), float64(s.pss)/(1<<20), s.threads, s.descriptors, s.goroutines)
	}
	table.Flush()
	t.Logf("%d idle sessions and 16 that transfer\n%s", idle, text.String())
}

// checkSteady compares the last sample with one that was taken when pools had filled. Some
// descriptors and goroutines come and go with the transfers that are under way.
func checkSteady(t *testing.T, early, late sample) {
	if change := late.descriptors - early.descriptors; max(change, -change) > 40 {
		t.Errorf("%d descriptors, then %d", early.descriptors, late.descriptors)
	}
	if change := late.goroutines - early.goroutines; max(change, -change) > 40 {
		t.Errorf("%d goroutines, then %d", early.goroutines, late.goroutines)
	}
	if change := float64(late.pss-early.pss) / float64(early.pss); math.Abs(change) > 0.05 {
		t.Errorf("PSS has changed by %+.1f %%", 100*change)
	}
}
