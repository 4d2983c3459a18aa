package ftp

import (
	"bytes"
	"math"
)

// What the arguments of verbs are made of.

// isWord compares an argument with a word, whatever the case of its letters.
func isWord(arg []byte, word string) bool {
	if len(arg) != len(word) {
		return false
	}
	for i, c := range arg {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// indexWord finds a word, whatever the case of its letters; -1 if it is not there.
func indexWord(words []string, word []byte) int {
	for i, w := range words {
		if isWord(word, w) {
			return i
		}
	}
	return -1
}

// parseNumber reads a decimal number up to max, without leading zeros.
func parseNumber(b []byte, max int64) (int64, bool) {
	n, ok := parseDigits(b)
	return n, ok && n <= max && (len(b) == 1 || b[0] != '0')
}

// parseDigits reads a number of one to eighteen digits and nothing else.
func parseDigits(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
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

func parseMode(b []byte, most uint32) (mode uint32, ok bool) {
	for _, c := range b {
		if c < '0' || c > '7' || mode > most {
			return 0, false
		}
		mode = mode<<3 | uint32(c-'0')
	}
	return mode, len(b) > 0 && mode <= most
}

// cutPathname cuts one of several pathnames off the front of an argument: a word,
// or what stands in quotes. It reports false when there is none.
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

// cutQuoted cuts a pathname in quotes off the front of an argument. It reports
// false when the quotes do not end.
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

// cutRange takes the argument of the older commands apart: a pathname, or one in
// quotes and behind it the range. Quotes inside the quotes are doubled.
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
