//go:build linux

package bench

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkNoopBeside measures how long NOOP and a small RETR take one session while the
// others keep the server busy. The percentiles are of all rounds together.
func BenchmarkNoopBeside(b *testing.B) {
	b.Run("nothing", func(b *testing.B) {
		measureBeside(b, startProcess(b, "engine", smallRoot(b)))
	})
	b.Run("500 slow readers", func(b *testing.B) {
		root := smallRoot(b)
		p := startProcess(b, "engine", root)
		readSlowly(b, p, root, 500)
		measureBeside(b, p)
	})
	b.Run("a disk of 10 IOPS", func(b *testing.B) { measureBesideDisk(b, 100*time.Millisecond) })
	b.Run("a disk that hangs", func(b *testing.B) { measureBesideDisk(b, 0) })
}

// measureBeside has one session do 2,000 NOOPs with 200 small files between them, b.N times.
// The server's folder is a smallRoot.
func measureBeside(b *testing.B, p *process) {
	c := login(b, p.address)
	defer c.quit()
	c.fetchSmall(10) // warm
	var retrieves []time.Duration
	b.ResetTimer()
	for b.Loop() {
		for range 200 {
			c.noops(10)
			began := time.Now()
			c.retrieve("sparse")
			retrieves = append(retrieves, time.Since(began))
		}
	}
	b.StopTimer()
	noops := timesOf([]*client{c})
	slices.Sort(retrieves)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(percentile(noops, 50), "p50-µs")
	b.ReportMetric(percentile(noops, 99), "p99-µs")
	b.ReportMetric(percentile(noops, 100), "max-µs")
	b.ReportMetric(percentile(retrieves, 99), "RETR-p99-µs")
}

// readSlowly starts downloads of a large file, each in a session of its own. Half of the
// clients then read nothing, the others a byte now and then, until the benchmark ends.
func readSlowly(b *testing.B, p *process, root string, sessions int) {
	sparse(b, filepath.Join(root, "large"), 1<<30)
	var reading []net.Conn
	for i := range sessions {
		c := login(b, p.address)
		b.Cleanup(func() { c.conn.Close() })
		c.command("TYPE I", "200")
		data := c.passiveNarrow()
		b.Cleanup(func() { data.Close() })
		c.command("RETR large/sparse", "150")
		readByte(b, data) // it is under way
		if i%2 == 0 {
			reading = append(reading, data)
		}
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticks := time.NewTicker(10 * time.Millisecond)
		defer ticks.Stop()
		for i := 0; ; i++ {
			select {
			case <-ticks.C:
				readByte(b, reading[i%len(reading)])
			case <-stop:
				return
			}
		}
	}()
	b.Cleanup(func() {
		close(stop)
		<-done
	})
}

// passiveNarrow is passive with a small buffer at the client, so that the server has to wait
// for a client that doesn't read. The system's buffers may hold 32 MiB.
func (c *client) passiveNarrow() net.Conn {
	c.b.Helper()
	data := c.passive()
	if err := data.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		c.b.Fatal(err)
	}
	return data
}

func readByte(b *testing.B, from io.Reader) {
	b.Helper()
	if _, err := io.ReadFull(from, make([]byte, 1)); err != nil {
		b.Error(err)
	}
}

// besideSessions is how many sessions use the disk.
const besideSessions = 20

// measureBesideDisk is measureBeside while other sessions use a disk on which one operation
// of all happens each time that interval has passed; 0 is a disk that hangs.
func measureBesideDisk(b *testing.B, interval time.Duration) {
	d := newDisk(b)
	d.makeFolders(b)
	p := d.startServer(b, smallRoot(b))
	d.use(b, p)
	d.slow(interval)
	d.await(b, besideSessions)
	measureBeside(b, p)
}

// makeFolders makes a folder for each session that uses the disk: the kernel's lock of a
// folder that all use would let one upload that waits keep the others from the disk.
func (d *disk) makeFolders(b testing.TB) {
	b.Helper()
	for i := range besideSessions {
		sparse(b, filepath.Join(d.below, fmt.Sprint(i)), 256<<10)
	}
}

// use has sessions use the disk in all ways until the benchmark ends, which releases it.
func (d *disk) use(b *testing.B, p *process) {
	stop := make(chan struct{})
	var all sync.WaitGroup
	for number := range besideSessions {
		c := loginAs(b, p.address, "slow")
		b.Cleanup(func() { c.conn.Close() })
		c.number = number
		all.Go(func() { c.useFolder(stop) })
	}
	b.Cleanup(func() {
		close(stop)
		d.release()
		all.Wait()
	})
}

// useFolder does what clients do, in the session's folder, until stop is closed.
func (c *client) useFolder(stop <-chan struct{}) {
	content := make([]byte, 64<<10)
	c.command("TYPE I", "200")
	c.command(fmt.Sprint("CWD ", c.number), "250")
	steps := []func(){
		func() { c.retrieve("sparse") },
		func() { c.storeFrom("upload", bytes.NewReader(content)) },
		func() { c.list("LIST") },
		func() { c.command("SIZE sparse", "213") },
	}
	for i := c.number; ; i++ {
		select {
		case <-stop:
			return
		default:
			steps[i%len(steps)]()
		}
	}
}

// await waits until so many operations wait for the disk at once.
func (d *disk) await(b testing.TB, operations int64) {
	b.Helper()
	deadline := time.Now().Add(time.Minute)
	for d.waiting.Load() < operations {
		if time.Now().After(deadline) {
			b.Fatalf("only %d operations wait for the disk", d.waiting.Load())
		}
		time.Sleep(time.Millisecond)
	}
}
