package host

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"wasiftp/tests/hostile/binary"
)

// What a guest can do without end costs fuel, each by each.
func TestFuelEndsWhatHasNoEnd(t *testing.T) {
	t.Parallel()
	const step = 3 // the number of ftp_step
	call := binary.Body(binary.Const64(0), binary.Const32(0), binary.Call(step), []byte{0x1a})
	for name, body := range map[string][]byte{
		"a loop":              binary.Forever(),
		"a loop in a loop":    binary.Forever(binary.Forever()),
		"a loop in an if":     binary.Body(binary.Const32(1), binary.If(binary.Forever())),
		"copying":             binary.Forever(binary.CopyMemory(65000)),
		"a call of itself":    call,
		"two calls of itself": binary.Body(call, call),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i, err := handmade(t, body).instantiate(nil, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			defer i.close()
			if _, err := i.advance(0, 0, 0); err == nil || !errors.Is(err, errHung) && !strings.Contains(err.Error(), "stack overflow") {
				t.Errorf("%v", err)
			}
		})
	}
}

// A step has as much as any other.
func TestFuelIsForOneCall(t *testing.T) {
	t.Parallel()
	i, err := handmade(t, binary.CopyMemory(65000)).instantiate(nil, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer i.close()
	for range 3 {
		if _, err := i.advance(0, 0, 0); err != nil {
			t.Fatal(err)
		}
		if burnt := stepFuel - int64(i.fuel.Get()); burnt != 65000>>3+12 {
			t.Errorf("65,000 bytes burn %d", burnt)
		}
	}
}

func TestFuelIsOutOfTheGuestsReach(t *testing.T) {
	t.Parallel()
	for name, body := range map[string][]byte{
		"reads it":       {0x23, 0, 0x1a},
		"fills it":       binary.Body(binary.Const64(1<<62), []byte{0x24, 0}),
		"fills the next": binary.Body(binary.Const64(1<<62), []byte{0x24, 1}),
		"tail call":      {0x12, 0},
		"SIMD":           {0xfd, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x1a},
		"atomic wait":    {0xfe, 0x01, 2, 0},
		"try":            {0x06, 0x40, 0x0b},
		"table.grow":     binary.Body(binary.GrowTable(1), binary.Drop),
		"0xfc 99":        {0xfc, 99},
		"no instruction": {0xff},
	} {
		m := binary.Module{Memory: 1, MemoryName: "memory", Functions: []binary.Function{{Export: "f", Body: body}}}
		if _, err := metered(m.Encode(), 1); err == nil {
			t.Errorf("%s is metered", name)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s is refused in more than a sentence: %v", name, err)
		}
	}
	m := binary.Module{Memory: 1, MemoryName: fuelName, Functions: []binary.Function{{Export: "f"}}}
	if _, err := metered(m.Encode(), 1); err == nil {
		t.Error("a module exports the fuel itself")
	}
}

func TestFuelTables(t *testing.T) {
	t.Parallel()
	for size, ok := range map[int]bool{1: true, maxTable: true, maxTable + 1: false, 1 << 30: false} {
		m := binary.Module{Memory: 1, MemoryName: "memory", Table: size, Functions: []binary.Function{{Export: "f"}}}
		if _, err := metered(m.Encode(), 1); (err == nil) != ok {
			t.Errorf("a table of %d: %v", size, err)
		}
	}
}

// The engine itself can be metered, and not twice.
func TestFuelForTheEngine(t *testing.T) {
	t.Parallel()
	module, err := metered(Module(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := metered(module, 1); err == nil {
		t.Error("it is metered twice")
	}
	const cuts = 20
	whole := Module()
	for cut := range cuts {
		if part := whole[:cut*len(whole)/cuts]; len(part) > 0 {
			if _, err := metered(part, 1); err == nil {
				t.Errorf("%d of its bytes are a module", len(part))
			}
		}
	}
}

// FuzzMetered gives the meter what no compiler makes.
func FuzzMetered(f *testing.F) {
	seeds := [][]byte{
		{}, []byte("\x00asm\x01\x00\x00\x00"),
		binary.Module{Memory: 1, MemoryName: "memory", Table: 1, Functions: []binary.Function{
			{Export: "f", Body: binary.Forever(binary.CopyMemory(1))},
			{Export: "g", Body: binary.Body(binary.Const32(1), binary.If(binary.Call(0)))},
			{Body: binary.Body(binary.Store64(0, -1), binary.GrowMemory(1), binary.Drop)},
		}}.Encode(),
		binary.Module{Memory: -1, ImportMemory: true, Imports: []binary.Import{{Namespace: "a", Name: "b"}}, Functions: []binary.Function{{Export: "f"}}}.Encode(),
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
