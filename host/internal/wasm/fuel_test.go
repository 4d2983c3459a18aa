package wasm

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"wasiftp/host/wasmtest"
)

// Each way to run without end burns fuel.
func TestFuelEndsWhatHasNoEnd(t *testing.T) {
	t.Parallel()
	const step = 3 // the index of ftp_step
	call := wasmtest.Body(wasmtest.Const64(0), wasmtest.Const32(0), wasmtest.Call(step), []byte{0x1a})
	for name, body := range map[string][]byte{
		"a loop":              wasmtest.Forever(),
		"a loop in a loop":    wasmtest.Forever(wasmtest.Forever()),
		"a loop in an if":     wasmtest.Body(wasmtest.Const32(1), wasmtest.If(wasmtest.Forever())),
		"copying":             wasmtest.Forever(wasmtest.CopyMemory(65000)),
		"a call of itself":    call,
		"two calls of itself": wasmtest.Body(call, call),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i, err := handmade(t, body).Instantiate(nil, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			defer i.Close()
			if _, err := i.Advance(0, 0); err == nil || !errors.Is(err, ErrHung) && !strings.Contains(err.Error(), "stack overflow") {
				t.Errorf("%v", err)
			}
		})
	}
}

// burnt is the fuel that one step burns.
func burnt(t *testing.T, step []byte) int64 {
	t.Helper()
	i, err := handmade(t, step).Instantiate(nil, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	var fuel [2]int64
	for n := range fuel {
		if _, err := i.Advance(0, 0); err != nil {
			t.Fatal(err)
		}
		fuel[n] = fuelTotal - i.left - int64(i.fuel.Get())
	}
	if fuel[0] != fuel[1] {
		t.Errorf("one step burns %d, and the next %d", fuel[0], fuel[1])
	}
	return fuel[0]
}

// Each turn of a loop pays for the instructions of its body, however long that is and
// whichever path through it is taken.
func TestThreat38FuelByInstructions(t *testing.T) {
	t.Parallel()
	const turns, size = 1000, 10_000
	adds := bytes.Repeat(wasmtest.Body(wasmtest.Const32(1), wasmtest.Drop), size)
	block := func(body ...[]byte) []byte {
		return slices.Concat([]byte{0x02, 0x40}, slices.Concat(body...), []byte{0x0b})
	}
	br := func(depth byte) []byte { return []byte{0x0c, depth} }
	table := func(depth ...byte) []byte {
		return slices.Concat(wasmtest.Const32(0), []byte{0x0e, byte(len(depth) - 1)}, depth)
	}
	for name, body := range map[string][]byte{
		"straight":            adds,
		"behind a block":      wasmtest.Body(block(wasmtest.Local(1), []byte{0x0d, 0}), adds),
		"behind a jump":       wasmtest.Body(block(br(0)), adds),
		"in an if":            wasmtest.Body(wasmtest.Const32(1), wasmtest.If(adds)),
		"in an else":          wasmtest.Body(wasmtest.Const32(0), []byte{0x04, 0x40, 0x05}, adds, []byte{0x0b}),
		"behind an if":        wasmtest.Body(block(wasmtest.Const32(1), wasmtest.If(br(1))), adds),
		"dispatched":          block(block(block(table(1, 0, 0)), adds, br(1)), adds),
		"dispatched twice":    block(block(block(table(0, 1, 1)), br(0)), block(block(table(0, 1)), adds)),
		"dispatched, falling": block(block(block(block(table(0, 1, 2))), adds), adds),
		"in a loop that ends": wasmtest.Body([]byte{0x03, 0x40}, adds, []byte{0x0b}),
		"behind a loop":       wasmtest.Body([]byte{0x03, 0x40, 0x0b}, adds),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if fuel := burnt(t, wasmtest.Times(turns, 1, body)); fuel < turns*size || fuel > 3*turns*size {
				t.Errorf("%d turns of %d instructions burn %d", turns, size, fuel)
			}
		})
	}
}

// Short parts behind a dispatch are paid for wherever the dispatch leads, and so are the parts
// behind into which the code runs on.
func TestThreat38FuelForShortParts(t *testing.T) {
	t.Parallel()
	const turns, parts = 100, 40
	for _, adds := range []int{1, 5, 15, 16, 17, 30} {
		for _, first := range []int{0, 1, 20, parts - 1} {
			table := []byte{0x0e, parts - 1}
			for n := range parts {
				table = append(table, byte(n))
			}
			body := wasmtest.Body(bytes.Repeat([]byte{0x02, 0x40}, parts), wasmtest.Const32(int32(first)), table)
			part := bytes.Repeat(wasmtest.Body(wasmtest.Const32(1), wasmtest.Drop), adds)
			for range parts {
				body = wasmtest.Body(body, []byte{0x0b}, part)
			}
			run := int64(turns * adds * (parts - first))
			if fuel := burnt(t, wasmtest.Times(turns, 1, body)); fuel < run || fuel > run+turns*(60+5*parts) {
				t.Errorf("%d turns of %d parts of %d instructions burn %d", turns, parts-first, adds, fuel)
			}
		}
	}
}

// A jump from elsewhere to a short part pays for it as well.
func TestThreat38FuelForJumpsToShortParts(t *testing.T) {
	t.Parallel()
	const turns, adds = 100, 15
	part := bytes.Repeat(wasmtest.Body(wasmtest.Const32(1), wasmtest.Drop), adds)
	jump := []byte{0x0c, 0}
	for name, body := range map[string][]byte{
		"br":       wasmtest.Body(part, jump),
		"br_if":    wasmtest.Body(part, wasmtest.Const32(1), []byte{0x0d, 0}),
		"br_table": wasmtest.Body(part, wasmtest.Const32(0), []byte{0x0e, 1, 0, 0}),
	} {
		dispatched := wasmtest.Body([]byte{0x02, 0x40, 0x02, 0x40}, wasmtest.Const32(1), []byte{0x0e, 1, 1, 0, 0x0b}, body,
			[]byte{0x0b}, part)
		if fuel := burnt(t, wasmtest.Times(turns, 1, dispatched)); fuel < 2*turns*adds || fuel > turns*(2*adds+60) {
			t.Errorf("%s: %d turns of %d instructions burn %d", name, turns, 2*adds, fuel)
		}
	}
}

// Code that is jumped over costs little.
func TestFuelForTheWayTaken(t *testing.T) {
	t.Parallel()
	adds := bytes.Repeat(wasmtest.Body(wasmtest.Const32(1), wasmtest.Drop), 10_000)
	for name, body := range map[string][]byte{
		"an if":   wasmtest.Body(wasmtest.Const32(0), wasmtest.If(adds)),
		"a block": wasmtest.Body([]byte{0x02, 0x40, 0x02, 0x40}, wasmtest.Const32(1), []byte{0x0d, 1, 0x0b}, adds, []byte{0x0b}),
		"a table's": wasmtest.Body([]byte{0x02, 0x40, 0x02, 0x40}, wasmtest.Const32(1), []byte{0x0e, 1, 0, 1, 0x0b}, adds,
			[]byte{0x0b}),
	} {
		if fuel := burnt(t, wasmtest.Times(100, 1, body)); fuel > 100*40 {
			t.Errorf("%s: 100 turns burn %d", name, fuel)
		}
	}
}

// A bulk operation burns fuel by its size, and an overdrawn piece is taken off the total.
func TestThreat38FuelByBytes(t *testing.T) {
	t.Parallel()
	const size, turns = 65_000, 1000
	if fuel := burnt(t, wasmtest.Times(turns, 1, wasmtest.CopyMemory(size))); fuel < turns*size/8 || fuel > turns*(size/8+20) {
		t.Errorf("%d times %d bytes burn %d", turns, size, fuel)
	}
}

// While a guest loops, the collector waits for the end of a piece of fuel, not for the end
// of the guest.
func TestThreat38CollectorGetsItsTurn(t *testing.T) {
	t.Parallel()
	for name, body := range map[string][]byte{
		"empty":  wasmtest.Forever(),
		"memory": wasmtest.Forever(bytes.Repeat(wasmtest.Store64(0, 1), 1000)),
		"bulk":   wasmtest.Forever(wasmtest.CopyMemory(65000)),
	} {
		t.Run(name, func(t *testing.T) {
			p := handmade(t, body)
			for patience := 100 * time.Millisecond; patience < time.Minute; patience *= 4 {
				if collectionsBeside(t, p, patience) > 1 {
					return
				}
			}
			t.Error("the collector waited for the guest's end")
		})
	}
}

// collectionsBeside is how many collections end while a step runs until its patience is
// over. On a busy machine the collector may be slower than that.
func collectionsBeside(t *testing.T, p *Program, patience time.Duration) int {
	i, err := p.Instantiate(nil, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	i.supply()
	i.left = 1 << 60 // never burnt
	ended := make(chan error, 1)
	go func() { ended <- i.step.CallWithStack(i.ctx, i.stack[:]) }()
	for collections := 0; ; collections++ {
		runtime.GC()
		select {
		case err := <-ended:
			if !errors.Is(err, ErrHung) {
				t.Error(err)
			}
			return collections
		default:
		}
	}
}

func TestFuelIsOutOfTheGuestsReach(t *testing.T) {
	t.Parallel()
	for name, body := range map[string][]byte{
		"reads it":       {0x23, 0, 0x1a},
		"fills it":       wasmtest.Body(wasmtest.Const64(1<<62), []byte{0x24, 0}),
		"fills the next": wasmtest.Body(wasmtest.Const64(1<<62), []byte{0x24, 1}),
		"tail call":      {0x12, 0},
		"SIMD":           {0xfd, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x1a},
		"atomic wait":    {0xfe, 0x01, 2, 0},
		"try":            {0x06, 0x40, 0x0b},
		"table.grow":     wasmtest.Body(wasmtest.GrowTable(1), wasmtest.Drop),
		"0xfc 99":        {0xfc, 99},
		"no instruction": {0xff},
	} {
		m := wasmtest.Module{Memory: 1, MemoryName: "memory", Functions: []wasmtest.Function{{Export: "f", Body: body}}}
		if _, err := metered(m.Encode(), 1); err == nil {
			t.Errorf("%s is metered", name)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s is refused in more than a sentence: %v", name, err)
		}
	}
	m := wasmtest.Module{Memory: 1, MemoryName: fuelName, Functions: []wasmtest.Function{{Export: "f"}}}
	if _, err := metered(m.Encode(), 1); err == nil {
		t.Error("a module exports the fuel itself")
	}
}

func TestFuelTables(t *testing.T) {
	t.Parallel()
	for size, ok := range map[int]bool{1: true, maxTable: true, maxTable + 1: false, 1 << 30: false} {
		m := wasmtest.Module{Memory: 1, MemoryName: "memory", Table: size, Functions: []wasmtest.Function{{Export: "f"}}}
		if _, err := metered(m.Encode(), 1); (err == nil) != ok {
			t.Errorf("a table of %d: %v", size, err)
		}
	}
}

// The engine itself can be metered, but not twice, and no first part of it can.
func TestFuelForTheEngine(t *testing.T) {
	t.Parallel()
	module, err := metered(engineModule(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := metered(module, 1); err == nil {
		t.Error("it is metered twice")
	}
	const cuts = 20
	whole := engineModule(t)
	for cut := range cuts {
		if part := whole[:cut*len(whole)/cuts]; len(part) > 0 {
			if _, err := metered(part, 1); err == nil {
				t.Errorf("%d of its bytes are a module", len(part))
			}
		}
	}
}

// FuzzMetered gives the meter modules that no compiler makes.
func FuzzMetered(f *testing.F) {
	seeds := [][]byte{
		{}, []byte("\x00asm\x01\x00\x00\x00"),
		wasmtest.Module{Memory: 1, MemoryName: "memory", Table: 1, Functions: []wasmtest.Function{
			{Export: "f", Body: wasmtest.Forever(wasmtest.CopyMemory(1))},
			{Export: "g", Body: wasmtest.Body(wasmtest.Const32(1), wasmtest.If(wasmtest.Call(0)))},
			{Body: wasmtest.Body(wasmtest.Store64(0, -1), wasmtest.GrowMemory(1), wasmtest.Drop)},
		}}.Encode(),
		wasmtest.Module{Memory: -1, ImportMemory: true, Imports: []wasmtest.Import{{Namespace: "a", Name: "b"}},
			Functions: []wasmtest.Function{{Export: "f"}}}.Encode(),
	}
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, module []byte) {
		before := bytes.Clone(module)
		out, err := metered(module, 1)
		if !bytes.Equal(module, before) {
			t.Error("the module is changed")
		}
		if err == nil && len(out) <= len(module) {
			t.Errorf("%d bytes became %d", len(module), len(out))
		}
	})
}
