package wasm

import (
	"encoding/binary"
	"testing"
	"time"

	"wasiftp/wasi"
)

// wire answers imports for one client, who sends the same line again and again.
type wire struct {
	config []byte
	line   string
	event  *wasi.Event
	read   bool
}

func (w *wire) Call(n int, a *Args) wasi.Errno {
	put := func(n, value int) { binary.LittleEndian.PutUint32(a.Bytes(n), uint32(value)) }
	switch n {
	case wasi.EventsRead:
		put(1, 0)
		if w.event != nil {
			w.event.Put(a.Bytes(0))
			put(1, 1)
		}
		w.event = nil
	case wasi.ConfigRead:
		put(1, copy(a.Bytes(0), w.config))
	case wasi.NetRead:
		if w.read {
			return wasi.EAGAIN
		}
		w.read = true
		put(2, copy(a.Bytes(1), w.line))
	case wasi.NetWrite:
		put(2, len(a.Bytes(1)))
	case wasi.NetAddress:
		return wasi.ENOSYS
	}
	return wasi.OK
}

// BenchmarkStep measures one command in the engine, without any socket, and the fuel that
// it burns.
func BenchmarkStep(b *testing.B) {
	module := engineModule(b)
	for _, line := range []string{"NOOP\r\n", "HELP\r\n", "FEAT\r\n"} {
		b.Run(line[:4], func(b *testing.B) {
			p, err := Compile(module, Options{Memory: 256 << 20})
			if err != nil {
				b.Fatal(err)
			}
			defer p.Close()
			w := &wire{line: line, config: wasi.Config{LineLength: 4096}.Append(nil)}
			i, err := p.Instantiate(w, time.Minute)
			if err != nil {
				b.Fatal(err)
			}
			defer i.Close()
			if err := i.Start(len(w.config)); err != nil {
				b.Fatal(err)
			}
			step := func(kind uint16) int64 {
				w.event, w.read = &wasi.Event{Kind: kind, Session: 1, Handle: 1}, false
				if _, err := i.Advance(1, 1); err != nil {
					b.Fatal(err)
				}
				return fuelTotal - i.left - int64(i.fuel.Get())
			}
			step(wasi.EventOpen)
			fuel := int64(0)
			for b.Loop() {
				fuel += step(wasi.EventReadable)
			}
			b.ReportMetric(float64(fuel)/float64(b.N), "fuel/op")
		})
	}
}
