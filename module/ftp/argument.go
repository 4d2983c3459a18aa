package ftp

import (
	"bytes"
	"math"
)

// isWord reports whether an argument is a word of ASCII, whatever the case of its letters.
// The lengths are compared because EqualFold takes "ſ", of two bytes, for an "S".
func isWord(arg []byte, word string) bool {
	return len(arg) == len(word) && bytes.EqualFold(arg, []byte(word))
}

// parseNumber reads a decimal number up to max, without leading zeros.
func parseNumber(b []byte, max int64) (int64, bool) {
	n, ok := parseDigits(b)
	return n, ok && n <= max && (len(b) == 1 || b[0] != '0')
}

// parseDigits reads a number of one to eighteen digits and nothing else.
func parseDigits(b []byte) (n int64, ok bool) {
	if len(b) > 18 {
		return 0, false
	}
	return parseOffset(b)
}

// parseOffset reads decimal digits and nothing else, up to the largest offset.
func parseOffset(b []byte) (offset int64, ok bool) {
	for _, c := range b {
		digit := int64(c) - '0'
		if digit < 0 || digit > 9 || offset > (math.MaxInt64-digit)/10 {
			return 0, false
		}
		offset = offset*10 + digit
	}
	return offset, len(b) > 0
}

// parseMode reads permission bits in octal, up to most.
func parseMode(b []byte, most uint32) (mode uint32, ok bool) {
	for _, c := range b {
		if c < '0' || c > '7' || mode > most {
			return 0, false
		}
		mode = mode<<3 | uint32(c-'0')
	}
	return mode, len(b) > 0 && mode <= most
}

// cutPathname cuts the first of several pathnames off an argument. It ends at a space,
// unless it stands in quotes. It reports false when there is none.
func cutPathname(arg []byte) (pathname, rest []byte, ok bool) {
	arg = bytes.TrimLeft(arg, " ")
	if len(arg) == 0 || arg[0] != '"' {
		pathname, rest, _ = bytes.Cut(arg, []byte{' '})
		return pathname, bytes.TrimLeft(rest, " "), len(pathname) > 0
	}
	if pathname, rest, ok = cutQuoted(arg); !ok || len(rest) > 0 && rest[0] != ' ' {
		return nil, nil, false
	}
	return pathname, bytes.TrimLeft(rest, " "), len(pathname) > 0
}

// cutQuoted cuts a pathname in quotes off the front of an argument. Quotes inside the
// quotes are doubled. It reports false when the closing quote is missing.
func cutQuoted(arg []byte) (pathname, rest []byte, ok bool) {
	i := 1
	for ; i < len(arg) && (arg[i] != '"' || i+1 < len(arg) && arg[i+1] == '"'); i++ {
		if arg[i] == '"' {
			i++
		}
		pathname = append(pathname, arg[i])
	}
	if i >= len(arg) {
		return nil, nil, false
	}
	return pathname, arg[i+1:], true
}

// cutRange reads the argument of XCRC and its like: a pathname, or a pathname in quotes
// with a range behind it. The range is 0, 0 if there is none.
func cutRange(arg []byte) (pathname []byte, start, end int64, ok bool) {
	if arg[0] != '"' {
		return arg, 0, 0, true
	}
	pathname, rest, ok := cutQuoted(arg)
	if rest = bytes.TrimLeft(rest, " "); !ok || len(rest) == 0 {
		return pathname, 0, 0, ok
	}
	first, last, _ := bytes.Cut(rest, []byte{' '})
	start, ok1 := parseOffset(first)
	end, ok2 := parseOffset(last)
	return pathname, start, end, ok1 && ok2 && start < end
}
