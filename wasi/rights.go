package wasi

import (
	"errors"
	"strconv"
	"strings"
)

// Rights are a set of the verbs that an account may use, as auth_login reports it.
type Rights uint32

// Rights an account has, as auth_login reports them.
const (
	RightRead   Rights = 1 << iota // RETR
	RightList                      // LIST, NLST, MLSD
	RightWrite                     // STOR, APPE, STOU; MFMT, CHMOD
	RightDelete                    // DELE, RMD
	RightRename                    // RNFR, RNTO
	RightMkdir                     // MKD
	RightAdmin                     // SITE WHO, SITE KICK
)

// The usual sets of rights.
const (
	ReadOnly  = RightRead | RightList
	ReadWrite = ReadOnly | RightWrite | RightDelete | RightRename | RightMkdir
	WriteOnly = RightWrite | RightMkdir // a drop box: clients can't see the files in it
)

// rightNames are the words for rights in flags and files of accounts.
var rightNames = []struct {
	name   string
	rights Rights
}{
	{"ro", ReadOnly}, {"rw", ReadWrite}, {"wo", WriteOnly},
	{"read", RightRead}, {"list", RightList}, {"write", RightWrite}, {"delete", RightDelete}, {"rename", RightRename},
	{"mkdir", RightMkdir}, {"admin", RightAdmin},
}

// RightsHelp names the words that [ParseRights] knows.
const RightsHelp = "ro, rw, wo, or some of read,list,write,delete,rename,mkdir,admin"

// ParseRights is the union of the rights that the words of text name. Commas or plus
// signs separate the words. A word that is not in [RightsHelp] is an error.
func ParseRights(text string) (rights Rights, err error) {
words:
	for word := range strings.SplitSeq(strings.ReplaceAll(text, "+", ","), ",") {
		word = strings.TrimSpace(word)
		for _, known := range rightNames {
			if word == known.name {
				rights |= known.rights
				continue words
			}
		}
		return 0, errors.New(strconv.Quote(word) + " is no right; write " + RightsHelp)
	}
	return rights, nil
}

// Abilities are a set of the operations that the storage of an account supports, as
// auth_login reports it.
type Abilities uint32

// Abilities of an account's files.
const (
	AbleUpload  Abilities = 1 << iota // to take uploads
	AbleTimes                         // to set modification times
	AbleCreated                       // to tell and set creation times
	AbleModes                         // to set permission bits
	AbleUmask                         // to keep to a mask for new files and directories
	AbleSpace                         // to tell how much room there is
	AbleSymlink                       // to make symbolic links
	AbleTree                          // to remove a directory with all that is in it
	AbleMkdir                         // to make directories
	AbleStyle                         // to be listed in a style of the account's own; see [Style]
)
