package main

import (
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"wasiftp/host"
)

// transferLog writes a line of xferlog for each transfer of a file and each file that was
// deleted, as wu-ftpd, ProFTPD and vsftpd do (xferlog(5)).
type transferLog struct {
	to   io.Writer
	line []byte // the latest

	// The text of a second, for many files may be transferred in one.
	second time.Time
	text   []byte
}

// Observe implements [host.Observer].
func (l *transferLog) Observe(e host.Event) {
	if line := l.xferlog(&e); line != nil {
		l.to.Write(line)
	}
}

// at is the text of a time.
func (l *transferLog) at(t time.Time) []byte {
	if t = t.Truncate(time.Second); t != l.second {
		l.second, l.text = t, t.AppendFormat(l.text[:0], "Mon Jan _2 15:04:05 2006")
	}
	return l.text
}

// xferlog is the line of an event until the next call, nil for none.
func (l *transferLog) xferlog(e *host.Event) []byte {
	direction, complete := "", "c"
	switch {
	case e.Kind == host.Downloaded:
		direction = "o"
	case e.Kind == host.Uploaded, e.Kind == host.UploadFailed:
		direction = "i"
	case e.Kind == host.Deleted && e.Verb == "DELE":
		direction = "d"
	default:
		return nil
	}
	if e.Err != nil || e.Kind == host.UploadFailed {
		complete = "i"
	}
	kind, action, access := "b", "_", "r"
	if e.ASCII {
		kind = "a"
	}
	if e.Deflated {
		action = "C"
	}
	if name, _, _ := strings.Cut(e.User, "@"); isAnonymous(name) {
		access = "a"
	}
	line := append(append(l.line[:0], l.at(e.Time)...), ' ')
	line = append(strconv.AppendInt(line, int64(math.Round(e.Duration.Seconds())), 10), ' ')
	line = append(e.Client.Addr().Unmap().WithZone("").AppendTo(line), ' ')
	line = strconv.AppendInt(line, e.Bytes, 10)
	for _, field := range [...]string{
		oneField(e.Path), kind, action, direction, access, oneField(e.User), "ftp 0 *", complete,
	} {
		line = append(append(line, ' '), field...)
	}
	l.line = append(line, '\n')
	return l.line
}

// oneField makes a name one field of a line of ours: blanks and what else may end a field, a
// line or a text become "_".
func oneField(name string) string {
	if name == "" {
		return "?"
	}
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == utf8.RuneError || !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, name)
}
