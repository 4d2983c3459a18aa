package ftp

import "bytes"

// hasPattern reports whether a name can match more than itself.
func hasPattern(name []byte) bool { return bytes.ContainsAny(name, patternBytes) }

const patternBytes = `*?[\`

// cutPattern cuts a pathname before its first element that is a pattern.
func cutPattern(pathname []byte) (base, pattern []byte) {
	first := max(bytes.IndexAny(pathname, patternBytes), 0)
	i := bytes.LastIndexByte(pathname[:first], '/') + 1
	return pathname[:i], pathname[i:]
}

// cutElement cuts the first element off a pattern. rest is empty behind the last
// one.
func cutElement(pattern []byte) (element, rest []byte) {
	for {
		element, rest, _ = bytes.Cut(pattern, []byte{'/'})
		if len(rest) == 0 || len(element) > 0 && string(element) != "." {
			return element, rest
		}
		pattern = rest
	}
}

// maxPattern is how many bytes an element may have in which names are matched: no
// file has a name as long.
const maxPattern = 512

// tooLong reports whether an element of a pathname is longer than any that names are
// matched with.
func tooLong(pathname []byte) bool {
	for len(pathname) > 0 {
		var element []byte
		if element, pathname, _ = bytes.Cut(pathname, []byte{'/'}); len(element) > maxPattern {
			return true
		}
	}
	return false
}

// goesUp reports whether ".." is an element of a pattern.
func goesUp(pattern []byte) bool {
	for len(pattern) > 0 {
		var element []byte
		if element, pattern, _ = bytes.Cut(pattern, []byte{'/'}); string(element) == ".." {
			return true
		}
	}
	return false
}

// cutSlash cuts off what says that a pattern is for folders alone.
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

// aim takes the element of the pattern that is for the folder on top.
func (l *listing) aim() {
	element, rest := cutElement(l.pattern[l.tree.top().pattern:])
	l.element, l.whole = element, len(rest) == 0
}

// goDown goes on from the folder at the tree's path through those that the pattern
// calls by their names, and returns where its next element begins.
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

// matches reports whether a name matches the element of the pattern: it may be
// called so, too.
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
// Only the last "*" met is ever gone back to, so the cost is at most the product
// of both lengths (CVE-2011-0418). It is taken off steps; when they run out,
// nothing matches and steps is negative.
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

// matchOne matches a byte with the element of a pattern at p, and says how long that
// is. closed is where the pattern's last "]" stands, below 0 until somebody has asked.
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

// matchSet matches a byte with the set that begins a pattern and has an end. Its
// members begin at first, and a "]" there is one of them.
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
