package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// A guest must not run for ever: compiled code cannot be preempted, and while
// one loop spins Go's collector waits for it, and with it the whole process. The
// runtime's own remedy leaves the compiled code at every turn of every loop,
// which costs more than the loop. So modules are metered before they are
// compiled: what a guest executes burns fuel, by its instructions, and without
// fuel the guest traps. Fuel is a number in a global that only the host can reach.

// fuelName is the name under which the metered module exports its fuel.
const fuelName = "wasiftp:fuel"

// metered returns the module with fuel added; initial is how much there is for
// what runs before the host first sets it. It refuses whatever it does not
// know: an instruction that is not understood could hide a loop.
func metered(module []byte, initial int64) ([]byte, error) {
	m := &meter{in: decoder{rest: module}}
	out, err := m.module(initial)
	if err != nil {
		return nil, fmt.Errorf("the module is no valid WebAssembly: %w", err)
	}
	return out, nil
}

const (
	sectionType     = 1
	sectionImport   = 2
	sectionFunction = 3
	sectionTable    = 4
	sectionGlobal   = 6
	sectionExport   = 7
	sectionCode     = 10
)

// meter reads a module, section by section, and writes it again.
type meter struct {
	in        decoder
	out       []byte
	params    []int // of each type, how many parameters
	functions []int // of each function of the module's own, its type
	globals   uint64
	metered   bool // the global section is written
	exported  bool
	coded     int // functions whose code is written
}

var errTruncated = errors.New("it ends too early")

func (m *meter) module(initial int64) ([]byte, error) {
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
		// Sections come in order, 12 (data count) excepted, which stands before 10.
		if id > sectionGlobal && !m.metered {
			m.section(sectionGlobal, m.global(&decoder{rest: []byte{0}}, initial))
		}
		content := body.rest
		switch id {
		case sectionType:
			m.types(&body)
		case sectionImport:
			m.imports(&body)
		case sectionFunction:
			for range body.count() {
				m.functions = append(m.functions, int(body.uint()))
			}
		case sectionTable:
			m.tables(&body)
		case sectionGlobal:
			if m.metered {
				return nil, errors.New("its sections are out of order")
			}
			content = m.global(&body, initial)
		case sectionExport:
			content = m.export(&body)
		case sectionCode:
			content = m.code(&body)
		default:
			body.rest = nil
		}
		if body.err == nil && len(body.rest) > 0 {
			body.err = fmt.Errorf("section %d has bytes too many", id)
		}
		if body.err != nil {
			return nil, body.err
		}
		m.section(id, content)
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

func (m *meter) section(id byte, content []byte) {
	m.out = append(m.out, id)
	m.out = binary.AppendUvarint(m.out, uint64(len(content)))
	m.out = append(m.out, content...)
}

func (m *meter) types(d *decoder) {
	for range d.count() {
		if form := d.byte(); form != 0x60 {
			d.fail("type %#x is no function type", form)
			return
		}
		params := d.count()
		d.bytes(uint64(params))
		m.params = append(m.params, params)
		d.bytes(d.uint())
	}
}

func (m *meter) imports(d *decoder) {
	for range d.count() {
		d.bytes(d.uint())
		d.bytes(d.uint())
		if kind := d.byte(); kind != 0 {
			d.fail("it imports something that is no function")
			return
		}
		d.uint()
	}
}

// maxTable is how many elements all tables have at most. They are the host's own
// memory, which nothing else bounds: so they do not grow either.
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

// global adds the fuel behind the module's own globals. Those are copied as
// they are.
func (m *meter) global(d *decoder, initial int64) []byte {
	n := d.count()
	m.globals, m.metered = uint64(n), true
	out := binary.AppendUvarint(nil, m.globals+1)
	out = append(out, d.rest...)
	d.rest = nil
	out = append(out, 0x7e, 1, 0x42) // mutable i64, i64.const
	return append(appendSigned(out, initial), 0x0b)
}

func (m *meter) export(d *decoder) []byte {
	n := d.count()
	out := binary.AppendUvarint(nil, uint64(n)+1)
	out = append(out, d.rest...)
	for range n {
		if string(d.bytes(d.uint())) == fuelName {
			d.fail("it exports %s itself", fuelName)
		}
		d.byte()
		d.uint()
	}
	m.exported = true
	out = binary.AppendUvarint(out, uint64(len(fuelName)))
	out = append(append(out, fuelName...), 3)
	return binary.AppendUvarint(out, m.globals)
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

// function is one function's code. It gets two locals more: the size of a bulk
// operation while that is paid for, and the fuel that is left.
func (m *meter) function(d *decoder, params int) []byte {
	groups := d.count()
	size := uint64(params)
	declared := d.rest
	for range groups {
		size += d.uint()
		d.byte()
	}
	declared = declared[:len(declared)-len(d.rest)]
	out := binary.AppendUvarint(make([]byte, 0, 2*len(d.rest)), uint64(groups)+2)
	out = append(append(out, declared...), 1, 0x7f, 1, 0x7e)
	left := size + 1
	body := d.rest
	var l ledger
	l.read(d, m.globals)
	if d.err != nil {
		return nil
	}
	from := 0
	for _, p := range l.due() {
		out = append(out, body[from:p.at]...)
		from = p.at
		if p.bulk {
			out = binary.AppendUvarint(append(out, 0x22), size) // local.tee
		}
		out = binary.AppendUvarint(append(out, 0x23), m.globals) // global.get
		if p.bulk {
			out = binary.AppendUvarint(append(out, 0x20), size) // local.get
			out = append(out, 0xad, 0x42, p.shift, 0x88)        // as i64, shifted right
		} else {
			out = appendSigned(append(out, 0x42), p.cost)
		}
		out = append(out, 0x7d, 0x22)                       // i64.sub, local.tee
		out = append(binary.AppendUvarint(out, left), 0x24) // global.set
		out = append(binary.AppendUvarint(out, m.globals), 0x20)
		out = binary.AppendUvarint(out, left)                    // local.get
		out = append(out, 0x42, 0, 0x53, 0x04, 0x40, 0x00, 0x0b) // < 0: if unreachable end
	}
	return append(out, body[from:]...)
}

// decoder reads WebAssembly's binary format. After a failure it gives zeros.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
	d.rest = nil
}

func (d *decoder) byte() byte {
	if len(d.rest) == 0 {
		d.fail("%w", errTruncated)
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.fail("%w", errTruncated)
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || v > 1<<32-1 {
		d.fail("it has a number out of range")
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// count is how many things follow; each is at least a byte.
func (d *decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.rest)) {
		d.fail("%w", errTruncated)
		return 0
	}
	return int(n)
}

// skip passes over a number of whatever size and sign.
func (d *decoder) skip() {
	for d.byte()&0x80 != 0 {
	}
}

// immediates passes over what follows an opcode.
func (d *decoder) immediates(opcode byte) {
	switch {
	case slices.Contains([]byte{0x00, 0x01, 0x05, 0x0b, 0x0f, 0x1a, 0x1b, 0xd1}, opcode): // unreachable, nop, else, end, return, drop, select, ref.is_null
	case opcode >= 0x45 && opcode <= 0xc4: // comparisons, arithmetic, conversions
	case opcode >= 0x02 && opcode <= 0x04, // block, loop, if: a type
		opcode == 0x10,                   // call
		opcode >= 0x20 && opcode <= 0x22, // local.get, .set, .tee
		opcode == 0x25 || opcode == 0x26, // table.get, .set
		opcode == 0x3f || opcode == 0x40, // memory.size, .grow
		opcode == 0x41 || opcode == 0x42, // i32.const, i64.const
		opcode == 0xd0 || opcode == 0xd2: // ref.null, ref.func
		d.skip()
	case opcode == 0x11, opcode >= 0x28 && opcode <= 0x3e: // call_indirect, loads and stores
		d.skip()
		d.skip()
	case opcode == 0x1c: // select with types
		d.bytes(d.uint())
	case opcode == 0x43: // f32.const
		d.bytes(4)
	case opcode == 0x44: // f64.const
		d.bytes(8)
	default:
		d.fail("it has the instruction %#x, which cannot be metered", opcode)
	}
}

// prefixed passes over an instruction of two bytes, and says whether it is a
// bulk operation, with its size on top of the stack. Of that, shifted, it burns as
// much as other instructions do in the same time.
func (d *decoder) prefixed() (bulk bool, shift byte) {
	switch opcode := d.uint(); opcode {
	case 0, 1, 2, 3, 4, 5, 6, 7: // saturating conversions
		return false, 0
	case 9, 13, 16: // data.drop, elem.drop, table.size
		d.skip()
		return false, 0
	case 8, 10: // memory.init, memory.copy
		d.skip()
		d.skip()
		return true, 3
	case 11: // memory.fill
		d.skip()
		return true, 3
	case 12, 14: // table.init, table.copy
		d.skip()
		d.skip()
		return true, 0
	case 17: // table.fill
		d.skip()
		return true, 0
	default:
		d.fail("it has the instruction 0xfc %d, which cannot be metered", opcode)
		return false, 0
	}
}

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
