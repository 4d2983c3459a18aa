package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"wasiftp/host/events"
)

// keptEvents say where events are kept: in a folder, or in that of a configuration file. Both
// are "" for the usual folder.
type keptEvents struct{ state, config string }

func (p *program) hooksCommand() *cobra.Command {
	var k keptEvents
	cmd := &cobra.Command{Use: "hooks", Short: "Show, retry or drop the events that hooks have not been told of yet",
		Long: "hooks prints how many events are kept for each hook with wait = false, since when, and why. A server may\n" +
			"run meanwhile.",
		Args: atMost(0), RunE: func(*cobra.Command, []string) error { return p.showHooks(k) }}
	retries := &cobra.Command{Use: "retry HOOK", Short: "Have the events of a hook told now", Args: cobra.ExactArgs(1),
		Long: "retry ends the pauses between tries to tell a hook. A running server tries within five seconds.",
		RunE: func(_ *cobra.Command, names []string) error {
			return p.withSpool(k, func(s *events.FolderSpool) error {
				err := s.Hurry(context.Background(), names[0])
				if err == nil {
					_, err = fmt.Fprintln(p.stdout, "A running server tries within five seconds.")
				}
				return err
			}, names...)
		}}
	drops := &cobra.Command{Use: "drop HOOK", Short: "Forget the events of a hook", Args: cobra.ExactArgs(1),
		Long: "drop forgets all events that are kept for a hook. One that is being told may still arrive.",
		RunE: func(_ *cobra.Command, names []string) error {
			return p.withSpool(k, func(s *events.FolderSpool) error {
				dropped, err := s.Drop(context.Background(), names[0])
				if err == nil {
					_, err = fmt.Fprintf(p.stdout, "%d events dropped\n", dropped)
				}
				return err
			}, names...)
		}}
	f := cmd.PersistentFlags()
	f.StringVar(&k.state, "state-dir", "", "the folder `DIR` of serve --state-dir (default that of --config, else the\nusual one)")
	f.StringVar(&k.config, configFlag, "", ofConfigHelp)
	cmd.AddCommand(retries, drops)
	return cmd
}

// withSpool opens the spool, which must have events for the hooks that are named.
func (p *program) withSpool(k keptEvents, work func(*events.FolderSpool) error, names ...string) error {
	if k.state == "" {
		own, err := p.readOwn(k.config)
		if err != nil {
			return err
		}
		k.state = own.options.stateDir
	}
	spool, err := openKept(k.state, "no event was kept", events.OpenKept)
	if err != nil {
		return err
	}
	defer spool.Close()
	if len(names) > 0 {
		kept, err := spool.Backlogs(context.Background())
		if err != nil {
			return err
		}
		known := map[string]bool{}
		for _, b := range kept {
			known[b.Hook] = true
		}
		for _, name := range names {
			if !known[name] {
				return usageError{fmt.Errorf("no event is kept for a hook %q; those with events are: %s", name,
					cmp.Or(strings.Join(slices.Sorted(maps.Keys(known)), ", "), "none"))}
			}
		}
	}
	return work(spool)
}

func (p *program) showHooks(k keptEvents) error {
	return p.withSpool(k, func(s *events.FolderSpool) error {
		kept, err := s.Backlogs(context.Background())
		if err != nil {
			return err
		}
		out := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		for _, b := range kept {
			note := "being told"
			if b.Failed > 0 {
				note = fmt.Sprintf("fails: %q", strings.TrimSpace(b.Error))
			}
			fmt.Fprintf(out, "%s\t%d events\t%d users\tsince %s\t%s\n", b.Hook, b.Events, b.Users, b.Oldest.Format(time.RFC3339), note)
		}
		if len(kept) == 0 {
			fmt.Fprintln(out, "All events were told.")
		}
		return out.Flush()
	})
}
