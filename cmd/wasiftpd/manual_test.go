package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The manual has each setting and each key of users, and the help has each flag once, under
// a heading.
func TestManualAndHelpHaveAllSettings(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	manual := string(content)
	help, _ := exits(t, 0, nil, "--help")
	for _, flag := range allSettings() {
		if flag.Hidden {
			continue
		}
		name := regexp.QuoteMeta("--" + flag.Name)
		if !regexp.MustCompile(name + `($|[^a-z-])`).MatchString(manual) {
			t.Errorf("README.md says nothing of --%s", flag.Name)
		}
		if n := len(regexp.MustCompile(`(?m)^ +`+name+`( |$)`).FindAllString(help, -1)); n != 1 {
			t.Errorf("the help has --%s %d times", flag.Name, n)
		}
	}
	for _, s := range userSettings {
		if !regexp.MustCompile("(?m)^ *\\|.*`" + s.key + "( = [^`]*)?`.*\\|").MatchString(manual) {
			t.Errorf("README.md has no row for the key %s of users", s.key)
		}
	}
	for first, heading := range headings {
		if isSetting(first) && !regexp.MustCompile(`(?m)^`+heading+":\n +--"+first+" ").MatchString(help) {
			t.Errorf("in the help, %s does not stand before --%s", heading, first)
		}
	}
	for _, args := range [][]string{{"passwd", "--help"}, {"quota", "scan", "--help"}} {
		if out, _ := exits(t, 0, nil, args...); strings.Count(out, "\nFlags:\n") != 1 {
			t.Errorf("%q says\n%s", args, out)
		}
	}
}
