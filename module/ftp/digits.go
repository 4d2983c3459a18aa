package ftp

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// Numbers are written eight digits at a time, in one word. In WebAssembly a call, or a jump
// to anywhere but the next instruction, takes longer than eight digits.

const (
	zeros  = 0x3030303030303030 // eight times '0'
	blanks = 0x2020202020202020
	lows   = 0x0101010101010101
	highs  = 0x8080808080808080
)

// eightDigits has the digits of a number below 10^8, each in a byte as a number from 0
// to 9. The first digit is the lowest byte.
func eightDigits(n uint32) uint64 {
	high := n / 1e4
	x := uint64(high) | uint64(n-high*1e4)<<32
	hundreds := x * 10486 >> 20 & 0x0000007f_0000007f
	x = hundreds | (x-hundreds*100)<<16
	tens := x * 103 >> 10 & 0x000f000f_000f000f
	return tens | (x-tens*10)<<8
}

// leadingZeros is how many bits the zeros in front of a number of eightDigits take. A last
// digit always stays.
func leadingZeros(digits uint64) int { return bits.TrailingZeros64(digits|1<<56) &^ 7 }

// twoDigits has the two digits of a number below 100, the first one in the lower byte.
func twoDigits(n uint32) uint32 {
	tens := n * 103 >> 10
	return 0x3030 | tens | (n-tens*10)<<8
}

// appendUint appends a number.
func appendUint(b []byte, n uint64) []byte {
	if n >= 1e8 {
		b = appendUint(b, n/1e8)
		return binary.LittleEndian.AppendUint64(b, zeros|eightDigits(uint32(n%1e8)))
	}
	digits := eightDigits(uint32(n))
	zero := leadingZeros(digits)
	b = binary.LittleEndian.AppendUint64(b, (digits|zeros)>>zero)
	return b[:len(b)-zero/8]
}

// room makes sure that n bytes fit behind b.
func room(b []byte, n int) []byte {
	if cap(b)-len(b) < n {
		b = slices.Grow(b, n)
	}
	return b
}
