package main

import (
	"fmt"
	"io"
	"math"
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
	if line := xferlog(e); line != "" {
		io.WriteString(l.to, line)
	}
}

// xferlog is the line of an event, "" for none.
func xferlog(e host.Event) string {
	direction, complete := "", "c"
	switch {
	case e.Kind == host.Downloaded:
		direction = "o"
	case e.Kind == host.Uploaded, e.Kind == host.UploadFailed:
		direction = "i"
	case e.Kind == host.Deleted && e.Verb == "DELE":
		direction = "d"
	default:
		return ""
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
	return fmt.Sprintf("%s %d %s %d %s %s %s %s %s %s ftp 0 * %s\n",
		e.Time.Format("Mon Jan _2 15:04:05 2006"), int64(math.Round(e.Duration.Seconds())), e.Client.Addr().Unmap().WithZone(""),
		e.Bytes, oneField(e.Path), kind, action, direction, access, oneField(e.User), complete)
}

// oneField makes a name one field of a line of ours: blanks and what else may end a field, a
// line or a text become "_".
func oneField(name string) string {
	if name == "" {
		return "?"
	}
	var b strings.Builder
	for _, r := range name {
		if r == utf8.RuneError || unicode.IsSpace(r) || !unicode.IsPrint(r) {
			r = '_'
		}
		b.WriteRune(r)
	}
	return b.String()
}
