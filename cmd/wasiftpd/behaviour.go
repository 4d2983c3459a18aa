package main

import (
	"fmt"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // for machines without zones of their own

	"github.com/spf13/pflag"

	"wasiftp/host"
)

// behaviours are the words of --behaviour: those of the engine, and one that the host
// obeys.
func (o *options) behaviours() []host.Switch {
	return append(o.config.Behaviour.Switches(), host.Switch{Name: "follow-links",
		Text: "links are listed as what they lead to", On: &o.config.FollowLinks})
}

func (o *options) addBehaviourTo(f *pflag.FlagSet) {
	does := "where servers differ and some client minds, do as `WORDS` say,\nseparated by commas; repeatable:"
	f.Func("behaviour", wordsHelp(does, o.behaviours()), turnOn(o.behaviours(), "is no behaviour"))
	f.Func("allow", wordsHelp("turn on what `WORDS` say, separated by commas; repeatable:", o.config.Allow.Switches()),
		turnOn(o.config.Allow.Switches(), "can't be allowed"))
	f.Func("charset", "names of files are UTF-8 here, and `NAME` for clients that don't say\nOPTS UTF8 ON, as in "+
		"Windows-1252 or Shift_JIS (default as they are)", o.setCharset)
	f.Func("list-time-zone", "the times of LIST are those of `ZONE`, as in Europe/Berlin, or of\nthis machine's "+
		"when Local (default UTC)", o.setListZone)
	f.Func("owner", "say in listings that files belong to `OWNER[:GROUP]` (default ftp:ftp)", o.setOwner)
}

func (o *options) setCharset(name string) error {
	o.config.Charset = name
	return checkCharset(name)
}

func checkCharset(name string) error {
	if err := host.CheckCharset(name); err != nil {
		return fmt.Errorf("%w; give one such as Windows-1252 or Shift_JIS", err)
	}
	return nil
}

func (o *options) setListZone(name string) (err error) {
	o.config.ListZone, err = zoneOf(name)
	return err
}

// zones are those that were asked for: to load one takes longer than all else of a file.
var zones sync.Map

func zoneOf(name string) (*time.Location, error) {
	if known, ok := zones.Load(name); ok {
		return known.(*time.Location), nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no time zone such as Europe/Berlin, Local or UTC", name)
	}
	zones.Store(name, zone)
	return zone, nil
}

func (o *options) setOwner(s string) (err error) {
	o.config.Behaviour.Owner, o.config.Behaviour.Group, err = parseOwner(s)
	return err
}

// parseOwner reads OWNER[:GROUP].
func parseOwner(s string) (owner, group string, err error) {
	owner, group, both := strings.Cut(s, ":")
	if !both {
		group = owner
	}
	for _, name := range []string{owner, group} {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return "", "", fmt.Errorf("%q is no OWNER or OWNER:GROUP of plain letters", s)
		}
	}
	return owner, group, nil
}
