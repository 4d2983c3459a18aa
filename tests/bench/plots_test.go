//go:build linux

package bench

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	plotsDir  = flag.String("plots", "", "measure how cost grows, and write plots to this folder")
	plotsMost = flag.Int("plots-most", 0, "the most sessions, streams and names for -plots; 0 is no bound")
)

// sides are the servers that are compared, by their roles, and their names in the legends.
var sides = []struct{ role, name string }{{"engine", "wasiftp"}, {"native", "raw Go server"}}

// drawn is a graph and the name of its file, without ".svg".
type drawn struct {
	File string `json:"file"`
	graph
}

// TestPlots writes plots of how cost grows as work grows, and plots.json with their numbers.
// tests/README.md has the command.
func TestPlots(t *testing.T) {
	if *plotsDir == "" {
		t.Skip("it takes minutes; -plots names the folder to write to")
	}
	require.NoError(t, os.MkdirAll(*plotsDir, 0o755))
	var all []drawn
	t.Run("crowds", func(t *testing.T) { all = append(all, crowds(t)...) })
	t.Run("rates", func(t *testing.T) { all = append(all, rates(t)) })
	t.Run("lists", func(t *testing.T) { all = append(all, lists(t)) })
	for _, d := range all {
		svg, err := d.svg()
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(*plotsDir, d.File+".svg"), svg, 0o644))
	}
	require.NoError(t, writeNumbers(filepath.Join(*plotsDir, "plots.json"), all))
}

// writeNumbers writes what was drawn, and where and when it was measured.
func writeNumbers(name string, all []drawn) error {
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return err
	}
	processor, err := processorName()
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(struct {
		Date       string  `json:"date"`
		Processors int     `json:"processors"`
		Processor  string  `json:"processor"` // empty where the kernel tells no name
		Kernel     string  `json:"kernel"`
		Plots      []drawn `json:"plots"`
	}{time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), processor, strings.TrimSpace(string(kernel)), all}, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(text, '\n'), 0o644)
}

func processorName() (string, error) {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if field, value, _ := strings.Cut(line, ":"); strings.TrimSpace(field) == "model name" {
			return strings.TrimSpace(value), nil
		}
	}
	return "", nil
}

// sizes are those of all that -plots-most and room allow. It logs what room leaves out.
func sizes(t *testing.T, what string, room int, all ...int) (within []int) {
	for _, n := range all {
		switch {
		case *plotsMost > 0 && n > *plotsMost:
		case n > room:
			t.Logf("%d %s are left out: this system has descriptors and ports for %d", n, what, room)
		default:
			within = append(within, n)
		}
	}
	return within
}

// crowd is a server with the clients that are logged in to it.
type crowd struct {
	*process
	clients []*client
}

// startCrowd starts a server that has served one client.
func startCrowd(t *testing.T, role, root string) *crowd {
	c := &crowd{process: startProcess(t, role, root)}
	t.Cleanup(func() {
		for _, client := range c.clients {
			client.conn.Close()
		}
	})
	login(t, c.address).quit()
	return c
}

// grow logs clients in until there are n.
func (c *crowd) grow(n int) {
	for len(c.clients) < n {
		c.clients = append(c.clients, login(c.b, c.address))
	}
}

// sessionRoom is how many sessions a server and its client can have at a time. Each has one
// descriptor in both processes, whose limits are the same: Go raises them as far as they go.
func sessionRoom(t *testing.T) int {
	const spare = 200 // for files, listeners, pollers and other connections
	var descriptors syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &descriptors))
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	require.NoError(t, err)
	var first, last int
	_, err = fmt.Sscan(string(text), &first, &last)
	require.NoError(t, err)
	return min(int(min(descriptors.Cur, math.MaxInt32)), last-first+1) - spare
}

// crowds measures the memory of sessions at rest, and the delay of one at work beside them.
func crowds(t *testing.T) []drawn {
	memory := graph{Title: "Memory of a session at rest", X: "Sessions at rest", Y: "Memory for each (KiB)", LogY: true}
	delay := graph{Title: "Delay of NOOP beside sessions at rest", X: "Sessions at rest", Y: "Delay (µs)"}
	all := sizes(t, "sessions", sessionRoom(t), 10, 30, 100, 300, 1000, 3000, 10_000)
	for i, side := range sides {
		each := series{Name: side.name, Native: i > 0}
		usual := series{Name: side.name + ", p50", Native: i > 0}
		rare := series{Name: side.name + ", p99", Native: i > 0, Dashed: true}
		// A run of its own, so that the memory of the one crowd has gone before the other comes.
		t.Run(side.role, func(t *testing.T) {
			server := startCrowd(t, side.role, t.TempDir())
			delays(t, server.address) // to have the code and the threads that any work takes
			empty := server.settle()
			for _, n := range all {
				server.grow(n)
				each.add(n, float64(server.settle()-empty)/1024/float64(n))
				p50, p99 := delays(t, server.address)
				usual.add(n, p50)
				rare.add(n, p99)
			}
		})
		memory.Series = append(memory.Series, each)
		delay.Series = append(delay.Series, usual, rare)
	}
	return []drawn{{"memory", memory}, {"latency", delay}}
}

// settle gives memory that is free back to the system, until that makes no difference of
// more than 1 % in half a second, or for 15 seconds. It returns the memory in bytes.
func (p *process) settle() int64 {
	ticks := time.NewTicker(500 * time.Millisecond)
	defer ticks.Stop()
	p.ask("give back")
	before := p.proportional()
	for range 30 {
		<-ticks.C
		p.ask("give back")
		now := p.proportional()
		if max(before, now)-min(before, now) <= before/100 {
			return now
		}
		before = now
	}
	return before
}

const rounds = 3 // each value is the best of so many

// delays are the median and the 99th percentile of the time of NOOP, in µs.
func delays(t *testing.T, address string) (p50, p99 float64) {
	p50, p99 = math.Inf(1), math.Inf(1)
	c := login(t, address)
	defer c.quit()
	for range rounds {
		c.times = c.times[:0]
		c.noops(5000)
		times := timesOf([]*client{c})
		p50, p99 = min(p50, percentile(times, 50)), min(p99, percentile(times, 99))
	}
	return p50, p99
}

// quickest is the shortest time that the work takes.
func quickest(work func()) time.Duration {
	shortest := time.Duration(math.MaxInt64)
	for range rounds {
		began := time.Now()
		work()
		shortest = min(shortest, time.Since(began))
	}
	return shortest
}

// rates measures downloads at a time, each of a file of its own.
func rates(t *testing.T) drawn {
	const size = 256 << 20
	g := graph{Title: "Rate of RETR, binary", X: "Streams at a time", Y: "Rate in all (MiB/s)"}
	root := memoryDir(t)
	servers, files := startCrowds(t, &g, root), 0
	for _, n := range sizes(t, "streams", sessionRoom(t), 1, 2, 4, 8, 16, 32) {
		for ; files < n; files++ {
			dir := filepath.Join(root, strconv.Itoa(files))
			sparse(t, dir, size)
		}
		for i, server := range servers {
			server.grow(n)
			elapsed := quickest(func() { server.retrieveAll(n, size) })
			g.Series[i].add(n, float64(n)*(size>>20)/elapsed.Seconds())
		}
	}
	return drawn{"rate", g}
}

// startCrowds starts a server for each side on the same folder, and adds a series for each to
// the graph.
func startCrowds(t *testing.T, g *graph, root string) (servers []*crowd) {
	for i, side := range sides {
		servers = append(servers, startCrowd(t, side.role, root))
		g.Series = append(g.Series, series{Name: side.name, Native: i > 0})
	}
	return servers
}

// retrieveAll retrieves n files of that many bytes at a time.
func (c *crowd) retrieveAll(n int, size int64) {
	var streams sync.WaitGroup
	for i, client := range c.clients[:n] {
		streams.Go(func() {
			client.command("TYPE I", "200")
			if got := client.retrieve(fmt.Sprintf("%d/sparse", i)); got != size {
				c.b.Errorf("got %d bytes", got)
			}
		})
	}
	streams.Wait()
	if c.b.Failed() {
		c.b.FailNow()
	}
}

// lists measures listings of one folder, to which names are added.
func lists(t *testing.T) drawn {
	g := graph{Title: "Time of LIST", X: "Names in the folder", Y: "Time (ms)", LogY: true}
	root := memoryDir(t)
	servers, made := startCrowds(t, &g, root), 0
	for _, n := range sizes(t, "names", math.MaxInt, 100, 1000, 10_000, 100_000, 1_000_000) {
		for ; made < n; made++ {
			if err := os.WriteFile(filepath.Join(root, fmt.Sprintf("file-%07d.txt", made)), nil, 0o644); err != nil {
				t.Logf("%d names and more are left out: %v", n, err)
				return drawn{"list", g}
			}
		}
		for i, server := range servers {
			server.grow(1)
			elapsed := quickest(func() { server.clients[0].readNames(n) })
			g.Series[i].add(n, float64(elapsed)/1e6)
		}
	}
	return drawn{"list", g}
}

// readNames reads a listing of that many lines.
func (c *client) readNames(names int) {
	data := c.passive()
	c.command("LIST", "150")
	lines, buffer := 0, make([]byte, 256<<10)
	for {
		n, err := data.Read(buffer)
		lines += bytes.Count(buffer[:n], []byte("\n"))
		if err == io.EOF {
			break
		}
		require.NoError(c.b, err)
	}
	data.Close()
	c.expect("226")
	require.Equal(c.b, names, lines)
}
