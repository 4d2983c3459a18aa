//go:build linux

package bench

import (
	"slices"
	"testing"
	"time"
)

// takeTurns lets two crowds do the same work in turn, the second one without what the first
// one has, and calls tidy after both. It reports the median of the ratios of all turns: what
// else the machine does in one of them does not count.
func takeTurns(b *testing.B, crowds [2]crowd, work func(c *client, turn int), tidy func()) {
	turn := 0
	takeTurn := func() (costs [2]cost) {
		turn++
		for i := range 2 {
			i = (i + turn) % 2 // neither is always the first
			cpu, began := crowds[i].cpu(), time.Now()
			together(b, crowds[i].clients, func(c *client) { work(c, turn) })
			costs[i] = cost{time.Since(began), crowds[i].cpu() - cpu}
		}
		tidy()
		return costs
	}
	takeTurn() // warm
	var elapsed, cpu []float64
	b.ResetTimer()
	for b.Loop() {
		costs := takeTurn()
		elapsed = append(elapsed, float64(costs[0].elapsed)/float64(costs[1].elapsed))
		cpu = append(cpu, float64(costs[0].cpu)/float64(costs[1].cpu))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(elapsed), "time/without")
	b.ReportMetric(median(cpu), "cpu/without")
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}
