package main

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // for machines without zones of their own

	"github.com/spf13/pflag"

	"wasiftp/host"
)

// behaviours are the words of --behaviour, with what each turns on.
var behaviours = []word{
	{"ascii-verbatim", "files go as they are under TYPE A too", func(c *host.Config) *bool { return &c.Behaviour.ASCIIVerbatim }},
	{"no-ascii-size", "SIZE is refused under TYPE A", func(c *host.Config) *bool { return &c.Behaviour.NoASCIISize }},
	{"no-ascii-rest", "REST is refused under TYPE A, where it counts\nthe file's own bytes", func(c *host.Config) *bool { return &c.Behaviour.NoASCIIRest }},
	{"mkdir-existing", "MKD of a folder that is there succeeds", func(c *host.Config) *bool { return &c.Behaviour.MkdirExisting }},
	{"make-parents", "STOR, APPE and MKD make missing folders", func(c *host.Config) *bool { return &c.Behaviour.MakeParents }},
	{"empty-nlst-fails", "NLST that lists nothing is 550, not 226", func(c *host.Config) *bool { return &c.Behaviour.EmptyNLSTFails }},
	{"hide-dot-files", "listings leave dot files out unless asked by -a", func(c *host.Config) *bool { return &c.Behaviour.HideDotFiles }},
	{"follow-links", "links are listed as what they lead to", func(c *host.Config) *bool { return &c.FollowLinks }},
	{"no-mode-z", "MODE Z is refused, which takes up to 1 MB a transfer", func(c *host.Config) *bool { return &c.Behaviour.NoModeZ }},
	{"no-hash", "HASH, XCRC and the like are refused, which read\na whole file", func(c *host.Config) *bool { return &c.Behaviour.NoHash }},
}

func (o *options) addBehaviourTo(f *pflag.FlagSet) {
	does := "where servers differ and some client minds, do as `WORDS` say,\nseparated by commas:"
	f.Func("behaviour", wordsHelp(does, behaviours), o.setBehaviour)
	f.Func("charset", "names of files are UTF-8 here, and `NAME` for clients that don't say\nOPTS UTF8 ON, as in "+
		"Windows-1252 or Shift_JIS (default as they are)", o.setCharset)
	f.Func("list-time-zone", "the times of LIST are those of `ZONE`, as in Europe/Berlin, or of\nthis machine's "+
		"when Local (default UTC)", o.setListZone)
	f.Func("owner", "say in listings that files belong to `OWNER[:GROUP]` (default ftp:ftp)", o.setOwner)
}

func (o *options) setBehaviour(list string) error {
	return o.turnOn(behaviours, list, "is no behaviour")
}

func (o *options) setCharset(name string) error {
	if err := host.CheckCharset(name); err != nil {
		return fmt.Errorf("%w; give one such as Windows-1252 or Shift_JIS", err)
	}
	o.config.Charset = name
	return nil
}

func (o *options) setListZone(name string) error {
	zone, err := time.LoadLocation(name)
	if err != nil {
		return fmt.Errorf("%q is no time zone such as Europe/Berlin, Local or UTC", name)
	}
	o.config.ListZone = zone
	return nil
}

func (o *options) setOwner(s string) error {
	owner, group, both := strings.Cut(s, ":")
	if !both {
		group = owner
	}
	for _, name := range []string{owner, group} {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return fmt.Errorf("%q is no OWNER or OWNER:GROUP of plain letters", s)
		}
	}
	o.config.Behaviour.Owner, o.config.Behaviour.Group = owner, group
	return nil
}
