//go:build linux

package bench

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// BenchmarkSmallStoreQuota stores small files for a user with a quota and for one without,
// of the same server in turn, and reports what the quota costs.
func BenchmarkSmallStoreQuota(b *testing.B) {
	compareQuota(b, func(c *client, name string) {
		c.storeFrom(name, bytes.NewReader(make([]byte, smallSize)))
		c.command("DELE "+name, "250")
	})
}

// BenchmarkSmallQuota fetches small files in the same way.
func BenchmarkSmallQuota(b *testing.B) {
	compareQuota(b, func(c *client, _ string) { c.retrieve("sparse") })
}

func compareQuota(b *testing.B, work func(c *client, name string)) {
	pin(b)
	b.Setenv(countsFolder, b.TempDir())
	root := memoryDir(b)
	sparse(b, root, smallSize)
	p := startProcess(b, "engine", root)
	users := [2]*client{loginAs(b, p.address, bounded), loginAs(b, p.address, "bench")}
	var costs [2]cost
	files := 0
	b.ResetTimer()
	for b.Loop() {
		for i, c := range users {
			cpu, began := p.cpu(), time.Now()
			for range 500 {
				files++
				work(c, fmt.Sprint("file-", files))
			}
			costs[i].elapsed += time.Since(began)
			costs[i].cpu += p.cpu() - cpu
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(costs[0].elapsed)/float64(costs[1].elapsed), "time/without")
	b.ReportMetric(float64(costs[0].cpu)/float64(costs[1].cpu), "cpu/without")
}
