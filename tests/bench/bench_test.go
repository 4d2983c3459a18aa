//go:build linux

package bench

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// cost is what some work took: time as the client sees it, and the server's
// processor time.
type cost struct{ elapsed, cpu time.Duration }

// compare runs the work on both servers in turn, b.N times, and reports the
// engine's cost over the native server's.
func compare(b *testing.B, root string, size int64, work func(*client)) {
	compareAs(b, login, root, size, work)
}

// compareAs is compare with a login of its own.
func compareAs(b *testing.B, login func(testing.TB, string) *client, root string, size int64, work func(*client)) {
	engine, native := startProcess(b, "engine", root), startProcess(b, "native", root)
	var costs [2]cost
	var clients [2]*client
	for i, p := range []*process{engine, native} {
		clients[i] = login(b, p.address)
		defer clients[i].quit()
		work(clients[i]) // warm: page cache, pools, grown stacks
	}
	b.ResetTimer()
	for b.Loop() {
		for i, p := range []*process{engine, native} {
			cpu, began := p.cpu(), time.Now()
			work(clients[i])
			costs[i].elapsed += time.Since(began)
			costs[i].cpu += p.cpu() - cpu
		}
	}
	b.StopTimer()
	report(b, costs, size)
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

func (c *client) retrieve(name string) int64 {
	data := c.passive()
	c.command("RETR "+name, "150")
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, data, make([]byte, 1<<20))
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
	data := c.passive()
	c.command("STOR "+name, "150")
	if _, err := io.Copy(data, file); err != nil {
		c.b.Fatal(err)
	}
	data.Close()
	c.expect("226")
}

// sparse makes a file of the given size that takes no space on the disk, so that the
// benchmark measures the server and not the storage.
func sparse(b testing.TB, dir string, size int64) string {
	name := filepath.Join(dir, "sparse")
	file, err := os.Create(name)
	if err == nil {
		err = file.Truncate(size)
		file.Close()
	}
	if err != nil {
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

// BenchmarkSmall fetches small files one after the other, as a client does with a tree.
func BenchmarkSmall(b *testing.B) {
	const size = 4 << 10
	root := b.TempDir()
	sparse(b, root, size)
	compare(b, root, 0, func(c *client) {
		c.command("TYPE I", "200")
		for range 500 {
			c.command("SIZE sparse", "213")
			if n := c.retrieve("sparse"); n != size {
				b.Fatalf("got %d bytes", n)
			}
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

func BenchmarkList(b *testing.B) {
	root := b.TempDir()
	for i := range 10_000 {
		if err := os.WriteFile(filepath.Join(root, fmt.Sprintf("file-%05d.txt", i)), nil, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	compare(b, root, 0, func(c *client) {
		data := c.passive()
		c.command("LIST", "150")
		text, err := io.ReadAll(data)
		if n := bytes.Count(text, []byte("\n")); err != nil || n != 10_000 {
			b.Fatal(n, err)
		}
		data.Close()
		c.expect("226")
	})
}

func BenchmarkNoop(b *testing.B) {
	compare(b, b.TempDir(), 0, func(c *client) {
		for range 1000 {
			c.command("NOOP", "200")
		}
	})
}

func BenchmarkLogin(b *testing.B) {
	root := b.TempDir()
	engine, native := startProcess(b, "engine", root), startProcess(b, "native", root)
	var costs [2]cost
	for b.Loop() {
		for i, p := range []*process{engine, native} {
			cpu, began := p.cpu(), time.Now()
			for range 100 {
				login(b, p.address).quit()
			}
			costs[i].elapsed += time.Since(began)
			costs[i].cpu += p.cpu() - cpu
		}
	}
	report(b, costs, 0)
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
