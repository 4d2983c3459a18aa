// Package wasmtest writes small WebAssembly modules by hand: those that no
// compiler would make.
package wasmtest

import "slices"

// Value types of WebAssembly.
const (
	I32 = 0x7f
	I64 = 0x7e
)

// What an import can be.
const (
	importFunction = 0
	importMemory   = 2
)

// Signature is the type of a function.
type Signature struct{ Params, Results []byte }

// Import is a function that a module imports.
type Import struct {
	Namespace, Name string
	Signature
}

// Function is one that a module has. Its body is written with the instructions
// of this package and needs no end.
type Function struct {
	Export string // "" keeps it inside
	Signature
	Body []byte
}

// Module is what will be in the file. Functions are numbered from 0, the
// imported ones first.
type Module struct {
	Imports      []Import
	ImportMemory bool // of 1 page, from env.memory
	Functions    []Function
	Memory       int    // pages at the start; -1 is none
	MemoryName   string // "" is not exported
	Table        int    // elements of the table; 0 is none
	Start        int    // the function that runs when an instance is made; 0 is none
}

// Encode is the module's file.
func (m Module) Encode() []byte {
	var types, imports, functions, tables, memories, exports, codes [][]byte
	addType := func(s Signature) []byte {
		types = append(types, slices.Concat([]byte{0x60}, vector(each(s.Params)), vector(each(s.Results))))
		return unsigned(uint64(len(types) - 1))
	}
	for _, i := range m.Imports {
		imports = append(imports, slices.Concat(name(i.Namespace), name(i.Name), []byte{importFunction}, addType(i.Signature)))
	}
	if m.ImportMemory {
		imports = append(imports, slices.Concat(name("env"), name("memory"), []byte{importMemory, 0, 1}))
	}
	for n, f := range m.Functions {
		functions = append(functions, addType(f.Signature))
		if f.Export != "" {
			exports = append(exports, slices.Concat(name(f.Export), []byte{0}, unsigned(uint64(len(m.Imports)+n))))
		}
		code := slices.Concat([]byte{0}, f.Body, []byte{0x0b})
		codes = append(codes, slices.Concat(unsigned(uint64(len(code))), code))
	}
	if m.Table > 0 {
		tables = [][]byte{append([]byte{0x70, 0}, unsigned(uint64(m.Table))...)}
	}
	if m.Memory >= 0 {
		memories = [][]byte{append([]byte{0}, unsigned(uint64(m.Memory))...)}
	}
	if m.MemoryName != "" {
		exports = append(exports, slices.Concat(name(m.MemoryName), []byte{2, 0}))
	}
	file := []byte("\x00asm\x01\x00\x00\x00")
	for id, entries := range [][][]byte{1: types, 2: imports, 3: functions, 4: tables, 5: memories, 7: exports} {
		file = append(file, section(byte(id), entries)...)
	}
	if m.Start > 0 {
		start := unsigned(uint64(m.Start))
		file = append(file, slices.Concat([]byte{8}, unsigned(uint64(len(start))), start)...)
	}
	return append(file, section(10, codes)...)
}

func section(id byte, entries [][]byte) []byte {
	if len(entries) == 0 {
		return nil
	}
	content := vector(entries)
	return slices.Concat([]byte{id}, unsigned(uint64(len(content))), content)
}

func vector(entries [][]byte) []byte {
	return slices.Concat(unsigned(uint64(len(entries))), slices.Concat(entries...))
}

func each(b []byte) [][]byte {
	var entries [][]byte
	for i := range b {
		entries = append(entries, b[i:i+1])
	}
	return entries
}

func name(s string) []byte { return append(unsigned(uint64(len(s))), s...) }

// unsigned is a number in LEB128.
func unsigned(v uint64) []byte {
	var b []byte
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

// signed is a number in signed LEB128.
func signed(v int64) []byte {
	var b []byte
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}
