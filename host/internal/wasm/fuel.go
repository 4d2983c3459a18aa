package wasm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// A guest must not run for ever: compiled code cannot be preempted, and while one loop
// spins, Go's collector waits for it, and the whole process waits for the collector. The
// runtime's own remedy leaves the compiled code at every turn of every loop, which costs
// more than the loop. So modules are metered before they are compiled: each instruction
// burns fuel. When none is left, the guest calls the host for more; then the host checks
// the clock, and the collector can run. Fuel is a number in a global that the guest's own
// code cannot reach.

// fuelName is the name under which a metered module exports its fuel, and the
// namespace of the one import that it gets.
const fuelName = "wasiftp:fuel"

// meterVersion grows with each change of what metered returns: caches keep its output.
const meterVersion = 3

// metered returns the module with fuel added; initial is the fuel before the host first sets
// it. It refuses everything that it does not know: an unknown instruction could hide a loop.
func metered(module []byte, initial int64) ([]byte, error) {
	m := &meter{in: decoder{rest: module}, initial: initial}
	out, err := m.module()
	if err != nil {
		return nil, fmt.Errorf("the module is no valid WebAssembly: %w", err)
	}
	return out, nil
}

const (
	sectionCustom   = 0
	sectionType     = 1
	sectionImport   = 2
	sectionFunction = 3
	sectionTable    = 4
	sectionMemory   = 5
	sectionGlobal   = 6
	sectionExport   = 7
	sectionStart    = 8
	sectionElement  = 9
	sectionCode     = 10
	sectionData     = 11
	sectionCount    = 12 // of data segments
)

// meter reads a module section by section, and writes it again. The import that it adds
// comes behind the module's own imports, so the index of each function behind that grows
// by one.
type meter struct {
	in        decoder
	out       []byte
	initial   int64
	next      byte   // type, import and global sections below this id are written
	params    []int  // how many parameters each type has
	imported  uint64 // how many functions the module imports
	functions []int  // the type of each function of the module's own
	globals   uint64 // how many the module has
	exported  bool   // the export section is written
	coded     int    // how many functions' code is written
}

func (m *meter) module() ([]byte, error) {
	if magic := m.in.bytes(8); string(magic) != "\x00asm\x01\x00\x00\x00" {
		return nil, errors.New("it does not begin like a version 1 module")
	}
	m.out = append(m.out, "\x00asm\x01\x00\x00\x00"...)
	for len(m.in.rest) > 0 && m.in.err == nil {
		id := m.in.byte()
		body := decoder{rest: m.in.bytes(m.in.uint())}
		if m.in.err != nil {
			break
		}
		if id != sectionCustom { // dropped: the indices of functions in it would be wrong
			m.complete(id)
			m.section(id, &body)
		}
		if body.err != nil {
			return nil, body.err
		}
	}
	switch {
	case m.in.err != nil:
		return nil, m.in.err
	case !m.exported:
		return nil, errors.New("it exports nothing")
	case m.coded != len(m.functions):
		return nil, errors.New("it has functions without code")
	}
	return m.out, nil
}

// complete writes the type, import and global sections that the module lacks and that
// belong before section id. Sections are in the order of their ids, but for 12 (data
// count), which stands before 10.
func (m *meter) complete(id byte) {
	for _, needed := range []byte{sectionType, sectionImport, sectionGlobal} {
		if needed < id && m.next <= needed {
			m.section(needed, &decoder{rest: []byte{0}})
		}
	}
}

// section reads the content of a section, and writes the metered section.
func (m *meter) section(id byte, d *decoder) {
	content := d.rest
	switch id {
	case sectionType, sectionImport, sectionGlobal:
		if id < m.next {
			d.fail("its sections are out of order")
			return
		}
		m.next = id + 1
		add := map[byte]func(*decoder) []byte{sectionType: m.types, sectionImport: m.imports, sectionGlobal: m.global}
		content = add[id](d)
	case sectionFunction:
		for range d.count() {
			m.functions = append(m.functions, int(d.uint()))
		}
	case sectionTable:
		m.tables(d)
	case sectionExport:
		content = m.export(d)
	case sectionStart:
		content = binary.AppendUvarint(nil, m.renumbered(d.uint()))
	case sectionElement:
		content = m.elements(d)
	case sectionCode:
		content = m.code(d)
	default:
		d.rest = nil
	}
	if len(d.rest) > 0 {
		d.fail("section %d has bytes too many", id)
	}
	m.out = append(m.out, id)
	m.out = binary.AppendUvarint(m.out, uint64(len(content)))
	m.out = append(m.out, content...)
}

// renumbered is the metered module's index of a function.
func (m *meter) renumbered(function uint64) uint64 {
	if function >= m.imported {
		function++
	}
	return function
}

// extended copies a vector, whose elements it has read pass over, and adds an element.
func extended(d *decoder, read func(), element ...byte) []byte {
	n := d.count()
	content := d.rest
	for range n {
		read()
	}
	content = content[:len(content)-len(d.rest)]
	return slices.Concat(binary.AppendUvarint(nil, uint64(n)+1), content, element)
}

// types adds the type of a function that takes and returns nothing.
func (m *meter) types(d *decoder) []byte {
	return extended(d, func() {
		if form := d.byte(); form != 0x60 {
			d.fail("type %#x is no function type", form)
			return
		}
		m.params = append(m.params, d.values())
		d.values()
	}, 0x60, 0, 0)
}

// imports adds the function that gives the guest more fuel.
func (m *meter) imports(d *decoder) []byte {
	refill := append(append([]byte{byte(len(fuelName))}, fuelName...), 0, 0) // empty name, a function
	refill = binary.AppendUvarint(refill, uint64(len(m.params)))
	return extended(d, func() {
		if string(d.bytes(d.uint())) == fuelName {
			d.fail("it imports %s itself", fuelName)
		}
		d.bytes(d.uint())
		if kind := d.byte(); kind != 0 {
			d.fail("it imports something that is no function")
			return
		}
		d.uint()
		m.imported++
	}, refill...)
}

// maxTable is how many elements all tables together may have. They take the host's own
// memory, which nothing else bounds; table.grow is refused for the same reason.
const maxTable = 1 << 20

func (m *meter) tables(d *decoder) {
	elements := uint64(0)
	for range d.count() {
		kind, limits := d.byte(), d.byte()
		if kind != 0x70 && kind != 0x6f || limits > 1 {
			d.fail("it has a table of an unknown type")
			return
		}
		if elements += d.uint(); elements > maxTable {
			d.fail("its tables are larger than %d elements", maxTable)
			return
		}
		if limits == 1 {
			d.uint()
		}
	}
}

// global adds the global that holds the fuel, behind the module's own.
func (m *meter) global(d *decoder) []byte {
	n := d.count()
	m.globals = uint64(n)
	out := binary.AppendUvarint(nil, m.globals+1)
	for range n {
		out = m.expression(append(out, d.value(), d.byte()), d)
	}
	out = append(out, 0x7e, 1, 0x42) // mutable i64, i64.const
	return append(appendSigned(out, m.initial), 0x0b)
}

// export adds the export of that global.
func (m *meter) export(d *decoder) []byte {
	n := d.count()
	out := binary.AppendUvarint(nil, uint64(n)+1)
	for range n {
		name := d.bytes(d.uint())
		if string(name) == fuelName {
			d.fail("it exports %s itself", fuelName)
		}
		out = append(binary.AppendUvarint(out, uint64(len(name))), name...)
		kind, number := d.byte(), d.uint()
		switch {
		case kind == 0: // a function
			number = m.renumbered(number)
		case kind == 3 && number >= m.globals:
			d.fail("it exports a global that it does not have")
		}
		out = binary.AppendUvarint(append(out, kind), number)
	}
	m.exported = true
	out = append(append(binary.AppendUvarint(out, uint64(len(fuelName))), fuelName...), 3)
	return binary.AppendUvarint(out, m.globals)
}

// elements copies the elements of tables, and refuses imports among them: the ledger
// knows a call of an import by the function's index, which call_indirect does not show.
func (m *meter) elements(d *decoder) []byte {
	function := func(out []byte) []byte {
		number := d.uint()
		if number < m.imported {
			d.fail("it has an import in a table, which cannot be metered")
		}
		return binary.AppendUvarint(out, m.renumbered(number))
	}
	n := d.count()
	out := binary.AppendUvarint(nil, uint64(n))
	for range n {
		flags := d.uint()
		if flags > 7 {
			d.fail("it has elements of an unknown kind")
		}
		passive, explicit, expressions := flags&1 != 0, flags&2 != 0, flags&4 != 0
		out = binary.AppendUvarint(out, flags)
		if !passive {
			if explicit {
				out = binary.AppendUvarint(out, d.uint())
			}
			out = m.expression(out, d)
		}
		switch {
		case expressions && (passive || explicit):
			out = append(out, d.value())
		case passive || explicit:
			out = append(out, d.byte()) // their kind: functions
		}
		size := d.count()
		out = binary.AppendUvarint(out, uint64(size))
		for range size {
			if expressions {
				out = m.expression(out, d)
			} else {
				out = function(out)
			}
		}
	}
	return out
}

// expression copies code up to the end that closes it, and renumbers its functions.
func (m *meter) expression(out []byte, d *decoder) []byte {
	code, from := d.rest, 0
	for depth := 0; depth >= 0 && d.err == nil; {
		at := len(code) - len(d.rest)
		opcode := d.byte()
		switch opcode {
		case 0x10, 0xd2: // call, ref.func
			function := d.uint()
			if opcode == 0xd2 && function < m.imported {
				d.fail("it has a reference to an import, which cannot be metered")
			}
			out = append(append(out, code[from:at]...), opcode)
			out = binary.AppendUvarint(out, m.renumbered(function))
			from = len(code) - len(d.rest)
			continue
		case 0x02, 0x03, 0x04: // block, loop, if
			depth++
		case 0x0b: // end
			depth--
		}
		d.immediates(opcode)
	}
	return append(out, code[from:len(code)-len(d.rest)]...)
}

func (m *meter) code(d *decoder) []byte {
	n := d.count()
	out := binary.AppendUvarint(nil, uint64(n))
	if n > len(m.functions) {
		d.fail("it has code without functions")
		return nil
	}
	for i := range n {
		body := decoder{rest: d.bytes(d.uint())}
		kind := m.functions[i]
		if kind >= len(m.params) {
			d.fail("function %d has no type", i)
			return nil
		}
		code := m.function(&body, m.params[kind])
		if body.err != nil {
			d.err = body.err
			return nil
		}
		out = binary.AppendUvarint(out, uint64(len(code)))
		out = append(out, code...)
	}
	m.coded = n
	return out
}

// function writes one function's code. It adds two locals: the size of a bulk operation
// while that is paid for, and the fuel that is left.
func (m *meter) function(d *decoder, params int) []byte {
	groups := d.count()
	size := uint64(params)
	declared := d.rest
	for range groups {
		size += d.uint()
		d.value()
	}
	declared = declared[:len(declared)-len(d.rest)]
	out := binary.AppendUvarint(make([]byte, 0, 2*len(d.rest)), uint64(groups)+2)
	out = append(append(out, declared...), 1, 0x7f, 1, 0x7e) // i32, i64
	body := m.expression(make([]byte, 0, len(d.rest)+len(d.rest)/8), d)
	if len(d.rest) > 0 {
		d.fail("it has code behind a function's end")
	}
	if d.err != nil {
		return nil
	}
	b := burner{fuel: m.globals, size: size, left: size + 1, refill: m.imported}
	code := decoder{rest: body}
	points := account(&code, m.globals, m.imported)
	if d.err = code.err; d.err != nil {
		return nil
	}
	from := 0
	for _, p := range points {
		out = b.burn(append(out, body[from:p.at]...), p)
		from = p.at
	}
	return append(out, body[from:]...)
}

// burner writes the code that burns fuel. It holds the indices of the global fuel, of the
// locals size and left, and of the function refill.
type burner struct{ fuel, size, left, refill uint64 }

// burn writes the code for a point.
func (b *burner) burn(out []byte, p point) []byte {
	with := func(opcode byte, number uint64) { out = binary.AppendUvarint(append(out, opcode), number) }
	const (
		localGet, localTee, globalGet, globalSet = 0x20, 0x22, 0x23, 0x24
		subtract                                 = 0x7d // i64.sub
	)
	if p.bulk {
		with(localTee, b.size)
		with(globalGet, b.fuel)
		with(localGet, b.size)
		out = append(out, 0xad, 0x42, p.shift, 0x88, subtract) // as i64, i64.const, i64.shr_u
		with(globalSet, b.fuel)
		return out
	}
	with(globalGet, b.fuel)
	if p.cost > 0 {
		out = append(appendSigned(append(out, 0x42), p.cost), subtract)
	}
	switch {
	case p.checks && p.cost > 0:
		with(localTee, b.left)
		with(globalSet, b.fuel)
		with(localGet, b.left)
	case p.cost > 0:
		with(globalSet, b.fuel)
		return out
	}
	out = append(out, 0x42, 0, 0x53, 0x04, 0x40) // < 0: if
	with(0x10, b.refill)                         // call
	return append(out, 0x0b)
}

// appendSigned appends v in signed LEB128.
func appendSigned(out []byte, v int64) []byte {
	for {
		b := byte(v & 0x7f)
		v >>= 7
		if v == 0 && b&0x40 == 0 || v == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}
