package main

import (
	"fmt"
	"strings"

	"wasiftp/host"
)

// writeOnly is a drop box: what is put there can't be seen.
const writeOnly = host.Write | host.MakeDir

// rightNames are the words for rights, wherever they are given.
var rightNames = []struct {
	name   string
	rights host.Rights
}{
	{"ro", host.ReadOnly}, {"rw", host.ReadWrite}, {"wo", writeOnly},
	{"read", host.Read}, {"list", host.List}, {"write", host.Write},
	{"delete", host.Delete}, {"rename", host.Rename}, {"mkdir", host.MakeDir},
	{"admin", host.Admin},
}

// rightsHelp names all words that parseRights knows.
const rightsHelp = "ro, rw, wo, or some of read,list,write,delete,rename,mkdir,admin"

// parseRights reads rights as words with commas between them. "+" serves too,
// where a comma has another meaning.
func parseRights(s string) (rights host.Rights, err error) {
words:
	for word := range strings.SplitSeq(strings.ReplaceAll(s, "+", ","), ",") {
		word = strings.TrimSpace(word)
		for _, known := range rightNames {
			if word == known.name {
				rights |= known.rights
				continue words
			}
		}
		return 0, fmt.Errorf("%q is no right; write %s", word, rightsHelp)
	}
	return rights, nil
}

// rightsOrOff reads rights into target, or off for none.
func rightsOrOff(target *string) func(string) error {
	return func(s string) error {
		if _, err := parseRights(s); err != nil && s != "off" {
			return fmt.Errorf("%q is none of off, %s", s, rightsHelp)
		}
		*target = s
		return nil
	}
}
