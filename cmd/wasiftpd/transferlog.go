package main

import (
	"io"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"wasiftp/host"
)

// transferLog writes a line of xferlog for each transfer of a file and each file that was
// deleted, as wu-ftpd, ProFTPD and vsftpd do (xferlog(5)).
type transferLog struct{ to io.Writer }

// Observe implements [host.Observer].
func (l *transferLog) Observe(e host.Event) {
	if line := xferlog(e); line != nil {
		l.to.Write(line)
	}
}

// xferlog is the line of an event, nil for none.
func xferlog(e host.Event) []byte {
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
	line := e.Time.AppendFormat(make([]byte, 0, 256), "Mon Jan _2 15:04:05 2006")
	for _, field := range [...]string{
		strconv.FormatInt(int64(math.Round(e.Duration.Seconds())), 10), oneField(e.Client.Addr().Unmap().WithZone("").String()),
		strconv.FormatInt(e.Bytes, 10), oneField(e.Path), kind, action, direction, access, oneField(e.User), "ftp 0 *", complete,
	} {
		line = append(append(line, ' '), field...)
	}
	return append(line, '\n')
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
