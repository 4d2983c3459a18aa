package wasm

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var errTruncated = errors.New("it ends too early")

// decoder reads WebAssembly's binary format. After a failure, which sets err, it gives
// zeros.
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
	if n <= 0 || n > 5 || v > 1<<32-1 {
		d.fail("it has a number out of range")
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// count reads the length of a vector, whose elements take at least a byte each.
func (d *decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.rest)) {
		d.fail("%w", errTruncated)
		return 0
	}
	return int(n)
}

// value reads the type of a value; each that can be metered is one byte.
func (d *decoder) value() byte {
	v := d.byte()
	if (v < 0x7b || v > 0x7f) && v != 0x70 && v != 0x6f { // numbers and vectors, funcref, externref
		d.fail("it has values of the type %#x, which cannot be metered", v)
	}
	return v
}

// values reads a vector of such types, and returns its length.
func (d *decoder) values() int {
	n := d.count()
	for range n {
		d.value()
	}
	return n
}

// address reads the operand of i32.const, which is signed, as an address.
func (d *decoder) address() uint32 {
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		b := d.byte()
		v |= uint32(b&0x7f) << shift
		if b&0x80 == 0 {
			if b&0x40 != 0 && shift < 28 {
				v |= ^uint32(0) << (shift + 7)
			}
			return v
		}
	}
	d.fail("it has a number out of range")
	return 0
}

// skip passes over a number in LEB128, of any size and sign.
func (d *decoder) skip() {
	for d.byte()&0x80 != 0 {
	}
}

// immediates passes over the immediates of an instruction.
func (d *decoder) immediates(opcode byte) {
	switch {
	case opcode <= 0x01, opcode == 0x05, opcode == 0x0b, opcode == 0x0f, // unreachable, nop, else, end, return
		opcode == 0x1a, opcode == 0x1b, opcode == 0xd1: // drop, select, ref.is_null
	case opcode >= 0x45 && opcode <= 0xc4: // comparisons, arithmetic, conversions
	case opcode >= 0x02 && opcode <= 0x04, // block, loop, if: a type
		opcode == 0x0c || opcode == 0x0d, // br, br_if
		opcode == 0x10,                   // call
		opcode >= 0x20 && opcode <= 0x24, // local.get, .set, .tee, global.get, .set
		opcode == 0x25 || opcode == 0x26, // table.get, .set
		opcode == 0x3f || opcode == 0x40, // memory.size, .grow
		opcode == 0x41 || opcode == 0x42, // i32.const, i64.const
		opcode == 0xd0 || opcode == 0xd2: // ref.null, ref.func
		d.skip()
	case opcode == 0x11, opcode >= 0x28 && opcode <= 0x3e: // call_indirect, loads and stores
		d.skip()
		d.skip()
	case opcode == 0x0e: // br_table
		for range d.count() + 1 {
			d.skip()
		}
	case opcode == 0xfc:
		d.prefixed()
	case opcode == 0x1c: // select with types
		d.values()
	case opcode == 0x43: // f32.const
		d.bytes(4)
	case opcode == 0x44: // f64.const
		d.bytes(8)
	default:
		d.fail("it has the instruction %#x, which cannot be metered", opcode)
	}
}

// prefixed passes over the rest of an instruction that begins with 0xfc, and says whether
// it is a bulk operation. The size of that is on top of the stack; size >> shift is the
// fuel that other instructions burn in the same time.
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
