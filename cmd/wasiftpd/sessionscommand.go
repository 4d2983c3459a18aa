package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"wasiftp/cmd/wasiftpd/admin"
)

func (p *program) sessionsCommand() *cobra.Command {
	var r reach
	var watch bool
	cmd := asking(p, &cobra.Command{
		Use:   "sessions",
		Short: "List the sessions: who is on, and what they do",
		Long: "sessions lists the sessions of the server that runs. Names that a terminal could obey are quoted. With --watch\n" +
			"it does so each second until Ctrl-C, with rates, and ends with exit code 1 if the server does.",
		Args: atMost(0),
	}, &r, func(ctx context.Context, c *admin.Client, _ []string) ([]admin.Session, error) {
		return c.Sessions(ctx)
	}, tellSessions)
	once := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if watch {
			return p.watchSessions(&r)
		}
		return once(cmd, args)
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "list them each second")
	return cmd
}

func tellSessions(out *tabwriter.Writer, all []admin.Session) {
	tellSessionsAt(out, all, func(admin.Session) string { return "" })
}

// tellSessionsAt writes a table of sessions. rate tells how fast one moves bytes, "" if it does not.
func tellSessionsAt(out *tabwriter.Writer, all []admin.Session, rate func(admin.Session) string) {
	if len(all) == 0 {
		fmt.Fprintln(out, "There is no session.")
		return
	}
	rows := [][]string{{"ID", "USER", "CLIENT", "HOST", "TLS", "FOR", "SENT", "RECEIVED", "RATE", "PROGRAM", "DOING", "BYTES",
		"PATH"}}
	for _, s := range all {
		bytes := ""
		if s.Bytes > 0 {
			bytes = bytesText(s.Bytes)
		}
		rows = append(rows, []string{strconv.FormatUint(s.ID, 10), s.User, s.Client, s.Host, s.TLS, lasting(time.Since(s.Began)),
			bytesText(s.Sent), bytesText(s.Received), rate(s), s.Program, s.Doing, bytes, s.Path})
	}
	table(out, rows)
}

// watchSessions lists the sessions each second, until an interrupt or the server's end. On a
// terminal each list takes the place of the one before.
func (p *program) watchSessions(r *reach) error {
	c, err := p.dial(r)
	if err != nil {
		return err
	}
	ctx, stop := p.untilInterrupt()
	defer stop()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	var before map[uint64]int64 // bytes of each session
	var at time.Time
	for {
		all, err := answered(ctx, r, c.Sessions)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, admin.ErrUnreachable) && before != nil:
			return fmt.Errorf("the server has ended: %w", err)
		case err != nil:
			return err
		}
		seconds := time.Since(at).Seconds()
		at = time.Now()
		now := map[uint64]int64{}
		for _, s := range all {
			now[s.ID] = s.Sent + s.Received
		}
		rate := func(s admin.Session) string {
			if moved := now[s.ID] - before[s.ID]; moved > 0 && before != nil {
				return bytesText(int64(float64(moved)/seconds)) + "/s"
			}
			return ""
		}
		var list bytes.Buffer
		err = show(&list, r.json, all, func(out *tabwriter.Writer, all []admin.Session) { tellSessionsAt(out, all, rate) })
		before = now
		if err == nil {
			err = p.redraw(list.String(), r.json)
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// redraw writes a list in the place of the one before, as much of it as the terminal has room
// for. What is no terminal gets all of it.
func (p *program) redraw(list string, asJSON bool) error {
	fd, ok := terminal(p.stdout)
	width, height, err := 0, 0, error(nil)
	if ok {
		width, height, err = term.GetSize(fd)
	}
	if !ok || err != nil || asJSON || runtime.GOOS == "windows" { // whose older terminals know no escape sequences
		_, err = fmt.Fprintln(p.stdout, list) // and an empty line
		return err
	}
	rows := strings.Split(strings.TrimSuffix(list, "\n"), "\n")
	if room := max(height-1, 2); len(rows) > room {
		rows = append(rows[:room-1], fmt.Sprintf("… and %d more", len(rows)-room+1))
	}
	for n, row := range rows {
		if letters := []rune(row); len(letters) > width && width > 0 {
			rows[n] = string(letters[:width])
		}
	}
	_, err = fmt.Fprint(p.stdout, "\x1b[H\x1b[2J", strings.Join(rows, "\n"), "\n")
	return err
}

func (p *program) kickCommand() *cobra.Command {
	var reason string
	cmd := asking(p, &cobra.Command{
		Use:   "kick ID",
		Short: "End a session",
		Long:  "kick ends a session of the server that runs. wasiftpd sessions lists their IDs.",
		Args:  oneArgument,
	}, new(reach), func(ctx context.Context, c *admin.Client, args []string) (admin.Session, error) {
		s, err := c.Kick(ctx, args[0], reason)
		if refused := (*admin.Refused)(nil); errors.As(err, &refused) && refused.Status == http.StatusNotFound {
			err = fmt.Errorf("%w; wasiftpd sessions lists those that there are", err)
		}
		return s, err
	}, func(out *tabwriter.Writer, s admin.Session) {
		who := "nobody who has logged in"
		if s.User != "" {
			who = shown(s.User)
		}
		fmt.Fprintf(out, "Session %d of %s at %s is ended.\n", s.ID, who, s.Client)
	})
	cmd.Flags().StringVar(&reason, "reason", "", "tell the client `TEXT` (default a usual one)")
	return cmd
}
