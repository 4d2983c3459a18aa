package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"wasiftp/host/bans"
)

// usualBan is the default of --ban-after: an office behind one address may mistype more
// often than one user.
var usualBan = bans.Policy{After: 20, Window: time.Minute}

func (o *options) addBansTo(f *pflag.FlagSet) {
	p := &o.config.Bans
	p.After, p.Window = usualBan.After, usualBan.Window
	f.Func("allow-from", "take connections from `NETWORKS` only, as in 192.0.2.0/24 or\n2001:db8::1, separated by commas; "+
		"repeatable (default all)", networksTo(&p.Allow))
	f.Func("deny-from", "take none from `NETWORKS`, even if --allow-from has them; repeatable", networksTo(&p.Deny))
	f.Func("ban-after", "ban an address when more than N logins from it have failed within\nTIME, as `N/TIME|off` says; "+
		"before that they take ever longer.\nAddresses of this machine are banned for a minute at most\n(default 20/1m)", o.setBanAfter)
	f.Func("ban-time", "the first ban of an address lasts `TIME`, and each further one twice\nas long, up to a day (default 10m)",
		duration(&p.Time, 1, "90s, 10m or 1h30m"))
	f.Func("max-connection-rate", "at most `N` connections a second of a client address; 0 is no limit\n(default 0)", count(&p.Rate))
}

// networksTo reads networks and appends them to target.
func networksTo(target *[]netip.Prefix) func(string) error {
	return func(s string) error {
		for text := range strings.SplitSeq(s, ",") {
			network, ok := bans.ParseNetwork(strings.TrimSpace(text))
			if !ok {
				return fmt.Errorf("%q is no network such as 192.0.2.0/24, and no address such as 192.0.2.7", text)
			}
			*target = append(*target, network)
		}
		return nil
	}
}

func (o *options) setBanAfter(s string) error {
	p := &o.config.Bans
	if s == "off" {
		p.After = 0
		return nil
	}
	number, length, _ := strings.Cut(s, "/")
	n, err := strconv.ParseUint(number, 10, 20)
	within, wrong := time.ParseDuration(length)
	if err != nil || wrong != nil || n == 0 || within <= 0 {
		return fmt.Errorf("%q is no N/TIME such as 20/1m, and not off", s)
	}
	p.After, p.Window = int(n), within
	return nil
}
