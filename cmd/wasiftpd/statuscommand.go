package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"wasiftp/cmd/wasiftpd/admin"
)

// overview is what wasiftpd status tells. Its JSON is that of the status.
type overview struct {
	admin.Status
	health admin.Health
	now    admin.Point // the latest rates
}

func (p *program) statusCommand() *cobra.Command {
	return asking(p, &cobra.Command{
		Use:   "status",
		Short: "Tell how the server is: sessions, rates, certificates, disks",
		Long: "status asks the server that runs how it is, and whether it takes new sessions. The exit code is 0 when it\n" +
			"answers, whatever it says.",
		Args: atMost(0),
	}, new(reach), func(ctx context.Context, c *admin.Client, _ []string) (o overview, err error) {
		if o.Status, err = c.Status(ctx); err != nil {
			return o, err
		}
		if o.health, err = c.Health(ctx); err != nil {
			return o, err
		}
		rates, err := c.Rates(ctx)
		if n := len(rates.Points); n > 0 {
			o.now = rates.Points[n-1]
		}
		return o, err
	}, tellStatus)
}

func tellStatus(out *tabwriter.Writer, o overview) {
	fmt.Fprintf(out, "wasiftpd %s on %s, process %d\n", o.Version, shown(o.Name), o.PID)
	began := o.Began.Local().Truncate(time.Second)
	fmt.Fprintf(out, "state\t%s since %s, for %s\n", o.State, began.Format(time.RFC3339), lasting(time.Since(began)))
	if o.health.Ready {
		fmt.Fprintf(out, "ready\tyes\n")
	} else {
		fmt.Fprintf(out, "ready\tno: %s\n", shown(strings.Join(o.health.Reasons, "; ")))
	}
	lines(out, "listening", o.Listeners, func(l string) string { return shown(l) })
	fmt.Fprintf(out, "sessions\t%d, %d of them logged in, %s\n", o.Sessions, o.LoggedIn, english.Plural(o.Transfers, "transfer", ""))
	fmt.Fprintf(out, "sent\t%s, now %s/s\n", bytesText(o.Sent), bytesText(int64(o.now.Sent)))
	fmt.Fprintf(out, "received\t%s, now %s/s\n", bytesText(o.Received), bytesText(int64(o.now.Received)))
	fmt.Fprintf(out, "bans\t%d\n", o.Bans)
	lines(out, "certificate", o.Certificates, func(c admin.Certificate) string {
		left := english.Plural(c.Days, "day", "") + " left"
		if time.Now().After(c.Until) {
			left = "expired"
		}
		return fmt.Sprintf("%s: %s, until %s", shown(strings.Join(c.Names, ", ")), left, c.Until.Local().Format(time.DateOnly))
	})
	lines(out, "disk", o.Disks, func(d admin.Disk) string {
		if d.Error != "" {
			return shown(d.Folder) + ": " + shown(d.Error)
		}
		return fmt.Sprintf("%s: %s free", shown(d.Folder), bytesText(d.Free))
	})
}

// lines writes a line for each thing, the first of which has the label.
func lines[T any](out io.Writer, label string, things []T, text func(T) string) {
	for _, one := range things {
		fmt.Fprintf(out, "%s\t%s\n", label, text(one))
		label = ""
	}
}
