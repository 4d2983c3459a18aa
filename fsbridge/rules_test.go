//go:build !wasip1

package fsbridge

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/wasi"
)

// numbered are rules of these patterns. The one at n has the size n+1, to tell them apart.
func numbered(patterns ...string) (rules []Rule) {
	for i, pattern := range patterns {
		rules = append(rules, Rule{Pattern: pattern, Rights: wasi.ReadOnly, MaxSize: int64(i + 1)})
	}
	return rules
}

func compiled(t testing.TB, rules ...Rule) *Rules {
	t.Helper()
	r, err := CompileRules(rules)
	require.NoError(t, err)
	return r
}

// holding is the pattern of the rule that holds for a name; "" for none.
func holding(rules *ruleTable, name string) string {
	if r := rules.find(name); r != nil {
		return r.Pattern
	}
	return ""
}

func TestRulesMostSpecific(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ patterns, name, want string }{
		{"/archive/** /in", "archive", "/archive/**"},
		{"/archive/** /in", "archive/2024/a.txt", "/archive/**"},
		{"/archive/** /in", "in/a", "/in"},
		{"/archive/** /in", ".", ""},
		{"/archive/** /in", "archives", ""},
		{"/", ".", "/"},
		{"/**", "a/b", "/**"},
		{"/** /a", "a", "/a"},
		{"/in /in/*.jpg", "in/x.jpg", "/in/*.jpg"},
		{"/in /in/*.jpg", "in/x.png", "/in"},
		{"/in /in/*.jpg", "in/deep/x.jpg", "/in"},
		{"/in /in/*.jpg", "in/x.jpg/below", "/in/*.jpg"},
		{"/archive /archive/2024 /**/.git", "archive/2024/.git/config", "/**/.git"},
		{"/a/b /a/**", "a/b/c", "/a/b"},
		{"/**/b /a", "a/b/c", "/**/b"},
		{"/**/b /a/**/b", "a/x/b", "/a/**/b"},
		{"/a/* /a/?x", "a/bx", "/a/?x"},
		{"/a/x* /a/*x", "a/xx", "/a/*x"}, // the later one
		{"/a /a", "a", "/a"},             // see TestRulesLaterWins
		{"/a/b /a/**/b", "a/b", "/a/b"},  // has no **
		{"/{in,out}", "out/x", "/{in,out}"},
		{`/a\*b`, "a*b", `/a\*b`}, // no wildcard
		{`/a\*b`, "aXb", ""},
		{`/\[x]/*`, "[x]/y", `/\[x]/*`},
		{"/in/", "in", "/in/"},
		{"/a/**/c/**/d", "a/c/x/y/d", "/a/**/c/**/d"},
		{"/a/*/c", "a/c", ""},
		{"/*/c", "c", ""},
		{"/*", ".", ""},
	} {
		rules := compiled(t, numbered(strings.Fields(test.patterns)...)...)
		assert.Equal(t, test.want, holding(rules.exact, test.name), "%s for %s", test.patterns, test.name)
	}
}

func TestRulesLaterWins(t *testing.T) {
	t.Parallel()
	for _, patterns := range [][]string{{"/a", "/a/**", "/a/"}, {"/*", "/*/**"}} {
		rules := compiled(t, numbered(patterns...)...)
		assert.EqualValues(t, len(patterns), rules.exact.find("a/b").MaxSize, patterns)
	}
}

func TestRulesRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		rule Rule
		want string
	}{
		{Rule{Pattern: "in"}, `rule "in": the pattern does not begin with /`},
		{Rule{Pattern: ""}, `does not begin with /`},
		{Rule{Pattern: "/a//b"}, `rule "/a//b": an element is ""`},
		{Rule{Pattern: "//"}, `an element is ""`},
		{Rule{Pattern: "/a/../b"}, `an element is ".."`},
		{Rule{Pattern: `/a/\.\.`}, `an element is "\\.\\."`},
		{Rule{Pattern: "/a[b"}, `"a[b" is no pattern`},
		{Rule{Pattern: "/{a/b,c}"}, `"{a" is no pattern`},
		{Rule{Pattern: `/a\`}, `"a\\" is no pattern`},
		{Rule{Pattern: "/a**"}, `"a**" has ** and more`},
		{Rule{Pattern: "/a\x00"}, "zero byte"},
		{Rule{Pattern: "/a\xff"}, "is not UTF-8"},
		{Rule{Pattern: "/a", Rights: wasi.RightAdmin}, `rule "/a": only read`},
		{Rule{Pattern: "/a", MaxSize: -1}, "the largest size is -1 bytes"},
		{Rule{Pattern: "/a", Accept: []string{"a/b"}}, `"a/b" has a /`},
		{Rule{Pattern: "/a", Refuse: []string{"["}}, `"[" is no pattern`},
		{Rule{Pattern: "/a", Refuse: []string{""}}, `an element is ""`},
	} {
		rules, err := CompileRules([]Rule{{Pattern: "/fine"}, test.rule})
		assert.ErrorContains(t, err, test.want)
		assert.Nil(t, rules)
	}
	_, err := CompileRules([]Rule{{Pattern: "x"}, {Pattern: "/["}})
	assert.ErrorContains(t, err, `"x"`)
	assert.ErrorContains(t, err, `"/["`)
	rules, err := CompileRules(nil)
	assert.NoError(t, err)
	assert.Nil(t, rules)
}

func TestRulesFold(t *testing.T) {
	t.Parallel()
	table := compiled(t, numbered("/Secret", "/Caf\u00e9/*.JPG", "/x.")...).folded()
	for name, want := range map[string]string{
		"secret": "/Secret", "SECRET/a": "/Secret", "se\u200bcret": "/Secret", "secret. ": "/Secret", "\u017fecret": "/Secret",
		"cafe\u0301/a.jpg": "/Caf\u00e9/*.JPG", "CAF\u00c9/A.Jpg": "/Caf\u00e9/*.JPG", "X": "/x.", "secrets": "",
	} {
		assert.Equal(t, want, holding(table, foldName(name, table.fold)), "%q", name)
	}
	for name, want := range map[string]bool{
		"SECRET~1": true, "a/x~12.txt": true, "a/x~1.txt/b": true, "backup~": false, "~1": false, "longer-name~1": false,
		"a": false, "x~1b": false,
	} {
		assert.Equal(t, want, shortName(name), name)
	}
}

// slowElements is what an element of a pattern and ** match, tried one by one.
func slowElements(pattern, name []string) bool {
	if len(pattern) == 0 {
		return len(name) == 0
	}
	if pattern[0] == "**" {
		return slowElements(pattern[1:], name) || len(name) > 0 && slowElements(pattern, name[1:])
	}
	if len(name) == 0 {
		return false
	}
	ok, _ := path.Match(pattern[0], name[0])
	return ok && slowElements(pattern[1:], name[1:])
}

// slowElementsOf are the elements of a pattern without ** at its end.
func slowElementsOf(pattern string) []string {
	elements := strings.Split(strings.Trim(pattern, "/"), "/")
	for len(elements) > 0 && (elements[len(elements)-1] == "**" || elements[len(elements)-1] == "") {
		elements = elements[:len(elements)-1]
	}
	return elements
}

// slowRank orders patterns that name the same by the definition at [Rules].
func slowRank(pattern string, at int) []int {
	literals, text, deeps := 0, 0, 0
	for _, element := range slowElementsOf(pattern) {
		plain := strings.NewReplacer("*", "", "?", "").Replace(element)
		text += len(plain)
		if plain == element {
			literals++
		}
		if element == "**" {
			deeps++
		}
	}
	return []int{literals, text, -deeps, at}
}

// slowFind is [ruleTable.find] as its definition reads.
func slowFind(patterns []string, name string) string {
	elements := strings.Split(name, "/")
	if name == "." {
		elements = nil
	}
	for ; ; elements = elements[:len(elements)-1] {
		best, rank := "", []int(nil)
		for i, pattern := range patterns {
			if r := slowRank(pattern, i); slowElements(slowElementsOf(pattern), elements) && slices.Compare(r, rank) > 0 {
				best, rank = pattern, r
			}
		}
		if rank != nil || len(elements) == 0 {
			return best
		}
	}
}

// FuzzRules compares the lookup of rules with one that tries every pattern on every folder.
func FuzzRules(f *testing.F) {
	seeds := []string{"/a/**\n/a/b", "/**/b\n/a\n/*/b/?", "/a/**/b/**/c\n/a*/*b\n/", "/**/*.x\n/a/*.x\n/a/?.x", "/**/**/a\n/*/**/a"}
	for _, seed := range seeds {
		for _, name := range []string{".", "a", "a/b", "a/b/c", "a/c/b/x/c", "ab/ab/b.x", "a/a.x", "b/b/b/b"} {
			f.Add(seed, name)
		}
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		patterns := strings.Split(text, "\n")
		if !ValidName(name) || strings.ContainsAny(text, `[]{}\`) || len(patterns) > 20 || len(text)+len(name) > 200 {
			t.Skip()
		}
		if !strings.Contains("\n"+text, "\n/") || len(name) > 60 {
			t.Skip()
		}
		rules, err := CompileRules(numbered(patterns...))
		if err != nil {
			t.Skip()
		}
		if got, want := holding(rules.exact, name), slowFind(patterns, name); got != want {
			t.Fatalf("%q for %q is %q, not %q", patterns, name, got, want)
		}
		for _, r := range rules.exact.ranked {
			checkBelow(t, r, name)
		}
	})
}

// checkBelow checks that a rule that names a file is known to name something below each
// folder on the way to it.
func checkBelow(t *testing.T, r *rule, name string) {
	t.Helper()
	if name == "." || !slowElements(slowElementsOf(r.Pattern), strings.Split(name, "/")) {
		return
	}
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		if r.below(dir) == reachNone {
			t.Fatalf("%q names %q, but nothing below %q", r.Pattern, name, dir)
		}
		if dir == "." {
			return
		}
	}
}

func BenchmarkRules(b *testing.B) {
	var folders, wild []Rule
	for i := range 100 {
		folders = append(folders, Rule{Pattern: fmt.Sprintf("/dir%d/**", i), Rights: wasi.ReadWrite})
		wild = append(wild, Rule{Pattern: fmt.Sprintf("/**/*.x%d", i), Rights: wasi.ReadOnly})
	}
	for name, rules := range map[string][]Rule{"none": nil, "100 folders": folders, "100 wildcards": wild} {
		a := &Access{FS: NewMemory(), Rights: wasi.ReadWrite, Rules: compiled(b, rules...)}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := a.may(wasi.RightRead, "dir50/year/file.txt"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCompileRules is what the rules of an account cost at its login.
func BenchmarkCompileRules(b *testing.B) {
	var rules []Rule
	for i := range 100 {
		rules = append(rules, Rule{Pattern: fmt.Sprintf("/dir%d/*/x*/**", i), Rights: wasi.ReadWrite})
	}
	for b.Loop() {
		if _, err := CompileRules(rules); err != nil {
			b.Fatal(err)
		}
	}
}
