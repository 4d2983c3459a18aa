package kit

import (
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/wasi"
)

var named = regexp.MustCompile(`\b(E[A-Z]{3,}|Event[A-Z][a-z]+)\b`)

// Each import has a check for every result, errno and event that its text names.
func TestEveryPromiseIsChecked(t *testing.T) {
	t.Parallel()
	checks := Checks()
	for _, i := range wasi.Table {
		want := append([]string{"result"}, named.FindAllString(i.Text, -1)...)
		if has(i, wasi.Handle) {
			want = append(want, "handles")
		}
		if has(i, wasi.In, wasi.Out, wasi.InAddr, wasi.RetAddr, wasi.RetStat, wasi.RetUint32, wasi.RetUint64) {
			want = append(want, "pointers")
		}
		if waits(i) {
			want = append(want, "waiting")
		}
		var proved []string
		for _, c := range checks {
			if c.Import == i.Name {
				proved = append(proved, strings.Fields(c.Proves)...)
			}
		}
		for _, w := range want {
			if w != "ENOSYS" {
				assert.Contains(t, proved, w, "%s: add a check that proves its %s, to the list of group %s in this folder",
					i.Name, w, i.Group)
			}
		}
	}
}

// Names of checks are unique, each check's import is in the table, and it says what it proves.
func TestChecksAreNamedRight(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range Checks() {
		assert.False(t, seen[c.Name()], "%s is there twice", c.Name())
		seen[c.Name()] = true
		assert.NotEmpty(t, c.Promise)
		if c.Import != "" {
			assert.GreaterOrEqual(t, place(c), 0, "%s is in no table", c.Import)
			assert.NotEmpty(t, c.Proves, c.Name())
		}
	}
}

// The general checks make faultless calls: they have an argument for every parameter.
func TestEveryParameterIsKnown(t *testing.T) {
	t.Parallel()
	for _, i := range wasi.Table {
		for _, p := range i.Params {
			switch p.Kind {
			case wasi.Handle:
				assert.NotEmpty(t, Takes(i, p.Name), "%s has a handle called %s: say in Takes which handles that is", i.Name, p.Name)
			case wasi.Uint32, wasi.Int64, wasi.In, wasi.InAddr:
				assert.NotNil(t, given(i, p), "%s has a parameter called %s: say in faultless what it is given", i.Name, p.Name)
			}
		}
	}
}

// Only optional imports need a harmless call, and those that change or use up something have one.
func TestHarmlessIsOptional(t *testing.T) {
	t.Parallel()
	var changing []int
	for n := range harmless {
		assert.True(t, Optional(n), "%s is no import that a host need not have", wasi.Table[n].Name)
		changing = append(changing, n)
	}
	for _, n := range []int{wasi.FileRemove, wasi.FileRename, wasi.TransferHash, wasi.NetDeflate} {
		assert.True(t, slices.Contains(changing, n))
	}
}

// When the host ends during a check, the report has its last words, and Run skips the
// checks behind that one.
func TestReportHasTheLastWordsOfAHost(t *testing.T) {
	t.Parallel()
	host, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	target := &Target{Address: host.Addr().String(), LastWords: func() string { return "index out of range" }}
	breaking := Check{Import: "net_read", Promise: "breaks it", Run: func(*Trial) {}}
	go func() { // greets nobody, and ends
		c, _ := host.Accept()
		host.Close()
		c.Close()
	}()
	var out strings.Builder
	results := Run(target, []Check{breaking, breaking}, func(Result) {})
	Report(&out, results)
	assert.Contains(t, out.String(), "index out of range")
	assert.Contains(t, out.String(), "nobody listens any more")
	assert.Equal(t, 1, strings.Count(out.String(), "index out of range"))
}
