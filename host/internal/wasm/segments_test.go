package wasm

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"wasiftp/host/wasmtest"
)

// segment is a part of the linear memory that the module fills before it starts.
type segment struct {
	at   uint64
	data []byte
}

// withData is a module with data segments.
func withData(m wasmtest.Module, segments ...segment) []byte {
	content := binary.AppendUvarint(nil, uint64(len(segments)))
	for _, s := range segments {
		content = append(appendSigned(append(content, 0, 0x41), int64(int32(s.at))), 0x0b)
		content = append(binary.AppendUvarint(content, uint64(len(s.data))), s.data...)
	}
	return slices.Concat(m.Encode(), []byte{sectionData}, binary.AppendUvarint(nil, uint64(len(content))), content)
}

// wantedMemory is the memory of a new instance, by the runtime alone.
func wantedMemory(t *testing.T, module []byte) ([]byte, error) {
	t.Helper()
	module, err := metered(module, 1000)
	if err != nil {
		t.Fatal(err)
	}
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

// An instance's memory is filled as the runtime does it. Only segments that the host cannot
// judge stay in the module.
func TestSegmentsAreSeparated(t *testing.T) {
	t.Parallel()
	const end = 1 << 16
	text := func(at uint64, size int) segment { return segment{at, bytes.Repeat([]byte{byte(at) | 1}, size)} }
	for name, c := range map[string]struct {
		segments []segment
		stay     bool
	}{
		"none":              {nil, false},
		"side by side":      {[]segment{text(0, 10), text(10, 10), text(20, 1)}, false},
		"gaps":              {[]segment{text(0, 10), text(100, 10), text(10000, 10)}, false},
		"out of order":      {[]segment{text(300, 10), text(20, 10), text(0, 10), text(310, 10)}, false},
		"one over another":  {[]segment{text(0, 10), text(5, 10), text(15, 1)}, false},
		"one under another": {[]segment{text(5, 2), text(0, 10), text(15, 1)}, false},
		"up to the end":     {[]segment{text(end-20, 10), text(end-5, 5)}, false},
		"beyond the end":    {[]segment{text(end-20, 10), text(end-5, 6)}, true},
		"empty, at the end": {[]segment{text(end, 0)}, false},
		"empty, beyond":     {[]segment{text(end+1, 0)}, true},
		"at the last byte":  {[]segment{text(1<<32-1, 100)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			module := withData(wasmtest.Engine(nil), c.segments...)
			with, err := metered(module, 1000)
			if err != nil {
				t.Fatal(err)
			}
			if without, _ := separated(with); hasSection(without, sectionData) != c.stay {
				t.Errorf("that they stay is %v", !c.stay)
			}
			want, refused := wantedMemory(t, module)
			p, err := Compile(module, Options{Memory: someMemory})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			i, err := p.Instantiate(nil, time.Minute)
			if (err == nil) != (refused == nil) {
				t.Fatalf("an instance gives %v, and by the runtime alone %v", err, refused)
			}
			if err != nil {
				return
			}
			defer i.Close()
			if got, _ := i.module.Memory().Read(0, i.module.Memory().Size()); !bytes.Equal(got, want) {
				t.Error("the memory differs")
			}
		})
	}
}

// Instances share the image until they write to it. What one writes, no other sees.
func TestImageIsShared(t *testing.T) {
	t.Parallel()
	module := withData(wasmtest.Engine(wasmtest.Store64(8, 42)), segment{0, []byte("0123456789")})
	p, err := Compile(module, Options{Memory: someMemory})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var memories [2][]byte
	for n := range memories {
		i, err := p.Instantiate(nil, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		defer i.Close()
		memories[n], _ = i.module.Memory().Read(0, 16)
		if string(memories[n][:10]) != "0123456789" {
			t.Fatalf("instance %d begins with %q", n, memories[n])
		}
		if _, err := i.Advance(0, 0); err != nil {
			t.Fatal(err)
		}
	}
	memories[0][0] = 'x'
	if memories[0][8] != 42 || memories[1][8] != 42 || memories[1][0] != '0' {
		t.Errorf("they are %q", memories)
	}
}

// hasSection says whether a module has a section.
func hasSection(module []byte, id byte) bool {
	for d := (decoder{rest: module[8:]}); len(d.rest) > 0; {
		found := d.byte()
		d.bytes(d.uint())
		if found == id {
			return true
		}
	}
	return false
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

// A module keeps its segments if its code could use them by number, or would run before the
// host has filled the memory.
func TestSegmentsThatStay(t *testing.T) {
	t.Parallel()
	module := withData(wasmtest.Engine(nil), segment{0, []byte("a")}, segment{1, []byte("b")})
	for name, c := range map[string]struct {
		before  byte
		section []byte
	}{
		"counted":             {sectionCode, []byte{sectionCount, 1, 2}},
		"with a first call":   {sectionCode, []byte{sectionStart, 1, wasmtest.Initialize}},
		"in two sections":     {sectionData, []byte{sectionData, 1, 0}},
		"under their address": {sectionData, nil},
	} {
		at, _ := sectionOf(t, module, c.before)
		with := slices.Concat(module[:at], c.section, module[at:])
		if c.section == nil { // global.get 0 instead of i32.const 0
			with = bytes.Replace(with, []byte{0, 0x41, 0, 0x0b, 1, 'a'}, []byte{0, 0x23, 0, 0x0b, 1, 'a'}, 1)
		}
		with, err := metered(with, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if same, content := separated(with); content != nil || !bytes.Equal(same, with) {
			t.Errorf("%s: they are taken", name)
		}
	}
}

// The engine's segments are most of an instance's memory.
func TestSegmentsOfTheEngine(t *testing.T) {
	t.Parallel()
	module, err := metered(engineModule(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	if without, content := separated(module); hasSection(without, sectionData) || len(content) < 1<<20 {
		t.Errorf("%d bytes are taken", len(content))
	}
}
