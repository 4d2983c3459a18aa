package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"wasiftp/cmd/wasiftpd/admin"
)

func (p *program) reloadCommand() *cobra.Command {
	faults := false
	cmd := asking(p, &cobra.Command{
		Use:   "reload",
		Short: "Load all files again that have changed",
		Long: "reload has the server that runs load its configuration, users, certificates and tokens again where they have\n" +
			"changed, as SIGHUP does. It prints what counts now, and the faults of what stays as it was. With faults the\n" +
			"exit code is 1.",
		Args: atMost(0),
	}, &reach{within: time.Minute}, func(ctx context.Context, c *admin.Client, _ []string) (admin.Reload, error) {
		done, err := c.Reload(ctx)
		faults = len(done.Faults) > 0
		return done, err
	}, func(out *tabwriter.Writer, done admin.Reload) {
		for _, what := range done.Loaded {
			fmt.Fprintf(out, "loaded\t%s\n", shown(what))
		}
		for _, fault := range done.Faults {
			fmt.Fprintf(out, "fault\t%s\n", shown(fault))
		}
		if len(done.Loaded)+len(done.Faults) == 0 {
			fmt.Fprintln(out, "No file has changed since it was loaded.")
		}
	})
	ask := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := ask(cmd, args)
		if err == nil && faults {
			err = errFaults
		}
		return err
	}
	return cmd
}
