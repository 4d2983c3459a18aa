// Package wasmtest encodes small WebAssembly modules for tests, among them such as no
// compiler would make.
package wasmtest

import (
	"encoding/binary"
	"slices"
)

// Value types of WebAssembly.
const (
	I32 = 0x7f
	I64 = 0x7e
)

// Kinds of imports.
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

// Function is a function of a module. Its body consists of the instructions of this
// package, without the final end.
type Function struct {
	Export string // name of the export; "" exports none
	Signature
	Body []byte
}

// Module is the content of a module. Functions are numbered from 0, the imported ones
// first.
type Module struct {
	Imports      []Import
	ImportMemory bool // of 1 page, from env.memory
	Functions    []Function
	Memory       int    // pages at the start; -1 is no memory
	MemoryName   string // name of its export; "" exports none
	Table        int    // elements of the table; 0 is no table
	Start        int    // number of the function that runs when an instance is made; 0 is none
}

// Encode is the module in the binary format.
func (m Module) Encode() []byte {
	var types, imports, functions, tables, memories, exports, codes [][]byte
	addType := func(s Signature) []byte {
		types = append(types, slices.Concat([]byte{0x60}, sized(s.Params), sized(s.Results)))
		return unsigned(uint64(len(types) - 1))
	}
	for _, i := range m.Imports {
		imports = append(imports, slices.Concat(sized(i.Namespace), sized(i.Name), []byte{importFunction}, addType(i.Signature)))
	}
	if m.ImportMemory {
		imports = append(imports, slices.Concat(sized("env"), sized("memory"), []byte{importMemory, 0, 1}))
	}
	for n, f := range m.Functions {
		functions = append(functions, addType(f.Signature))
		if f.Export != "" {
			exports = append(exports, slices.Concat(sized(f.Export), []byte{0}, unsigned(uint64(len(m.Imports)+n))))
		}
		codes = append(codes, sized(slices.Concat([]byte{0}, f.Body, []byte{0x0b})))
	}
	if m.Table > 0 {
		tables = [][]byte{append([]byte{0x70, 0}, unsigned(uint64(m.Table))...)}
	}
	if m.Memory >= 0 {
		memories = [][]byte{append([]byte{0}, unsigned(uint64(m.Memory))...)}
	}
	if m.MemoryName != "" {
		exports = append(exports, slices.Concat(sized(m.MemoryName), []byte{2, 0}))
	}
	file := []byte("\x00asm\x01\x00\x00\x00")
	for id, entries := range [][][]byte{1: types, 2: imports, 3: functions, 4: tables, 5: memories, 7: exports} {
		file = append(file, section(byte(id), entries)...)
	}
	if m.Start > 0 {
		file = slices.Concat(file, []byte{8}, sized(unsigned(uint64(m.Start))))
	}
	return append(file, section(10, codes)...)
}

func section(id byte, entries [][]byte) []byte {
	if len(entries) == 0 {
		return nil
	}
	content := slices.Concat(unsigned(uint64(len(entries))), slices.Concat(entries...))
	return append([]byte{id}, sized(content)...)
}

// sized is a name, or other bytes, behind its length.
func sized[T string | []byte](b T) []byte { return append(unsigned(uint64(len(b))), b...) }

// unsigned is a number in LEB128, which Go calls a varint.
func unsigned(v uint64) []byte { return binary.AppendUvarint(nil, v) }

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
