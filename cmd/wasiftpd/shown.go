package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
)

// show prints an answer of the server: as JSON, or as tell writes it for people.
func show[T any](w io.Writer, asJSON bool, answer T, tell func(*tabwriter.Writer, T)) error {
	if asJSON {
		text, err := json.MarshalIndent(answer, "", "  ")
		if err == nil {
			_, err = w.Write(append(escaped(text), '\n'))
		}
		return err
	}
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	tell(out, answer)
	return out.Flush()
}

// escaped is JSON without characters that a terminal could obey. Encoding/json leaves some.
func escaped(text []byte) []byte {
	var b bytes.Buffer
	for _, r := range string(text) {
		if r == '\n' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		for _, half := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&b, `\u%04x`, half)
		}
	}
	return b.Bytes()
}

// shown is a name that comes from a client, or from a file, for a terminal: quoted if the terminal
// could obey a part of it.
func shown(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) || !utf8.ValidString(name) {
		return strconv.Quote(name)
	}
	return name
}

// table writes rows, the first of which is the head. A column that is empty in all rows but the
// head is left out.
func table(out *tabwriter.Writer, rows [][]string) {
	for n, row := range rows {
		var cells []string
		for column, cell := range row {
			used := false
			for _, other := range rows[1:] {
				used = used || other[column] != ""
			}
			if used && n > 0 && cell == "" {
				cell = "-"
			}
			if used {
				cells = append(cells, shown(cell))
			}
		}
		fmt.Fprintln(out, strings.Join(cells, "\t"))
	}
}

// bytesText is a number of bytes for people, as in 1.5 MiB.
func bytesText(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

// lasting is a length of time for people: 10s, 4m5s, 3h7m, 12 days.
func lasting(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= time.Hour:
		d = d.Truncate(time.Minute)
	case d >= time.Second:
		d = d.Truncate(time.Second)
	}
	if d >= time.Minute && d%time.Minute == 0 {
		return strings.TrimSuffix(d.String(), "0s")
	}
	return d.String()
}
