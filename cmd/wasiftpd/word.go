package main

import (
	"fmt"
	"strings"

	"wasiftp/host"
)

// word is one of those that a flag takes in a list, with what it turns on.
type word struct {
	word, text string
	set        func(*host.Config) *bool
}

// wordsHelp is a flag's help: what it does, and a line or more for each word.
func wordsHelp(does string, words []word) string {
	width := 0
	for _, w := range words {
		width = max(width, len(w.word)+2)
	}
	var help strings.Builder
	help.WriteString(does)
	for _, w := range words {
		fmt.Fprintf(&help, "\n%-*s%s", width, w.word, strings.ReplaceAll(w.text, "\n", "\n"+strings.Repeat(" ", width)))
	}
	return help.String()
}

// turnOn turns on what a list of words, with commas between, says. fault is what is
// wrong with any other word.
func (o *options) turnOn(words []word, list, fault string) error {
	for said := range strings.SplitSeq(list, ",") {
		found := false
		for _, w := range words {
			if w.word == strings.TrimSpace(said) {
				*w.set(&o.config), found = true, true
			}
		}
		if !found {
			return fmt.Errorf("%q %s; see wasiftpd --help", said, fault)
		}
	}
	return nil
}
