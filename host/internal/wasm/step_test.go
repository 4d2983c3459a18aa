package wasm

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"wasiftp/wasi"
)

// wire answers imports for clients that send what say gives them. Nothing has to be waited
// for but the end of a transfer, which comes with the next step.
type wire struct {
	config  []byte
	events  []wasi.Event
	arrived map[uint32]string // what the engine has not read, by session
	session uint32            // of the last command
	handles uint32
	pages   [][]byte // the folder's entries
	next    int      // the page that file_list gives next
	taken   int      // bytes that the engine has written
	calls   int      // of imports
}

const (
	firstHandle = 1 << 24
	smallFile   = 4 << 10
)

func (w *wire) handle() int {
	w.handles++
	return int(firstHandle + w.handles)
}

func (w *wire) Call(n int, a *Args) wasi.Errno {
	w.calls++
	put := func(n, value int) { binary.LittleEndian.PutUint32(a.Bytes(n), uint32(value)) }
	file := wasi.Stat{ModTime: 1.7e18, Size: smallFile, Mode: 0o644, Links: 1}
	switch n {
	case wasi.ConfigRead:
		put(1, copy(a.Bytes(0), w.config))
	case wasi.EventsRead:
		room := a.Bytes(0)
		n := min(len(room)/wasi.EventSize, len(w.events))
		for i, e := range w.events[:n] {
			e.Put(room[i*wasi.EventSize:])
		}
		w.events = w.events[n:]
		put(1, n)
	case wasi.NetAddress:
		wasi.PutAddr(a.Bytes(2), here)
	case wasi.NetRead:
		text := w.arrived[a.Handle(0)]
		if text == "" {
			return wasi.EAGAIN
		}
		n := copy(a.Bytes(1), text)
		w.arrived[a.Handle(0)] = text[n:]
		put(2, n)
	case wasi.NetWrite:
		w.taken += len(a.Bytes(1))
		put(2, len(a.Bytes(1)))
	case wasi.NetListen:
		put(2, w.handle())
		wasi.PutAddr(a.Bytes(3), here)
	case wasi.NetAccept:
		put(1, w.handle())
	case wasi.AuthHost, wasi.SessionNames:
		return wasi.ENOSYS
	case wasi.AuthLogin:
		put(3, 0xff)
		put(4, 0xffff)
	case wasi.FileStat:
		if a.Uint32(2)&wasi.StatEnter != 0 {
			file.Mode |= wasi.TypeDir
		}
		file.Put(a.Bytes(3))
	case wasi.FileOpen:
		w.next = 0
		put(4, w.handle())
		file.Put(a.Bytes(5))
	case wasi.FileList:
		size := 0
		if w.next < len(w.pages) {
			size = copy(a.Bytes(1), w.pages[w.next])
			w.next++
		}
		put(2, size)
	case wasi.TransferStart:
		w.events = append(w.events, wasi.Event{Kind: wasi.EventTransfer, Session: w.session, Handle: a.Handle(0), Value: smallFile})
	}
	return wasi.OK
}

// fill makes a folder of so many files. The order of their times is not that of their
// names.
func (w *wire) fill(entries int) {
	page := make([]byte, 0, 32<<10)
	for i := range entries {
		scattered := int64(i * 7919 % entries)
		s := wasi.Stat{ModTime: begin - 1009e9*scattered, Size: uint64(i) * 997, Mode: 0o644, Links: 1}
		name := fmt.Sprintf("file-%05d.txt", i)
		next, ok := wasi.AppendDirent(page, s, name, "")
		if !ok {
			w.pages = append(w.pages, page)
			next, _ = wasi.AppendDirent(make([]byte, 0, 32<<10), s, name, "")
		}
		page = next
	}
	w.pages = append(w.pages, page)
}

var here = netip.MustParseAddrPort("192.0.2.1:2121")

const begin = 1_750_000_000e9 // when the benchmarks begin, in ns since 1970

// guest is the embedded engine with a wire, and its clock.
type guest struct {
	*wire
	b        *testing.B
	instance *Instance
	now      int64
	fuel     int64
	steps    int
}

// newGuest starts the engine in an instance that has been given the memory of a large
// server.
func newGuest(b *testing.B) *guest {
	b.Helper()
	p, err := Compile(engineModule(b), Options{Memory: 256 << 20})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.Close)
	limit := int64(300e9)
	config := wasi.Config{LineLength: 4096, LoginTime: limit, IdleTime: limit, StallTime: limit, DataTime: limit, ShortReads: true}
	g := &guest{wire: &wire{arrived: map[uint32]string{}, config: config.Append(nil)}, b: b, now: begin}
	if g.instance, err = p.Instantiate(g, time.Minute); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(g.instance.Close)
	if err := g.instance.Start(len(g.config)); err != nil {
		b.Fatal(err)
	}
	return g
}

// settle makes steps until the engine has nothing left to do.
func (g *guest) settle() {
	for {
		g.now += 1000
		next, err := g.instance.Advance(g.now, len(g.events))
		if err != nil {
			g.b.Fatal(err)
		}
		g.steps++
		g.fuel += fuelTotal - g.instance.left - int64(g.instance.fuel.Get())
		if len(g.events) == 0 && (next == 0 || next > g.now) {
			return
		}
	}
}

func (g *guest) event(kind uint16, session uint32) {
	g.session = session
	g.events = append(g.events, wasi.Event{Kind: kind, Session: session, Handle: session})
	g.settle()
}

// say sends each line to the engine once the one before it is answered.
func (g *guest) say(session uint32, lines ...string) {
	for _, line := range lines {
		g.arrived[session] = line + "\r\n"
		g.event(wasi.EventReadable, session)
	}
}

func (g *guest) login(session uint32) {
	g.event(wasi.EventOpen, session)
	g.say(session, "USER u", "PASS p", "TYPE I")
}

// BenchmarkStep measures conversations in the engine, without any socket, and counts the
// fuel that the guest burns, the imports that it calls, and the steps.
func BenchmarkStep(b *testing.B) {
	const entries = 10_000
	for name, lines := range map[string][]string{
		"NOOP": {"NOOP"}, "HELP": {"HELP"}, "FEAT": {"FEAT"}, "PWD": {"PWD"}, "CWD": {"CWD /pub/linux"}, "SIZE": {"SIZE f.txt"},
		"MDTM": {"MDTM f.txt"}, "MLST": {"MLST f.txt"}, "EPSV": {"EPSV"}, "RETR": {"EPSV", "RETR f.txt"},
		"STOR": {"EPSV", "STOR f.txt"}, "LIST": {"EPSV", "LIST"}, "MLSD": {"EPSV", "MLSD"}, "NLST": {"EPSV", "NLST"},
		"LIST-t": {"EPSV", "LIST -t"},
	} {
		b.Run(name, func(b *testing.B) {
			g := newGuest(b)
			g.fill(entries)
			g.login(1)
			g.say(1, lines...)
			g.fuel, g.calls, g.steps, g.taken = 0, 0, 0, 0
			for b.Loop() {
				g.say(1, lines...)
			}
			runs := float64(b.N)
			b.ReportMetric(float64(g.fuel)/runs, "fuel/op")
			b.ReportMetric(float64(g.calls)/runs, "imports/op")
			b.ReportMetric(float64(g.steps)/runs, "steps/op")
			if slices.Contains([]string{"LIST", "MLSD", "NLST"}, name) {
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/runs/entries, "ns/entry")
				b.ReportMetric(float64(g.fuel)/runs/entries, "fuel/entry")
			}
		})
	}
}

// BenchmarkAtRest measures the linear memory that a session takes while it waits for the
// next command.
func BenchmarkAtRest(b *testing.B) {
	const sessions = 20_000
	for b.Loop() {
		g := newGuest(b)
		g.login(1)
		before := g.instance.pages()
		for h := uint32(2); h < 2+sessions; h++ {
			g.login(h)
			g.say(h, "CWD /pub/linux", "EPSV", "RETR f.txt")
		}
		b.ReportMetric(float64(g.instance.pages()-before)*65536/sessions, "B/session")
	}
}
