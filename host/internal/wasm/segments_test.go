package wasm

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"wasiftp/host/wasmtest"
)

// withData is a module with data segments.
func withData(m wasmtest.Module, segments ...segment) []byte {
	content := binary.AppendUvarint(nil, uint64(len(segments)))
	for _, s := range segments {
		content = append(appendSigned(append(content, 0, 0x41), int64(int32(s.at))), 0x0b)
		content = append(binary.AppendUvarint(content, uint64(len(s.data))), s.data...)
	}
	return slices.Concat(m.Encode(), []byte{sectionData}, binary.AppendUvarint(nil, uint64(len(content))), content)
}

// filled is the memory of a new instance.
func filled(t *testing.T, module []byte) ([]byte, error) {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	r.NewHostModuleBuilder(fuelName).NewFunctionBuilder().WithFunc(func() {}).Export("").Instantiate(ctx)
	m, err := r.InstantiateWithConfig(ctx, module, wazero.NewModuleConfig().WithStartFunctions())
	if err != nil {
		return nil, err
	}
	memory, _ := m.Memory().Read(0, m.Memory().Size())
	return slices.Clone(memory), nil
}

// Joined segments fill the memory as the module's own do.
func TestSegmentsAreJoined(t *testing.T) {
	t.Parallel()
	const end = 1 << 16
	text := func(at uint64, size int) segment { return segment{at, bytes.Repeat([]byte{byte(at) | 1}, size)} }
	for name, c := range map[string]struct {
		segments []segment
		left     int
	}{
		"none":              {nil, 0},
		"side by side":      {[]segment{text(0, 10), text(10, 10), text(20, 1)}, 1},
		"a short gap":       {[]segment{text(0, 10), text(10+maxGap, 10)}, 1},
		"a long gap":        {[]segment{text(0, 10), text(11+maxGap, 10)}, 2},
		"out of order":      {[]segment{text(300, 10), text(20, 10), text(0, 10), text(310, 10)}, 2},
		"in a gap":          {[]segment{text(20, 10), text(0, 10), text(40, 10)}, 1},
		"one over another":  {[]segment{text(0, 10), text(5, 10), text(15, 1)}, 3},
		"one under another": {[]segment{text(5, 2), text(0, 10), text(15, 1)}, 3},
		"up to the end":     {[]segment{text(end-20, 10), text(end-5, 5)}, 1},
		"beyond the end":    {[]segment{text(end-20, 10), text(end-5, 6)}, 1},
		"empty, beyond":     {[]segment{text(end-20, 20), text(end+1, 0)}, 1},
		"at the last byte":  {[]segment{text(1<<32-20, 10), text(1<<32-1, 100)}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			module := withData(wasmtest.Engine(nil), c.segments...)
			with, err := metered(module, 1000)
			if err != nil {
				t.Fatal(err)
			}
			if left := countSegments(t, with); left != c.left {
				t.Errorf("there are %d; want %d", left, c.left)
			}
			want, refused := filled(t, module)
			got, err := filled(t, with)
			if (err == nil) != (refused == nil) || err != nil && !strings.Contains(err.Error(), "out of bounds") {
				t.Errorf("an instance gives %v, and without joining %v", err, refused)
			}
			if !bytes.Equal(got, want) {
				t.Error("the memory differs")
			}
		})
	}
}

// sectionOf is where a section of a module begins, and its content.
func sectionOf(t *testing.T, module []byte, id byte) (at int, content decoder) {
	t.Helper()
	d := decoder{rest: module[8:]}
	for len(d.rest) > 0 {
		at = len(module) - len(d.rest)
		found := d.byte()
		content.rest = d.bytes(d.uint())
		if found == id {
			return at, content
		}
	}
	t.Fatalf("there is no section %d: %v", id, d.err)
	return 0, content
}

// countSegments is how many data segments a module has.
func countSegments(t *testing.T, module []byte) int {
	t.Helper()
	_, content := sectionOf(t, module, sectionData)
	return content.count()
}

// Code may use segments by number if the module counts them.
func TestCountedSegmentsStay(t *testing.T) {
	t.Parallel()
	module := withData(wasmtest.Engine(nil), segment{0, []byte("a")}, segment{1, []byte("b")})
	at, _ := sectionOf(t, module, sectionCode)
	with, err := metered(slices.Concat(module[:at], []byte{sectionCount, 1, 2}, module[at:]), 1000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := filled(t, with); err != nil {
		t.Fatal(err)
	}
	if left := countSegments(t, with); left != 2 {
		t.Errorf("there are %d; want both", left)
	}
}

// The engine's 30,000 segments become few.
func TestSegmentsOfTheEngine(t *testing.T) {
	t.Parallel()
	module, err := metered(engineModule(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	if left := countSegments(t, module); left > 100 {
		t.Errorf("there are %d", left)
	}
}
