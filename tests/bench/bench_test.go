//go:build linux

package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// cost is what some work took: time as the client sees it, and the server's
// processor time.
type cost struct{ elapsed, cpu time.Duration }

// contest is work that both servers do for clients of their own.
type contest struct {
	root     string                           // the folder of both servers
	login    func(testing.TB, string) *client // nil is login
	sessions int                              // that work at once; 0 is 1
	pinned   bool                             // all run on one core, see pin
	size     int64                            // bytes that the work of all sessions moves; 0 reports the time instead
}

// compare runs the work of one session that moves size bytes. See contest.run.
func compare(b *testing.B, root string, size int64, work func(*client)) {
	contest{root: root, size: size}.run(b, work)
}

// run lets the sessions do their work on both servers in turn, b.N times, and reports the
// engine's cost over the native server's, and how long the timed commands took.
func (t contest) run(b *testing.B, work func(*client)) {
	if t.login == nil {
		t.login = login
	}
	if t.pinned {
		pin(b)
	}
	servers := startBoth(b, t.root)
	var crowds [2][]*client
	for i, p := range servers {
		for number := range max(t.sessions, 1) {
			c := t.login(b, p.address)
			defer c.quit()
			c.number = number
			crowds[i] = append(crowds[i], c)
		}
		together(b, crowds[i], work) // warm: page cache, pools, grown stacks
		for _, c := range crowds[i] {
			c.times = nil
		}
	}
	report(b, measure(b, servers, func(i int) { together(b, crowds[i], work) }), t.size)
	for i, prefix := range []string{"", "native-"} {
		if times := timesOf(crowds[i]); len(times) > 0 {
			b.ReportMetric(percentile(times, 50), prefix+"p50-µs")
			b.ReportMetric(percentile(times, 99), prefix+"p99-µs")
		}
	}
}

// startBoth starts the two servers of a contest: the engine's, then the native one.
func startBoth(b *testing.B, root string) [2]*process {
	return [2]*process{startProcess(b, "engine", root), startProcess(b, "native", root)}
}

// measure runs the work on the servers in turn, b.N times. The argument of work is the
// server's index.
func measure(b *testing.B, servers [2]*process, work func(int)) (costs [2]cost) {
	b.ResetTimer()
	for b.Loop() {
		for i, p := range servers {
			cpu, began := p.cpu(), time.Now()
			work(i)
			costs[i].elapsed += time.Since(began)
			costs[i].cpu += p.cpu() - cpu
		}
	}
	b.StopTimer()
	return costs
}

// together lets each client do the work in a goroutine of its own, and waits for all.
func together(b testing.TB, clients []*client, work func(*client)) {
	if len(clients) == 1 { // a goroutine would cost the single session a switch
		work(clients[0])
		return
	}
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() { work(c) })
	}
	all.Wait()
	if b.Failed() {
		b.FailNow() // what fails in another goroutine ends that one only
	}
}

func report(b *testing.B, costs [2]cost, size int64) {
	b.ReportMetric(0, "ns/op") // it would count both servers
	b.ReportMetric(float64(costs[1].elapsed)/float64(costs[0].elapsed), "rate/native")
	b.ReportMetric(float64(costs[0].cpu)/float64(costs[1].cpu), "cpu/native")
	if size > 0 {
		b.ReportMetric(float64(size)*float64(b.N)/costs[0].elapsed.Seconds()/1e6, "MB/s")
	} else {
		b.ReportMetric(float64(costs[0].elapsed.Microseconds())/float64(b.N), "µs")
	}
}

// timesOf are the times of the clients' timed commands, the shortest first.
func timesOf(clients []*client) []time.Duration {
	var all []time.Duration
	for _, c := range clients {
		all = append(all, c.times...)
	}
	slices.Sort(all)
	return all
}

// percentile is the time in µs within which so many percent of the sorted times are.
func percentile(sorted []time.Duration, percent int) float64 {
	return float64(sorted[(len(sorted)-1)*percent/100]) / float64(time.Microsecond)
}

func (c *client) retrieve(name string) int64 {
	data := c.passive()
	c.command("RETR "+name, "150")
	if c.buffer == nil {
		c.buffer = make([]byte, 1<<20)
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, data, c.buffer)
	if err != nil {
		c.b.Fatal(err)
	}
	data.Close()
	c.expect("226")
	return n
}

func (c *client) store(name, from string) {
	file, err := os.Open(from)
	if err != nil {
		c.b.Fatal(err)
	}
	defer file.Close()
	c.storeFrom(name, file)
}

func (c *client) storeFrom(name string, from io.Reader) {
	c.b.Helper()
	data := c.passive()
	c.command("STOR "+name, "150")
	if _, err := io.Copy(data, from); err != nil {
		c.b.Fatal(err)
	}
	data.Close()
	c.expect("226")
}

// list is what LIST or MLSD sends.
func (c *client) list(command string) []byte {
	c.b.Helper()
	data := c.passive()
	c.command(command, "150")
	text, err := io.ReadAll(data)
	if err != nil {
		c.b.Fatal(err)
	}
	data.Close()
	c.expect("226")
	return text
}

// sparse makes the file "sparse" of that size in a folder, which it makes if there is none.
// The file takes no space on the disk, so that the benchmark measures the server and not the
// storage.
func sparse(b testing.TB, dir string, size int64) string {
	name := filepath.Join(dir, "sparse")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(name, nil, 0o644), os.Truncate(name, size)); err != nil {
		b.Fatal(err)
	}
	return name
}

func BenchmarkRetrieve(b *testing.B) {
	const size = 1 << 30
	root := b.TempDir()
	sparse(b, root, size)
	compare(b, root, size, func(c *client) {
		c.command("TYPE I", "200")
		if n := c.retrieve("sparse"); n != size {
			b.Fatalf("got %d bytes", n)
		}
	})
}

// BenchmarkRetrieve8 fetches with 8 sessions at once.
func BenchmarkRetrieve8(b *testing.B) {
	const sessions, size = 8, 256 << 20
	root := b.TempDir()
	sparse(b, root, size)
	contest{root: root, sessions: sessions, size: sessions * size}.run(b, func(c *client) {
		c.command("TYPE I", "200")
		if n := c.retrieve("sparse"); n != size {
			c.b.Fatalf("got %d bytes", n)
		}
	})
}

const smallSize = 4 << 10

// BenchmarkSmall fetches small files one after the other, as a client does with a tree.
func BenchmarkSmall(b *testing.B) {
	contest{root: smallRoot(b), pinned: true}.run(b, func(c *client) { c.fetchSmall(500) })
}

func BenchmarkSmallTLS(b *testing.B) {
	contest{root: smallRoot(b), login: loginTLS, pinned: true}.run(b, func(c *client) { c.fetchSmall(100) })
}

// BenchmarkSmall16 fetches small files with 16 sessions at once.
func BenchmarkSmall16(b *testing.B) {
	contest{root: smallRoot(b), sessions: 16}.run(b, func(c *client) { c.fetchSmall(100) })
}

// smallRoot is a folder with a small file.
func smallRoot(b testing.TB) string {
	root := b.TempDir()
	sparse(b, root, smallSize)
	return root
}

// fetchSmall fetches the file of smallRoot so many times.
func (c *client) fetchSmall(times int) {
	c.command("TYPE I", "200")
	for range times {
		c.command("SIZE sparse", "213")
		if n := c.retrieve("sparse"); n != smallSize {
			c.b.Fatalf("got %d bytes", n)
		}
	}
}

// BenchmarkSmallStore stores small files one after the other, each by a new name.
func BenchmarkSmallStore(b *testing.B) {
	content, stored := make([]byte, smallSize), 0
	contest{root: memoryDir(b), pinned: true}.run(b, func(c *client) {
		c.command("TYPE I", "200")
		for range 500 {
			c.storeFrom(fmt.Sprintf("upload-%d", stored), bytes.NewReader(content))
			stored++
		}
	})
}

func BenchmarkStore(b *testing.B) {
	const size = 1 << 30
	root := memoryDir(b)
	from := sparse(b, b.TempDir(), size)
	compare(b, root, size, func(c *client) {
		c.command("TYPE I", "200")
		c.store("upload", from)
		if info, err := os.Stat(filepath.Join(root, "upload")); err != nil || info.Size() != size {
			b.Fatal(info, err)
		}
	})
}

// BenchmarkStore4 stores with 4 sessions at once.
func BenchmarkStore4(b *testing.B) {
	const sessions, size = 4, 256 << 20
	root := memoryDir(b)
	from := sparse(b, b.TempDir(), size)
	contest{root: root, sessions: sessions, size: sessions * size}.run(b, func(c *client) {
		c.command("TYPE I", "200")
		name := fmt.Sprintf("upload-%d", c.number)
		c.store(name, from)
		if info, err := os.Stat(filepath.Join(root, name)); err != nil || info.Size() != size {
			c.b.Fatal(info, err)
		}
	})
}

// memoryDir is a folder in memory if the system has one: a disk would be slower than the
// server.
func memoryDir(b testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "wasiftp-bench-")
	if err != nil {
		return b.TempDir()
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func BenchmarkRetrieveASCII(b *testing.B) {
	const size = 256 << 20
	root := memoryDir(b)
	line := []byte("The quick brown fox jumps over the lazy dog, and the dog lets it pass once more.\n")
	text := bytes.Repeat(line, size/len(line))
	if err := os.WriteFile(filepath.Join(root, "text"), text, 0o644); err != nil {
		b.Fatal(err)
	}
	want := int64(len(text) + len(text)/len(line))
	compare(b, root, size, func(c *client) {
		c.command("TYPE A", "200")
		if n := c.retrieve("text"); n != want {
			b.Fatalf("got %d bytes", n)
		}
	})
}

func BenchmarkList(b *testing.B) { compareListings(b, "LIST") }
func BenchmarkMLSD(b *testing.B) { compareListings(b, "MLSD") }

func compareListings(b *testing.B, command string) {
	const files = 10_000
	root := b.TempDir()
	for i := range files {
		if err := os.WriteFile(filepath.Join(root, fmt.Sprintf("file-%05d.txt", i)), nil, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	compare(b, root, 0, func(c *client) {
		if n := bytes.Count(c.list(command), []byte(".txt\r\n")); n != files {
			b.Fatalf("%d files are listed", n)
		}
	})
}

func BenchmarkNoop(b *testing.B) {
	contest{root: b.TempDir(), pinned: true}.run(b, func(c *client) { c.noops(1000) })
}

// BenchmarkNoop64 has 64 sessions at once.
func BenchmarkNoop64(b *testing.B) {
	contest{root: b.TempDir(), sessions: 64}.run(b, func(c *client) { c.noops(100) })
}

func (c *client) noops(times int) {
	for range times {
		c.timed("NOOP", "200")
	}
}

func BenchmarkLogin(b *testing.B)    { compareLogins(b, login, 100) }
func BenchmarkLoginTLS(b *testing.B) { compareLogins(b, loginTLS, 20) }

// compareLogins measures so many logins, one after the other, each with its QUIT.
func compareLogins(b *testing.B, login func(testing.TB, string) *client, times int) {
	pin(b)
	servers := startBoth(b, b.TempDir())
	work := func(i int) {
		for range times {
			login(b, servers[i].address).quit()
		}
	}
	for i := range servers {
		work(i) // warm
	}
	report(b, measure(b, servers, work), 0)
}

// BenchmarkIdle reports the memory of a session that is logged in and idle.
func BenchmarkIdle(b *testing.B) {
	const sessions = 1000
	for b.Loop() {
		p := startProcess(b, "engine", b.TempDir())
		login(b, p.address).quit()
		empty := p.resident()
		clients := make([]*client, sessions)
		for i := range clients {
			clients[i] = login(b, p.address)
		}
		full := p.resident()
		b.ReportMetric(float64(empty)/(1<<20), "MiB-empty")
		b.ReportMetric(float64(full-empty)/(1<<10)/sessions, "KiB/session")
		for _, c := range clients {
			c.conn.Close()
		}
	}
}
