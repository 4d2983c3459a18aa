package ftp

import (
	"encoding/binary"
	"strconv"
)

// Pieces of replies and listings.

func appendInt(b []byte, n int64) []byte {
	if n < 0 {
		return strconv.AppendInt(b, n, 10)
	}
	return appendUint(b, uint64(n))
}

// appendPadded appends a number. If it has fewer digits than padding has bytes, the
// first bytes of padding come before it.
func appendPadded(b []byte, n uint64, padding string) []byte {
	var digits [20]byte
	d := strconv.AppendUint(digits[:0], n, 10)
	return append(append(b, padding[:max(len(padding)-len(d), 0)]...), d...)
}

// appendOctal appends permission bits as three octal digits, or as four if one of the
// upper three bits is set.
func appendOctal(b []byte, mode uint32) []byte {
	if upper := mode >> 9 & 7; upper != 0 {
		b = append(b, '0'+byte(upper))
	}
	return append(b, '0'+byte(mode>>6&7), '0'+byte(mode>>3&7), '0'+byte(mode&7))
}

func appendHex(b, digest []byte) []byte {
	const digits = "0123456789abcdef"
	for _, c := range digest {
		b = append(b, digits[c>>4], digits[c&15])
	}
	return b
}

// appendName appends a name to a reply. A control byte could end the line or reach the
// client's terminal, so it becomes a question mark. 0xFF is doubled, as Telnet wants it
// (RFC 854).
func appendName(b, name []byte) []byte {
	for _, c := range name {
		switch {
		case c < ' ' || c == 0x7f:
			c = '?'
		case c == telnetIAC:
			b = append(b, telnetIAC)
		}
		b = append(b, c)
	}
	return b
}

// appendQuoted appends a name as a pathname in quotes. Quotes inside it are doubled
// (RFC 959 appendix II).
func appendQuoted(b, name []byte) []byte {
	b = append(b, '"', '/')
	if string(name) == "." {
		name = nil
	}
	for i := range name {
		if name[i] == '"' {
			b = append(b, '"')
		}
		b = appendName(b, name[i:i+1])
	}
	return append(b, '"')
}

// appendPlain appends a name to a listing. A control byte could end the line and
// begin another file's, so it becomes a question mark. All other bytes go as
// they are, whether they are UTF-8 or not.
func appendPlain(b, name []byte) []byte {
	size := len(name)
	if size < 8 {
		return appendChecked(b, name)
	}
	b = room(b, size)
	to := b[len(b) : len(b)+size]
	// The last word may have bytes of the one before it.
	for at := 0; ; at = min(at+8, size-8) {
		word := binary.LittleEndian.Uint64(name[at:])
		if mayControl(word) {
			return appendChecked(b, name)
		}
		binary.LittleEndian.PutUint64(to[at:], word)
		if at == size-8 {
			return b[:len(b)+size]
		}
	}
}

// appendChecked is appendPlain, byte by byte.
func appendChecked(b, name []byte) []byte {
	for _, c := range name {
		if c < ' ' || c == 0x7f {
			c = '?'
		}
		b = append(b, c)
	}
	return b
}

// mayControl reports whether there may be a control byte among eight: it finds each, but
// may take a byte behind one for another.
func mayControl(word uint64) bool {
	del := word ^ 0x7f7f7f7f7f7f7f7f
	return ((word-blanks)&^word|(del-lows)&^del)&highs != 0
}
