package kit

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"

	"wasiftp/wasi"
)

// Outcome is the result of a check: Passed, Skipped or Failed.
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
	Faults  []string // what the host did instead, or why the check was skipped
}

// Run runs the checks one after the other, and calls tell with each result. When the host
// no longer listens after a failed check, the checks behind that are skipped.
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

// Greets runs the first check alone: a host whose sessions are not greeted by the kit's
// module cannot be checked. fault is "" for a host that can.
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

// run runs a check to its end, on a goroutine of its own so that Fatalf can end it.
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

// count counts results by outcome.
func count(results []Result) (counts [Failed + 1]int) {
	for _, r := range results {
		counts[r.Outcome]++
	}
	return counts
}

// Report prints a line for each import, and under it each check that has not passed, with
// the reason.
func Report(w io.Writer, results []Result) {
	line := func(name string) {
		of := slices.DeleteFunc(slices.Clone(results), func(r Result) bool { return r.Check.Import != name })
		if len(of) == 0 {
			return
		}
		counts := count(of)
		fmt.Fprintf(w, "%-20s %3d ok", cmp.Or(name, "life of an instance"), counts[Passed])
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

// String is the outcome, the check's name and its faults.
func (r Result) String() string {
	return fmt.Sprintf("%-6s %s%s", marks[r.Outcome], r.Check.Name(), r.faults("       "))
}

func (r Result) faults(indent string) (text string) {
	for _, fault := range r.Faults {
		text += "\n" + indent + strings.ReplaceAll(fault, "\n", "\n"+indent)
	}
	return text
}

// Sum prints the number of checks with each outcome, and reports whether none failed.
func Sum(w io.Writer, results []Result) bool {
	counts := count(results)
	fmt.Fprintf(w, "\n%d promises checked: %d hold, %d do not, %d not offered or not checked.\n",
		len(results), counts[Passed], counts[Failed], counts[Skipped])
	return counts[Failed] == 0
}
