package wasmtest

import "slices"

// Instructions without an operand.
var (
	Unreachable = []byte{0x00}
	Drop        = []byte{0x1a}
	Equal       = []byte{0x46} // i32.eq
	Differ      = []byte{0x47} // i32.ne
)

// Body joins instructions.
func Body(instructions ...[]byte) []byte { return slices.Concat(instructions...) }

// Const32 is i32.const.
func Const32(v int32) []byte { return append([]byte{0x41}, signed(int64(v))...) }

// Const64 is i64.const.
func Const64(v int64) []byte { return append([]byte{0x42}, signed(v)...) }

// Store64 is i64.store of a constant at a constant address.
func Store64(at int32, v int64) []byte {
	return slices.Concat(Const32(at), Const64(v), []byte{0x37, 3, 0})
}

// Call is call.
func Call(function int) []byte { return append([]byte{0x10}, unsigned(uint64(function))...) }

// Forever repeats a body, which leaves nothing on the stack.
func Forever(body ...[]byte) []byte {
	return slices.Concat([]byte{0x03, 0x40}, slices.Concat(body...), []byte{0x0c, 0, 0x0b})
}

// Times repeats a body, which leaves nothing on the stack, n times. local, of type i32,
// counts down.
func Times(n int32, local int, body ...[]byte) []byte {
	number := unsigned(uint64(local))
	return slices.Concat(Const32(n), []byte{0x21}, number, []byte{0x03, 0x40}, slices.Concat(body...),
		Local(local), Const32(-1), []byte{0x6a, 0x22}, number, []byte{0x0d, 0, 0x0b})
}

// If runs a body if the i32 on the stack is not zero.
func If(body ...[]byte) []byte {
	return slices.Concat([]byte{0x04, 0x40}, slices.Concat(body...), []byte{0x0b})
}

// Local is local.get.
func Local(n int) []byte { return append([]byte{0x20}, unsigned(uint64(n))...) }

// GrowMemory is memory.grow by pages; it leaves the old size, or -1.
func GrowMemory(pages int32) []byte { return slices.Concat(Const32(pages), []byte{0x40, 0}) }

// GrowTable is table.grow of table 0 by empty elements; it leaves the old size, or -1.
func GrowTable(elements int32) []byte {
	return slices.Concat([]byte{0xd0, 0x70}, Const32(elements), []byte{0xfc, 15, 0})
}

// CopyMemory is memory.copy of size bytes from address 0 to 1.
func CopyMemory(size int32) []byte {
	return slices.Concat(Const32(1), Const32(0), Const32(size), []byte{0xfc, 10, 0, 0})
}
