package ftp

import "bytes"

// hasPattern reports whether a name can match more than itself.
func hasPattern(name []byte) bool { return bytes.ContainsAny(name, `*?[\`) }

// match reports whether a name matches a pattern: "*" is any bytes, "?" any
// one, "[a-z]" and "[!a-z]" one of a set, and "\" takes the next byte as it is.
// A bracket that is never closed is a plain byte.
//
// Only the last "*" met is ever gone back to, so the cost is at most the product
// of both lengths (CVE-2011-0418). It is taken off steps; when they run out,
// nothing matches and steps is negative.
func match(pattern, name []byte, steps *int) bool {
	p, n := 0, 0
	star, from := -1, 0
	for n < len(name) {
		if *steps--; *steps < 0 {
			return false
		}
		if p < len(pattern) && pattern[p] == '*' {
			star, from = p, n
			p++
			continue
		}
		if width, ok := matchOne(pattern[p:], name[n], steps); ok {
			p += width
			n++
			continue
		}
		if star < 0 {
			return false
		}
		from++
		p, n = star+1, from
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// matchOne matches a byte with the first element of a pattern, and says how
// long that is.
func matchOne(pattern []byte, c byte, steps *int) (width int, ok bool) {
	if len(pattern) == 0 {
		return 0, false
	}
	switch pattern[0] {
	case '?':
		return 1, true
	case '\\':
		if len(pattern) > 1 {
			return 2, pattern[1] == c
		}
	case '[':
		if width, ok := matchSet(pattern, c); width > 0 {
			*steps -= width
			return width, ok
		}
		*steps -= len(pattern)
	}
	return 1, pattern[0] == c
}

// matchSet matches a byte with the set that begins a pattern; the width is 0
// when it has no end. A "]" directly behind the opening is a member.
func matchSet(pattern []byte, c byte) (width int, ok bool) {
	i := 1
	negated := i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^')
	if negated {
		i++
	}
	for first := i; i < len(pattern); i++ {
		if pattern[i] == ']' && i > first {
			return i + 1, ok != negated
		}
		low, high := pattern[i], pattern[i]
		if i+2 < len(pattern) && pattern[i+1] == '-' && pattern[i+2] != ']' {
			high = pattern[i+2]
			i += 2
		}
		ok = ok || low <= c && c <= high
	}
	return 0, false
}
