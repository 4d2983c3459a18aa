package main

import (
	"fmt"
	"strings"

	"wasiftp/host"
)

// rightNames are the words of the users file for rights.
var rightNames = []struct {
	name   string
	rights host.Rights
}{
	{"ro", host.ReadOnly}, {"rw", host.ReadWrite},
	{"read", host.Read}, {"list", host.List}, {"write", host.Write},
	{"delete", host.Delete}, {"rename", host.Rename}, {"mkdir", host.MakeDir},
	{"admin", host.Admin},
}

// rightsHelp names all words that parseRights knows.
const rightsHelp = "ro, rw, or some of read,list,write,delete,rename,mkdir,admin"

// parseRights reads rights as words with commas between them.
func parseRights(s string) (rights host.Rights, err error) {
words:
	for word := range strings.SplitSeq(s, ",") {
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
