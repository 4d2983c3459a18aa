package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Report is all that an examination has found.
type Report struct {
	Target   string    `json:"target"`
	Findings []Finding `json:"findings"`
	Faults   int       `json:"faults"`
	Warnings int       `json:"warnings"`
}

// Add adds a finding.
func (r *Report) Add(f Finding) {
	r.Findings = append(r.Findings, f)
	switch f.Level {
	case Fault:
		r.Faults++
	case Warning:
		r.Warnings++
	}
}

// WriteJSON writes the report for programs.
func (r *Report) WriteJSON(w io.Writer) error {
	if r.Findings == nil {
		r.Findings = []Finding{}
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// columns is the width of what people read.
const columns = 96

// Write writes the finding for people: a line if all is well or nothing was tried, else with
// what it means and what to do.
func (f Finding) Write(w io.Writer) error {
	var b strings.Builder
	row := func(level, word, text string) {
		if text == "" {
			return
		}
		at := fmt.Sprintf("%-8s %-14s ", level, word)
		room := columns - len(at)
		line := ""
		for _, part := range strings.Fields(text) {
			if line != "" && len(line)+1+len(part) > room {
				b.WriteString(at + line + "\n")
				at, line = strings.Repeat(" ", len(at)), ""
			}
			line = strings.TrimPrefix(line+" "+part, " ")
		}
		b.WriteString(at + line + "\n")
	}
	row(string(f.Level), f.Check, f.Happened)
	if f.Level != OK && f.Level != Skipped {
		row("", "  tried", f.Tried)
		row("", "  means", f.Means)
	}
	if f.Level != OK {
		row("", "  do", f.Do)
	}
	if f.Set != "" {
		fmt.Fprintf(&b, "%-8s %-14s %s\n", "", "  set", f.Set) // to be pasted, in one line
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Summary is the last line for people.
func (r *Report) Summary() string {
	count := func(n int, word string) string {
		switch n {
		case 0:
			return "no " + word + "s"
		case 1:
			return "1 " + word
		}
		return fmt.Sprintf("%d %ss", n, word)
	}
	skipped := 0
	for _, f := range r.Findings {
		if f.Level == Skipped {
			skipped++
		}
	}
	text := count(r.Faults, "fault") + ", " + count(r.Warnings, "warning")
	if skipped > 0 {
		text += ", " + count(skipped, "check") + " skipped"
	}
	return text + "."
}
