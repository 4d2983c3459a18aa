package main

import (
	"fmt"
	"slices"
	"strings"

	"wasiftp/host"
)

// wordsHelp is the help of a flag: does, and then each word with its meaning.
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

// turnOn reads a list of words, separated by commas, and turns them on. fault ends the
// sentence about an unknown word.
func turnOn(words []host.Switch, fault string) func(string) error {
	return func(list string) error {
		for said := range strings.SplitSeq(list, ",") {
			at := slices.IndexFunc(words, func(w host.Switch) bool { return w.Name == strings.TrimSpace(said) })
			if at < 0 {
				known := map[string]bool{}
				for _, w := range words {
					known[w.Name] = true
				}
				return fmt.Errorf("%q %s%s; see wasiftpd --help", said, fault, didYouMean(nearest(said, known)))
			}
			*words[at].On = true
		}
		return nil
	}
}

// rightsOrOff reads rights, or off, into target.
func rightsOrOff(target *string) func(string) error {
	return func(s string) error {
		if _, err := host.ParseRights(s); err != nil && s != "off" {
			return fmt.Errorf("%q is none of off, %s", s, host.RightsHelp)
		}
		*target = s
		return nil
	}
}
