package doctor

import (
	"context"
	"fmt"
	"strings"
	"unicode"
)

// Level says how bad a finding is.
type Level string

// The levels. Only [Fault] is something that keeps clients from working.
const (
	OK      Level = "ok"
	Skipped Level = "skipped" // not tried; the finding says why
	Note    Level = "note"    // works, and could be better
	Warning Level = "warning" // some clients fail, or will
	Fault   Level = "fault"
)

// Check is one thing to try on a T, and what each of its ends means.
type Check[T any] struct {
	Name  string // in findings, stable
	Tried string // a sentence without its full stop

	// Needs says why the check can't be tried; "" if it can. [NotHere] makes no finding at
	// all. nil is a check that can always be tried.
	Needs func(T) string

	// Cleans is a check that is also made after an interrupt, and whose context is then a
	// new one.
	Cleans bool

	Run func(context.Context, T) []Outcome

	// Verdicts has what the kinds of outcomes mean. Those that it lacks are [common].
	Verdicts map[string]Verdict
}

// NotHere is an answer of Needs: the check has no sense for this server.
const NotHere = "-"

// Outcome is one thing that a check has seen. Its Kind is a key of Verdicts.
type Outcome struct {
	Kind     string
	Happened string
	Fill     map[string]string // for {words} in the texts of the verdict
}

// Verdict is what a kind of outcome means, and what to do about it.
type Verdict struct {
	Level Level
	Means string
	Do    string
	Set   string // the line for the configuration of wasiftpd
}

// Finding is an outcome with its verdict, ready to be printed.
type Finding struct {
	Check    string `json:"check"`
	Kind     string `json:"kind"`
	Level    Level  `json:"level"`
	Tried    string `json:"tried"`
	Happened string `json:"happened"`
	Means    string `json:"means,omitempty"`
	Do       string `json:"do,omitempty"`
	Set      string `json:"set,omitempty"`
}

// common are the ends that any check can have.
var common = map[string]Verdict{
	"ok":      {Level: OK},
	"skipped": {Level: Skipped},
	"silent": {
		Level: Fault,
		Means: "The server, or something on the way to it, keeps the connection and says nothing.",
		Do:    "Look into the server's log at this time. If the server is only slow, try again with --step-timeout 1m.",
	},
	"closed": {
		Level: Fault,
		Means: "The connection ended in the middle of the dialogue.",
		Do:    "Look into the server's log. If it has no line of this, a firewall or a proxy on the way ended the connection.",
	},
	"garbage": {
		Level: Fault,
		Means: "This is no reply of FTP (RFC 959 section 4.2): another service answers, or something on the way changes bytes.",
		Do:    "Check the host and the port. For TLS from the first byte write ftps:// in place of ftp://.",
	},
	"endless": {
		Level: Fault,
		Means: "Clients give up on such a reply, or run out of memory.",
		Do:    "Check that host and port are those of an FTP server; shorten its greeting.",
	},
	"lost": {
		Level: Skipped,
		Do:    "See to the faults above first.",
	},
	"odd": {
		Level: Fault,
		Means: "A client that relies on this does not work here.",
		Do:    "Read the reply: the server says why. Its log may say more.",
	},
}

// Run makes all checks on a T, and tells each finding as it is made. When ctx has ended it
// only makes those that clean up.
func Run[T any](ctx context.Context, checks []Check[T], on T, tell func(Finding)) {
	for _, c := range checks {
		run := ctx
		if ctx.Err() != nil {
			if !c.Cleans {
				continue
			}
			run = context.WithoutCancel(ctx)
		}
		if c.Needs != nil {
			if reason := c.Needs(on); reason != "" {
				if reason != NotHere {
					tell(c.finding(Outcome{Kind: "skipped", Happened: reason}))
				}
				continue
			}
		}
		for _, o := range c.Run(run, on) {
			if run.Err() != nil && !c.Cleans {
				continue // what happened is the interrupt
			}
			tell(c.finding(o))
		}
	}
}

func (c *Check[T]) finding(o Outcome) Finding {
	v, known := c.Verdicts[o.Kind]
	if !known {
		v, known = common[o.Kind]
	}
	if !known {
		v = common["odd"]
	}
	pairs := []string{}
	for word, text := range o.Fill {
		pairs = append(pairs, "{"+word+"}", printable(text))
	}
	fill := strings.NewReplacer(pairs...)
	return Finding{
		Check: c.Name, Kind: o.Kind, Level: v.Level, Tried: c.Tried, Happened: printable(o.Happened),
		Means: fill.Replace(v.Means), Do: fill.Replace(v.Do), Set: fill.Replace(v.Set),
	}
}

// longest is how many characters of a text that a server has sent are shown.
const longest = 300

// printable makes a text that may come from a hostile server fit for a terminal.
func printable(text string) string {
	var b strings.Builder
	n := 0
	for _, r := range strings.ToValidUTF8(text, "�") {
		if n++; n > longest {
			b.WriteString("…")
			break
		}
		switch {
		case r == '\n':
			b.WriteString(" / ")
		case !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// One is the outcome of a check that has one. The texts of fill are words and what they
// stand for, by turns.
func One(kind, happened string, fill ...string) []Outcome {
	o := Outcome{Kind: kind, Happened: happened, Fill: map[string]string{}}
	for i := 0; i+1 < len(fill); i += 2 {
		o.Fill[fill[i]] = fill[i+1]
	}
	return []Outcome{o}
}
