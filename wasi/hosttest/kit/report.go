package kit

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"

	"wasiftp/wasi"
)

// Outcome is what a check came to.
type Outcome uint8

// The outcomes.
const (
	Passed Outcome = iota
	Skipped
	Failed
)

// Result is a check with its outcome.
type Result struct {
	Check   Check
	Outcome Outcome
	Faults  []string // what was seen instead, or why it was skipped
}

// Run runs the checks one after the other, unless the host comes to an end
// meanwhile. Each result is told as it comes.
func Run(target *Target, checks []Check, tell func(Result)) (results []Result) {
	gone := false
	for _, check := range checks {
		t := &trial{}
		if gone {
			t.run(func() { t.Skipf(NotChecked + "nobody listens any more") })
		} else {
			t.run(func() { check.Against(t, target) })
			gone = t.outcome == Failed && !listens(target.Address)
			if gone && target.LastWords != nil {
				t.faults = append(t.faults, target.LastWords())
			}
		}
		r := Result{check, t.outcome, t.faults}
		results = append(results, r)
		tell(r)
	}
	return results
}

func listens(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// Greets runs the first check alone: without a greeting there is nothing to be
// checked. The fault is "" when there is one.
func Greets(target *Target) (fault string) {
	t := &trial{}
	t.run(func() { lifeChecks[0].Against(t, target) })
	return strings.Join(t.faults, "\n")
}

// trial is a [T] outside a test.
type trial struct {
	outcome  Outcome
	faults   []string
	cleanups []func()
}

// run runs a check to its end, on a goroutine that Fatalf can end.
func (t *trial) run(check func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for _, cleanup := range slices.Backward(t.cleanups) {
				cleanup()
			}
		}()
		check()
	}()
	<-done
}

func (t *trial) Helper()          {}
func (t *trial) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *trial) Errorf(format string, args ...any) {
	t.outcome = Failed
	t.faults = append(t.faults, fmt.Sprintf(format, args...))
}

func (t *trial) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

func (t *trial) Skipf(format string, args ...any) {
	if t.outcome == Passed {
		t.outcome = Skipped
		t.faults = append(t.faults, fmt.Sprintf(format, args...))
	}
	runtime.Goexit()
}

// Report prints what came of it, an import a line, with all that is not as it
// should be.
func Report(w io.Writer, results []Result) {
	line := func(name string) {
		var of []Result
		var counts [Failed + 1]int
		for _, r := range results {
			if r.Check.Import == name {
				of = append(of, r)
				counts[r.Outcome]++
			}
		}
		if len(of) == 0 {
			return
		}
		if name == "" {
			name = "life of an instance"
		}
		fmt.Fprintf(w, "%-20s %3d ok", name, counts[Passed])
		if counts[Failed] > 0 {
			fmt.Fprintf(w, ", %d FAILED", counts[Failed])
		}
		if counts[Skipped] > 0 {
			fmt.Fprintf(w, ", %d not offered or not checked", counts[Skipped])
		}
		fmt.Fprintln(w)
		for _, r := range of {
			if r.Outcome != Passed {
				fmt.Fprintf(w, "    %-6s %s%s\n", marks[r.Outcome], r.Check.Promise, r.faults("           "))
			}
		}
	}
	line("")
	for _, i := range wasi.Table {
		line(i.Name)
	}
}

var marks = [...]string{Passed: "ok", Skipped: "--", Failed: "FAILED"}

// String is the check, and what was seen instead of what it promises.
func (r Result) String() string {
	return fmt.Sprintf("%-6s %s%s", marks[r.Outcome], r.Check.Name(), r.faults("       "))
}

func (r Result) faults(indent string) (text string) {
	for _, fault := range r.Faults {
		text += "\n" + indent + strings.ReplaceAll(fault, "\n", "\n"+indent)
	}
	return text
}

// Sum prints how many checks came to what, and reports whether none failed.
func Sum(w io.Writer, results []Result) bool {
	var counts [Failed + 1]int
	for _, r := range results {
		counts[r.Outcome]++
	}
	fmt.Fprintf(w, "\n%d promises checked: %d hold, %d do not, %d not offered or not checked.\n",
		len(results), counts[Passed], counts[Failed], counts[Skipped])
	return counts[Failed] == 0
}
