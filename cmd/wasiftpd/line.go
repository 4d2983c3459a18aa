package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"strconv"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// appendLine appends the line of a record, as slog's handlers write it without groups, at a sixth
// of their cost: a server of small files writes as many lines as files. ok is false for what it
// leaves to them.
func appendLine(b []byte, r slog.Record, json bool) (line []byte, ok bool) {
	l := liners.Get().(*liner)
	defer liners.Put(l)
	*l = liner{b, len(b), json, r.PC == 0 && !r.Time.IsZero()}
	if json {
		l.line = append(l.line, '{')
	}
	l.time(slog.TimeKey, r.Time)
	l.text(slog.LevelKey, r.Level.String())
	l.text(slog.MessageKey, r.Message)
	r.Attrs(l.attr)
	if json {
		l.line = append(l.line, '}')
	}
	return append(l.line, '\n'), l.ok
}

// appendJSON appends the line of a record in JSON, without its end.
func appendJSON(b []byte, r slog.Record) []byte {
	if line, ok := appendLine(b, r, true); ok {
		return line[:len(line)-1]
	}
	line := bytes.NewBuffer(b)
	slog.NewJSONHandler(line, &slog.HandlerOptions{Level: r.Level}).Handle(context.Background(), r)
	return bytes.TrimSuffix(line.Bytes(), []byte("\n"))
}

// liner writes the attributes of a line.
type liner struct {
	line  []byte
	start int // of the line, behind others
	json  bool
	ok    bool
}

var liners = sync.Pool{New: func() any { return new(liner) }}

// attr writes an attribute. l is no longer ok, and it returns false, if it can't.
func (l *liner) attr(a slog.Attr) bool {
	if e := eventOf(a); e != nil {
		e.each(l)
		return l.ok
	}
	l.ok = l.ok && isWord(a.Key) && isPlain(a.Key)
	switch v := a.Value; v.Kind() {
	case slog.KindString:
		l.text(a.Key, v.String())
	case slog.KindInt64:
		l.integer(a.Key, v.Int64())
	case slog.KindUint64:
		l.key(a.Key)
		l.line = strconv.AppendUint(l.line, v.Uint64(), 10)
	case slog.KindBool:
		l.boolean(a.Key, v.Bool())
	case slog.KindFloat64:
		l.float(a.Key, v.Float64())
	case slog.KindTime:
		l.time(a.Key, v.Time())
	default:
		l.ok = false
	}
	return l.ok
}

// key begins an attribute. The key needs no quotes.
func (l *liner) key(key string) {
	switch n := len(l.line) - l.start; {
	case l.json && n > len("{"):
		l.line = append(l.line, `,"`...)
	case l.json:
		l.line = append(l.line, '"')
	case n > 0:
		l.line = append(l.line, ' ')
	}
	if l.line = append(l.line, key...); l.json {
		l.line = append(l.line, `":`...)
	} else {
		l.line = append(l.line, '=')
	}
}

func (l *liner) text(key, s string) {
	l.key(key)
	switch {
	case !l.json && isWord(s):
		l.line = append(l.line, s...)
	case !l.json:
		l.line = strconv.AppendQuote(l.line, s)
	case isPlain(s):
		l.line = append(append(append(l.line, '"'), s...), '"')
	default:
		l.ok = false
	}
}

func (l *liner) integer(key string, n int64) {
	l.key(key)
	l.line = strconv.AppendInt(l.line, n, 10)
}

func (l *liner) boolean(key string, is bool) {
	l.key(key)
	l.line = strconv.AppendBool(l.line, is)
}

// isWord says whether a text needs no quotes.
func isWord(s string) bool {
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
			if !wordBytes[r] {
				return false
			}
		case r == utf8.RuneError, unicode.IsSpace(r), !unicode.IsPrint(r):
			return false
		}
	}
	return s != ""
}

// wordBytes are the characters of ASCII that may stand in a word.
var wordBytes = func() (all [utf8.RuneSelf]bool) {
	for c := '!'; c < utf8.RuneSelf; c++ {
		all[c] = c != '"' && c != '='
	}
	return all
}()

// isPlain says whether a text stands in JSON as it is.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func (l *liner) float(key string, f float64) {
	l.key(key)
	format := byte('g')
	if l.json {
		format = 'f'
		l.ok = l.ok && (f == 0 || f >= 1e-4 && f < 1e15) // else with an exponent of another form
	}
	l.line = strconv.AppendFloat(l.line, f, format, -1, 64)
}

func (l *liner) address(key string, at netip.AddrPort) {
	if at.Addr().Zone() != "" {
		l.text(key, at.String())
		return
	}
	if l.key(key); l.json {
		l.line = append(at.AppendTo(append(l.line, '"')), '"')
	} else {
		l.line = at.AppendTo(l.line)
	}
}

func (l *liner) time(key string, t time.Time) {
	l.key(key)
	l.ok = l.ok && t.Year() > 0 && t.Year() < 10000
	if l.json {
		l.line = append(t.AppendFormat(append(l.line, '"'), time.RFC3339Nano), '"')
		return
	}
	// The time package has a quick way for RFC 3339. With 100 µs it writes 4 digits of the second.
	l.line = t.Truncate(time.Millisecond).Add(100*time.Microsecond).AppendFormat(l.line, time.RFC3339Nano)
	digits := bytes.LastIndexByte(l.line, '.')
	l.line = append(l.line[:digits+len(".000")], l.line[digits+len(".0000"):]...)
}
