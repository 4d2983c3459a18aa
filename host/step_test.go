package host

import (
	"testing"
	"time"

	"wasiftp/wasi"
)

// wire is a world with one client, who says the same line for ever.
type wire struct {
	*shard
	line   string
	events []wasi.Event
	read   bool
}

func (w *wire) call(n int, a *args) wasi.Errno {
	switch n {
	case wasi.EventsRead:
		w.shard.events = w.events
		w.events = nil
		return w.eventsRead(a)
	case wasi.ConfigRead:
		return w.configRead(a)
	case wasi.NetRead:
		if w.read {
			return wasi.EAGAIN
		}
		w.read = true
		putUint32(a.bytes(2), uint32(copy(a.bytes(1), w.line)))
	case wasi.NetWrite:
		putUint32(a.bytes(2), uint32(len(a.bytes(1))))
	case wasi.NetAddress:
		return wasi.ENOSYS
	}
	return wasi.OK
}

// BenchmarkStep is one command's way through the engine, without any socket, and
// the fuel that it burns.
func BenchmarkStep(b *testing.B) {
	for _, line := range []string{"NOOP\r\n", "HELP\r\n", "FEAT\r\n"} {
		b.Run(line[:4], func(b *testing.B) {
			config, err := (&Config{}).checked()
			if err != nil {
				b.Fatal(err)
			}
			p, err := compile(&config)
			if err != nil {
				b.Fatal(err)
			}
			defer p.close()
			sh := newShard(&Server{config: config, engineConfig: engineConfig(&config)})
			w := &wire{shard: sh, line: line}
			i, err := p.instantiate(w, time.Minute)
			if err != nil {
				b.Fatal(err)
			}
			defer i.close()
			if err := i.start(len(sh.server.engineConfig)); err != nil {
				b.Fatal(err)
			}
			step := func(e wasi.Event) int64 {
				w.events, w.read = []wasi.Event{e}, false
				if _, err := i.advance(1, 1); err != nil {
					b.Fatal(err)
				}
				return fuelTotal - i.left - int64(i.fuel.Get())
			}
			step(wasi.Event{Kind: wasi.EventOpen, Session: 1, Handle: 1})
			fuel := int64(0)
			for b.Loop() {
				fuel += step(wasi.Event{Kind: wasi.EventReadable, Session: 1, Handle: 1})
			}
			b.ReportMetric(float64(fuel)/float64(b.N), "fuel/op")
		})
	}
}
