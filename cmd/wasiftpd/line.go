package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// appendLine appends the line of a record, as slog's handlers write it without groups, at a third
// of their cost: a server of small files writes as many lines as files. ok is false for what it
// leaves to them.
func appendLine(b []byte, r slog.Record, json bool) (line []byte, ok bool) {
	l := liner{line: b, start: len(b), json: json, ok: true}
	if json {
		l.line = append(l.line, '{')
	}
	l.attr(slog.Time(slog.TimeKey, r.Time))
	l.attr(slog.String(slog.LevelKey, r.Level.String()))
	l.attr(slog.String(slog.MessageKey, r.Message))
	eachAttr(r, l.attr)
	if json {
		l.line = append(l.line, '}')
	}
	return append(l.line, '\n'), l.ok && r.PC == 0 && !r.Time.IsZero()
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

// attr writes an attribute. l is no longer ok if it can't.
func (l *liner) attr(a slog.Attr) {
	switch n := len(l.line) - l.start; {
	case l.json && n > len("{"):
		l.line = append(l.line, ',')
	case !l.json && n > 0:
		l.line = append(l.line, ' ')
	}
	if l.text(a.Key); l.json {
		l.line = append(l.line, ':')
	} else {
		l.line = append(l.line, '=')
	}
	switch v := a.Value; v.Kind() {
	case slog.KindString:
		l.text(v.String())
	case slog.KindInt64:
		l.line = strconv.AppendInt(l.line, v.Int64(), 10)
	case slog.KindUint64:
		l.line = strconv.AppendUint(l.line, v.Uint64(), 10)
	case slog.KindBool:
		l.line = strconv.AppendBool(l.line, v.Bool())
	case slog.KindFloat64:
		l.float(v.Float64())
	case slog.KindTime:
		l.time(v.Time())
	case slog.KindAny:
		if at, is := v.Any().(*netip.AddrPort); is {
			l.address(*at)
		} else {
			l.ok = false
		}
	default:
		l.ok = false
	}
}

func (l *liner) text(s string) {
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

func (l *liner) float(f float64) {
	format := byte('g')
	if l.json {
		format = 'f'
		l.ok = l.ok && (f == 0 || f >= 1e-4 && f < 1e15) // else with an exponent of another form
	}
	l.line = strconv.AppendFloat(l.line, f, format, -1, 64)
}

func (l *liner) address(at netip.AddrPort) {
	if at.Addr().Zone() != "" {
		l.text(at.String())
	} else if l.json {
		l.line = append(at.AppendTo(append(l.line, '"')), '"')
	} else {
		l.line = at.AppendTo(l.line)
	}
}

func (l *liner) time(t time.Time) {
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
