package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"wasiftp/cmd/wasiftpd/admin"
)

func (p *program) drainCommand() *cobra.Command {
	var r reach
	var within time.Duration
	var leave bool
	cmd := &cobra.Command{
		Use:   "drain",
		Short: "Stop the server when its transfers are done",
		Long: "drain has the server that runs take no new sessions, and end when its transfers are done. It waits for that,\n" +
			"and tells what is left. The exit code is 0 once the server has ended. Ctrl-C ends only drain.",
		Args: atMost(0),
		RunE: func(*cobra.Command, []string) error { return p.drain(&r, within, leave) },
	}
	r.addTo(cmd.Flags())
	cmd.Flags().Func("for", "abort transfers after `TIME` (default that of --stop-timeout)",
		duration(&within, 1, "90s, 10m or 1h30m"))
	cmd.Flags().BoolVar(&leave, "no-wait", false, "return at once, with exit code 0")
	return cmd
}

// drain has the server end, and waits for that unless it is to leave.
func (p *program) drain(r *reach, within time.Duration, leave bool) error {
	c, err := p.dial(r)
	if err != nil {
		return err
	}
	limit := ""
	if within > 0 {
		limit = within.String()
	}
	ctx, stop := p.untilInterrupt()
	defer stop()
	first, err := answered(ctx, r, c.Status)
	if err != nil {
		return err
	}
	began, err := answered(ctx, r, func(ctx context.Context) (admin.Drain, error) { return c.Drain(ctx, limit) })
	if err == nil {
		err = show(p.stdout, r.json, began, func(out *tabwriter.Writer, d admin.Drain) {
			fmt.Fprintf(out, "The server takes no new sessions, and ends when its transfers are done.\n")
		})
	}
	if err != nil || leave {
		return err
	}
	say := func(text string) {
		if !r.json {
			fmt.Fprintln(p.stdout, text)
		}
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for told := ""; ; {
		status, err := answered(ctx, r, c.Status)
		switch {
		case ctx.Err() != nil:
			return errors.New("interrupted; the server goes on draining")
		case gone(err) || err == nil && !status.Began.Equal(first.Began): // another one has taken its place
			say("The server has ended.")
			return nil
		case err != nil:
			return err
		}
		left := fmt.Sprintf("%s, %s left", english.Plural(status.Sessions, "session", ""),
			english.Plural(status.Transfers, "transfer", ""))
		if left != told {
			say(left)
		}
		told = left
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// gone says whether an error means that nobody listens any more where a server has answered. The
// numbers are those of Windows.
func gone(err error) bool {
	return slices.ContainsFunc([]error{fs.ErrNotExist, io.EOF, io.ErrUnexpectedEOF, syscall.ECONNREFUSED, syscall.ECONNRESET,
		syscall.EPIPE, syscall.Errno(10054), syscall.Errno(10061)}, func(one error) bool { return errors.Is(err, one) })
}
