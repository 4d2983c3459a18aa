package script

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// content is the value of a CONTENT.
func content(expr string) ([]byte, error) {
	if strings.HasPrefix(expr, `"`) {
		s, err := strconv.Unquote(expr)
		return []byte(s), err
	}
	kind, number, _ := strings.Cut(expr, " ")
	n, err := size(number)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "letters":
		return bytes.Repeat([]byte{'a'}, n), nil
	case "zeros":
		return make([]byte, n), nil
	case "bytes":
		return Bytes(n), nil
	case "lines":
		var b bytes.Buffer
		for i := range n {
			fmt.Fprintf(&b, "line %d\n", i)
		}
		return b.Bytes(), nil
	}
	return nil, errors.New("content is a Go string, zeros N, letters N, bytes N or lines N")
}

// Bytes are n bytes, always the same ones. Every value occurs, CR and LF too, and
// the sequence does not repeat.
func Bytes(n int) []byte {
	b := make([]byte, n)
	x := uint64(88172645463325252)
	for i := range b {
		// xorshift64: short, and the same on every platform.
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x >> 32)
	}
	return b
}

func size(s string) (int, error) {
	unit := 1
	switch {
	case strings.HasSuffix(s, "K"):
		unit = 1 << 10
	case strings.HasSuffix(s, "M"):
		unit = 1 << 20
	}
	n, err := strconv.Atoi(strings.TrimRight(s, "KM"))
	return n * unit, err
}

// name cuts a NAME, a word or a Go string, from s.
func name(s string) (name, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		q, err := strconv.QuotedPrefix(s)
		if err != nil {
			return "", "", err
		}
		name, err = strconv.Unquote(q)
		return name, strings.TrimPrefix(s[len(q):], " "), err
	}
	name, rest, _ = strings.Cut(s, " ")
	if name == "" {
		return "", "", errors.New("a name is missing")
	}
	return name, rest, nil
}

const timeLayout = "20060102150405"

func timeval(s string) (time.Time, error) { return time.ParseInLocation(timeLayout, s, time.UTC) }

// Match says whether the pattern matches all of text. A * matches any bytes.
func Match(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	last := len(parts) - 1
	for _, p := range parts[1:last] {
		i := strings.Index(text, p)
		if i < 0 {
			return false
		}
		text = text[i+len(p):]
	}
	return strings.HasSuffix(text, parts[last])
}
