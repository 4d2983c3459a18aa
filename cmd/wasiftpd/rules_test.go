package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"wasiftp/fsbridge"
	"wasiftp/host"
)

func TestParseRule(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]fsbridge.Rule{
		"/archive/** ro":                {Pattern: "/archive/**", Rights: host.ReadOnly},
		"/in list,write+mkdir":          {Pattern: "/in", Rights: host.RightList | host.RightWrite | host.RightMkdir},
		"/**/.git none":                 {Pattern: "/**/.git"},
		"/ ro":                          {Pattern: "/", Rights: host.ReadOnly},
		" /my  pictures/*.jpg   ro ":    {Pattern: "/my  pictures/*.jpg", Rights: host.ReadOnly},
		"/ro ro ro":                     {Pattern: "/ro ro", Rights: host.ReadOnly},
		"/in rw max=20M refuse=*.exe,x": {Pattern: "/in", Rights: host.ReadWrite, MaxSize: 20 << 20, Refuse: []string{"*.exe", "x"}},
		"/a=b ro accept=*.jpg max=7":    {Pattern: "/a=b", Rights: host.ReadOnly, MaxSize: 7, Accept: []string{"*.jpg"}},
	} {
		if got, err := parseRule(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q is %+v, %v; want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                    `no PATH RIGHTS`,
		"/in":                 `rule "/in" is no PATH RIGHTS`,
		"/in max=1":           `no PATH RIGHTS`,
		"/in all":             `"all" is no right; write ro, rw`,
		"in ro":               `rule "in": the pattern does not begin with /`,
		"/in[ ro":             `rule "/in[": "in[" is no pattern`,
		"/in admin":           `rule "/in": only read`,
		"/in ro size=1":       `"size" is none of max, accept, refuse`,
		"/in ro max=1X":       `"1X" is no number of bytes`,
		"/in ro max=0":        `max is 0; give a size such as 20M`,
		"/in ro max=9999999T": `is no number of bytes`,
		"/in ro accept=":      `an element is ""`,
	} {
		if _, err := parseRule(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// What check shows of rules can be given to --rule.
func TestRuleText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"/in wo max=20M accept=*.jpg,*.png refuse=*.exe", "/a b/** list,write", "/**/.git none"} {
		r, err := parseRule(text)
		if got := ruleText(r); err != nil || got != text {
			t.Errorf("%q is shown as %q, %v", text, got, err)
		}
	}
	config := userTable("a", "root = '.'\nrights = 'rw'\nrules = [{path = '/in', rights = 'wo', max = '1M'}]")
	out, _ := exits(t, 0, nil, "check", "--config", write(t, t.TempDir(), "c", config))
	if !strings.Contains(out, ", rule /in wo max=1M") {
		t.Error(out)
	}
}

// The rules of --rule take rights away from every user, and give none. A user's own come
// behind them.
func TestRulesOfUsers(t *testing.T) {
	t.Parallel()
	o := parse(t, "--rule", "/in rw", "--rule", "/out ro max=5")
	own := fsbridge.Rule{Pattern: "/own", Rights: host.ReadWrite}
	all := &accounts{byName: map[string]account{}, everyone: o.rules}
	got := all.rulesFor(&entry{rights: host.RightRead | host.RightWrite, rules: []fsbridge.Rule{own}})
	want := []fsbridge.Rule{{Pattern: "/in", Rights: host.RightRead | host.RightWrite},
		{Pattern: "/out", Rights: host.RightRead, MaxSize: 5}, own}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	for _, name := range []string{"a", "b"} {
		if err := all.add(entry{name: name, rights: host.ReadOnly}); err != nil {
			t.Fatal(err)
		}
	}
	err := all.add(entry{name: "c", rights: host.ReadOnly, rules: []fsbridge.Rule{own}})
	if a, b, c := all.byName["a"], all.byName["b"], all.byName["c"]; err != nil || a.ruled != b.ruled || a.ruled == c.ruled {
		t.Errorf("rules are not shared right: %v", err)
	}
	if err := all.add(entry{name: "d", rules: []fsbridge.Rule{{Pattern: "x"}}}); err == nil {
		t.Error("a bad pattern is taken")
	}
	e := entry{rules: []fsbridge.Rule{own}}
	if e.same(entry{}) || !e.same(entry{rules: []fsbridge.Rule{own}}) {
		t.Error("a changed rule is no change")
	}
	if a := (&account{entry: e}); !a.writes() {
		t.Error("a rule that lets an account write is not counted")
	}
}

func TestRuleOfProgram(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, dir := range []string{"in", "private"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(root, "private"), "file", "secret")
	if err := os.Symlink("../private", filepath.Join(root, "in", "link")); err != nil {
		t.Skip(err)
	}
	s := start(t, "--root", root, "--user", "u:p:rw", "--rule", "/private none", "--rule", "/* ro", "--rule", "/in rw refuse=*.exe")
	d := s.admitted("u", "p")
	for _, test := range []struct {
		line string
		code int
	}{
		{"CWD private", 550}, {"SIZE private/file", 550}, {"SIZE in/link/file", 550}, {"MKD in/new", 257},
		{"MKD new", 550}, {"RMD in/new", 250}, {"RNFR in/link", 350}, {"RNTO in/a.exe", 553},
	} {
		d.do(test.code, test.line)
	}
}
