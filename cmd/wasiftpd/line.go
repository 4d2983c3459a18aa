package main

import (
	"bytes"
	"context"
	"log/slog"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// appendLine appends the line of a record, as slog's handlers write it without groups, at a third
// of their cost: a server of small files writes as many lines as files. ok is false for what it
// leaves to them.
func appendLine(b []byte, r slog.Record, json bool) (line []byte, ok bool) {
	l := liner{b, json, true}
	if json {
		l.line = append(l.line, '{')
	}
	l.attr(slog.Time(slog.TimeKey, r.Time))
	l.attr(slog.String(slog.LevelKey, r.Level.String()))
	l.attr(slog.String(slog.MessageKey, r.Message))
	r.Attrs(func(a slog.Attr) bool { return l.attr(a) })
	if json {
		l.line = append(l.line, '}')
	}
	return append(l.line, '\n'), l.ok && r.PC == 0 && !r.Time.IsZero()
}

// jsonLine is the line of a record in JSON, without its end.
func jsonLine(r slog.Record) []byte {
	if line, ok := appendLine(nil, r, true); ok {
		return line[:len(line)-1]
	}
	var line bytes.Buffer
	slog.NewJSONHandler(&line, &slog.HandlerOptions{Level: r.Level}).Handle(context.Background(), r)
	return bytes.TrimRight(line.Bytes(), "\n")
}

// liner writes the attributes of a line.
type liner struct {
	line []byte
	json bool
	ok   bool
}

// attr writes an attribute. It returns false, for good, if it can't.
func (l *liner) attr(a slog.Attr) bool {
	if n := len(l.line); l.json && l.line[n-1] != '{' {
		l.line = append(l.line, ',')
	} else if !l.json && n > 0 {
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
	default:
		l.ok = false
	}
	return l.ok
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
		if r == '"' || r == '=' || r == utf8.RuneError || r != 0x7f && (unicode.IsSpace(r) || !unicode.IsPrint(r)) {
			return false
		}
	}
	return s != ""
}

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

func (l *liner) time(t time.Time) {
	l.ok = l.ok && t.Year() > 0 && t.Year() < 10000
	if l.json {
		l.line = append(t.AppendFormat(append(l.line, '"'), time.RFC3339Nano), '"')
	} else {
		l.line = t.AppendFormat(l.line, "2006-01-02T15:04:05.000Z07:00")
	}
}
