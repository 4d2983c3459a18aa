package ftp

import "bytes"

// hasPattern reports whether a pathname has special characters of patterns in it.
func hasPattern(name []byte) bool { return bytes.ContainsAny(name, patternBytes) }

const patternBytes = `*?[\`

// cutPattern cuts a pathname before its first element that is a pattern.
func cutPattern(pathname []byte) (base, pattern []byte) {
	first := max(bytes.IndexAny(pathname, patternBytes), 0)
	i := bytes.LastIndexByte(pathname[:first], '/') + 1
	return pathname[:i], pathname[i:]
}

// cutElement cuts the first element off a pattern. It skips "." and empty elements, but
// never the last one, behind which rest is empty.
func cutElement(pattern []byte) (element, rest []byte) {
	for {
		element, rest, _ = bytes.Cut(pattern, []byte{'/'})
		if len(rest) == 0 || len(element) > 0 && string(element) != "." {
			return element, rest
		}
		pattern = rest
	}
}

// maxPattern is how many bytes an element of a pattern may have. No file has so long a
// name.
const maxPattern = 512

// tooLong reports whether an element of a pattern is longer than maxPattern.
func tooLong(pattern []byte) bool {
	for element := range bytes.SplitSeq(pattern, []byte{'/'}) {
		if len(element) > maxPattern {
			return true
		}
	}
	return false
}

// goesUp reports whether ".." is an element of a pattern.
func goesUp(pattern []byte) bool {
	for element := range bytes.SplitSeq(pattern, []byte{'/'}) {
		if string(element) == ".." {
			return true
		}
	}
	return false
}

// cutSlash cuts "/" and "/." off the end of a pattern, which then matches folders alone.
func cutSlash(pattern []byte) (rest []byte, cut bool) {
	for rest = pattern; ; cut = true {
		if n := len(rest); n > 1 && rest[n-1] == '/' {
			rest = rest[:n-1]
		} else if n > 2 && string(rest[n-2:]) == "/." {
			rest = rest[:n-2]
		} else {
			return rest, cut
		}
	}
}

// aim sets the element of the pattern that names in the folder on top must match.
func (l *listing) aim() {
	element, rest := cutElement(l.pattern[l.tree.top().pattern:])
	l.element, l.whole = element, len(rest) == 0
}

// goDown appends the next elements of the pattern to the tree's path while they are plain
// names, all but the last: such folders need no search. It returns where in the pattern
// the element behind them begins.
func (l *listing) goDown() (pattern int) {
	if len(l.pattern) == 0 {
		return 0
	}
	_, rest := cutElement(l.pattern[l.tree.top().pattern:])
	for {
		element, behind := cutElement(rest)
		if len(behind) == 0 || hasPattern(element) {
			return len(l.pattern) - len(rest)
		}
		l.tree.path = appendElement(l.tree.path, element)
		rest = behind
	}
}

// matches reports whether a name matches the present element of the pattern, or is the
// same as the element.
func (l *listing) matches(name []byte) bool {
	if l.steps < 0 {
		return false
	}
	l.steps = min(l.steps+patternSteps, patternSpare)
	if bytes.Equal(name, l.element) {
		return true
	}
	if name[0] == '.' && l.element[0] != '.' && !l.all {
		return false
	}
	before := l.steps
	matches := match(l.element, name, &l.steps)
	l.e.spent += before - l.steps
	return matches
}

// match reports whether a name matches a pattern: "*" is any bytes, "?" any
// one, "[a-z]" and "[!a-z]" one of a set, and "\" takes the next byte as it is.
// A bracket that is never closed is a plain byte.
//
// It goes back to the last "*" only, so the cost is at most the product of both lengths
// (CVE-2011-0418). The cost is taken off steps; when they run out, nothing matches and
// steps is negative.
func match(pattern, name []byte, steps *int) bool {
	p, n := 0, 0
	star, from := -1, 0
	closed := -1
	for n < len(name) {
		if *steps--; *steps < 0 {
			return false
		}
		if p < len(pattern) && pattern[p] == '*' {
			star, from = p, n
			p++
			continue
		}
		if width, ok := matchOne(pattern, p, name[n], &closed, steps); ok {
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

// matchOne matches a byte with the byte, "?", "\" or set at p in a pattern; width is how
// many bytes that takes there. closed keeps where the pattern's last "]" stands, 0 if there
// is none and negative while that is unknown.
func matchOne(pattern []byte, p int, c byte, closed, steps *int) (width int, ok bool) {
	if p == len(pattern) {
		return 0, false
	}
	switch pattern[p] {
	case '?':
		return 1, true
	case '\\':
		if p+1 < len(pattern) {
			return 2, pattern[p+1] == c
		}
	case '[':
		first := 1
		if p+1 < len(pattern) && (pattern[p+1] == '!' || pattern[p+1] == '^') {
			first = 2
		}
		if *closed < 0 {
			*closed = max(bytes.LastIndexByte(pattern, ']'), 0)
		}
		if *closed > p+first {
			width, ok = matchSet(pattern[p:], first, c)
			*steps -= width
			return width, ok
		}
	}
	return 1, pattern[p] == c
}

// matchSet matches a byte with the set at the start of a pattern, which must have its "]".
// The set's members begin at first, where a "]" is one of them.
func matchSet(pattern []byte, first int, c byte) (width int, ok bool) {
	i := first
	for ; pattern[i] != ']' || i == first; i++ {
		low, high := pattern[i], pattern[i]
		if pattern[i+1] == '-' && pattern[i+2] != ']' {
			high = pattern[i+2]
			i += 2
		}
		ok = ok || low <= c && c <= high
	}
	return i + 1, ok != (first > 1)
}
