package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"wasiftp/cmd/wasiftpd/admin"
	"wasiftp/host/bans"
	"wasiftp/host/bans/banstore"
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
		"before that they take ever longer.\nAddresses of this machine are banned for a minute at most. If given,\n"+
		"bans are kept in --state-dir over restarts (default 20/1m)", o.setBanAfter)
	f.Func("ban-time", "the first ban of an address lasts `TIME`, and each further one twice\nas long, up to a day (default 10m)",
		duration(&p.Time, 1, "90s, 10m or 1h30m"))
	f.Func("max-connection-rate", "at most `N` connections a second of a client address; 0 is no limit\n(default 0)", count(&p.Rate))
}

// networksTo reads networks and appends them to target.
func networksTo(target *[]netip.Prefix) func(string) error {
	return func(s string) error {
		for text := range strings.SplitSeq(s, ",") {
			network, err := admin.ParseNetwork(strings.TrimSpace(text))
			if err != nil {
				return err
			}
			*target = append(*target, network)
		}
		return nil
	}
}

func (o *options) setBanAfter(s string) error {
	p := &o.config.Bans
	if o.keepsBans = s != "off"; !o.keepsBans {
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

// keptBans are the bans of a server as they outlive it.
type keptBans struct {
	state  *state
	book   *bans.Book
	logger *slog.Logger

	mu    sync.Mutex
	store *banstore.Store // nil until options ask for it
}

// ready opens the store of bans if o asks for it. A fault is logged: the server bans all the
// same, and must not be kept down by a disk.
func (k *keptBans) ready(o *options) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !o.keepsBans || k.store != nil {
		return
	}
	dir, err := k.state.open()
	if err == nil {
		k.store, err = banstore.Open(dir, k.book, func(err error) { k.logger.Error("bans", "err", err) })
	}
	if err != nil {
		k.logger.Error("bans end with the server", "err", err)
	}
}

func (k *keptBans) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.store != nil {
		if err := k.store.Close(); err != nil {
			k.logger.Error("bans", "err", err)
		}
	}
}

func (p *program) bansCommand() *cobra.Command {
	k := kept{reach: &reach{}}
	lasts := admin.BanTime
	cmd := &cobra.Command{Use: "bans", Short: "List bans, begin or end them", Args: atMost(0),
		Long: "bans lists the networks that the server has banned, and until when. The commands below end and begin bans.\n\n" +
			keptHelp,
		RunE: func(*cobra.Command, []string) error { return p.listBans(&k) }}
	k.addTo(cmd.PersistentFlags())
	ends := &cobra.Command{Use: "clear ADDRESS|NETWORK|all", Short: "End the bans of an address, a network, or all",
		Args: oneArgument, Long: "clear ends the bans of a network, of its parts, and of those that it is a part of.\n\n" + keptHelp,
		RunE: func(_ *cobra.Command, args []string) error { return p.clearBans(&k, args[0]) }}
	begins := &cobra.Command{Use: "add ADDRESS|NETWORK", Short: "Ban an address or a network", Args: oneArgument,
		Long: "add bans an address or a network. Sessions that are there stay.\n\n" + keptHelp,
		RunE: func(_ *cobra.Command, args []string) error { return p.addBan(&k, args[0], lasts) }}
	begins.Flags().Func("for", "ban it for `TIME` (default 24h)", duration(&lasts, 1, "90s, 10m or 1h30m"))
	cmd.AddCommand(ends, begins)
	return cmd
}

func oneArgument(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usageError{fmt.Errorf("an argument is missing; see %s --help", cmd.CommandPath())}
	}
	return atMost(1)(cmd, args)
}

func (p *program) listBans(k *kept) error {
	list, err := keptBy(p, k, (*admin.Client).Bans, storedBans)
	if err != nil {
		return err
	}
	return show(p.stdout, k.json, list, func(out *tabwriter.Writer, list []admin.Ban) {
		for _, b := range list {
			why := "by hand"
			if b.Failures > 0 {
				why = fmt.Sprintf("%d failures, ban %d", b.Failures, b.Nth)
			}
			if b.Refused > 0 {
				why += fmt.Sprintf(", %d refused since", b.Refused)
			}
			fmt.Fprintf(out, "%s\tuntil %s\t%s\n", b.Network, b.Until.Format(time.RFC3339), why)
		}
	})
}

// storedBans are the bans in a state folder.
func storedBans(given string) ([]admin.Ban, error) {
	list, err := openKept(given, "no server keeps bans", banstore.List)
	all := []admin.Ban{}
	for _, b := range list {
		all = append(all, admin.BanOf(b))
	}
	return all, err
}

func (p *program) clearBans(k *kept, text string) error {
	networks, err := admin.ParseNetworks(text)
	if err != nil {
		return usageError{err}
	}
	ended, err := keptBy(p, k, func(c *admin.Client, ctx context.Context) (admin.Ended, error) {
		return c.Unban(ctx, text)
	}, func(given string) (sum admin.Ended, err error) {
		dir, err := stateDir(given, slog.New(slog.DiscardHandler))
		if err != nil {
			return sum, err
		}
		for _, network := range networks {
			ended, err := banstore.Clear(dir, network)
			if err != nil {
				return sum, err
			}
			sum.Ended += ended
		}
		return sum, nil
	})
	if err != nil {
		return err
	}
	return show(p.stdout, k.json, ended, func(out *tabwriter.Writer, e admin.Ended) {
		fmt.Fprintf(out, "bans ended: %d\n", e.Ended)
	})
}

func (p *program) addBan(k *kept, text string, lasts time.Duration) error {
	network, err := admin.ParseNetwork(text)
	if err != nil {
		return usageError{err}
	}
	list, err := keptBy(p, k, func(c *admin.Client, ctx context.Context) ([]admin.Ban, error) {
		return c.Ban(ctx, network.String(), lasts)
	}, func(given string) ([]admin.Ban, error) {
		dir, err := stateDir(given, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		if err := banstore.Add(dir, network, lasts); err != nil {
			return nil, err
		}
		return storedBans(dir)
	})
	if err != nil || !k.json {
		return err
	}
	return show(p.stdout, true, list, nil)
}
