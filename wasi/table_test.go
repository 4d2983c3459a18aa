package wasi

import (
	"regexp"
	"testing"
)

var name = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)

func TestTable(t *testing.T) {
	t.Parallel()
	if n := len(Table); n >= 40 {
		t.Errorf("%d imports; the boundary has fewer than 40", n)
	}
	names := map[string]bool{}
	groups := map[string]bool{}
	group := ""
	for _, i := range Table {
		if !name.MatchString(i.Name) || names[i.Name] {
			t.Errorf("import %q: no name, or one that there is already", i.Name)
		}
		names[i.Name] = true
		if i.Group != group && groups[i.Group] {
			t.Errorf("%s: group %s is in two places", i.Name, i.Group)
		}
		group = i.Group
		groups[group] = true
		if i.Text == "" {
			t.Errorf("%s has no text", i.Name)
		}
		params := map[string]bool{}
		for _, p := range i.Params {
			if !name.MatchString(p.Name) || params[p.Name] {
				t.Errorf("%s: parameter %q: no name, or one that there is already", i.Name, p.Name)
			}
			params[p.Name] = true
			if p.Kind > RetStat {
				t.Errorf("%s: parameter %s is of no kind", i.Name, p.Name)
			}
		}
	}
}

// The size of a kind is that of the record or number to which its pointer leads.
func TestKindSize(t *testing.T) {
	t.Parallel()
	want := map[Kind]uint32{RetUint32: 4, RetUint64: 8, InAddr: AddrSize, RetAddr: AddrSize, RetStat: StatSize}
	for k := Handle; k <= RetStat; k++ {
		if k.Size() != want[k] {
			t.Errorf("kind %d: %d bytes, not %d", k, k.Size(), want[k])
		}
	}
}

func TestErrnoNames(t *testing.T) {
	t.Parallel()
	seen := map[string]Errno{}
	for n := range 1 << 16 {
		errno := Errno(n)
		text := errno.Error()
		if text == "E?" {
			continue
		}
		if other, ok := seen[text]; ok {
			t.Errorf("%d and %d are both %s", other, errno, text)
		}
		seen[text] = errno
		if errnoNames[errno] != text {
			t.Errorf("%d is %s", n, text)
		}
	}
	if len(seen) != len(errnoNames) || seen["OK"] != OK {
		t.Errorf("%d names of %d errnos", len(seen), len(errnoNames))
	}
}

func TestExports(t *testing.T) {
	t.Parallel()
	names := map[string]bool{"memory": true}
	for _, e := range Exports {
		if names[e.Name] || e.Text == "" {
			t.Errorf("export %q: twice, or without a text", e.Name)
		}
		names[e.Name] = true
	}
}
