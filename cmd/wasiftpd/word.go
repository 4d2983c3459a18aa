package main

import (
	"fmt"
	"slices"
	"strings"

	"wasiftp/host"
)

// wordsHelp is a flag's help: what it does, and a line or more for each word.
func wordsHelp(does string, words []host.Switch) string {
	width := 0
	for _, w := range words {
		width = max(width, len(w.Name)+2)
	}
	var help strings.Builder
	help.WriteString(does)
	for _, w := range words {
		fmt.Fprintf(&help, "\n%-*s%s", width, w.Name, strings.ReplaceAll(w.Text, "\n", "\n"+strings.Repeat(" ", width)))
	}
	return help.String()
}

// turnOn turns on what a list of words, with commas between, says. fault is what is
// wrong with any other word.
func turnOn(words []host.Switch, list, fault string) error {
	for said := range strings.SplitSeq(list, ",") {
		at := slices.IndexFunc(words, func(w host.Switch) bool { return w.Name == strings.TrimSpace(said) })
		if at < 0 {
			return fmt.Errorf("%q %s; see wasiftpd --help", said, fault)
		}
		*words[at].On = true
	}
	return nil
}

// rightsOrOff reads rights into target, or off for none.
func rightsOrOff(target *string) func(string) error {
	return func(s string) error {
		if _, err := host.ParseRights(s); err != nil && s != "off" {
			return fmt.Errorf("%q is none of off, %s", s, host.RightsHelp)
		}
		*target = s
		return nil
	}
}
