package main

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"wasiftp/cmd/wasiftpd/admin"
)

func (p *program) usersCommand() *cobra.Command {
	cmd := asking(p, &cobra.Command{
		Use:   "users",
		Short: "List the users, keep one out or let him in again",
		Long: "users lists the users that the server knows by itself; those of --auth-http, --auth-ldap and the like are not\n" +
			"among them.",
		Args: atMost(0),
	}, new(reach), func(ctx context.Context, c *admin.Client, _ []string) ([]admin.User, error) {
		return c.Users(ctx)
	}, func(out *tabwriter.Writer, all []admin.User) {
		rows := [][]string{{"USER", "RIGHTS", "LOCKED", "SESSIONS", "FOLDER"}}
		for _, u := range all {
			locked := ""
			if u.Locked {
				locked = "locked"
			}
			rows = append(rows, []string{u.Name, u.Rights, locked, strconv.Itoa(u.Sessions), u.Root})
		}
		table(out, rows)
	})
	cmd.AddCommand(
		p.lockCommand(true, &cobra.Command{
			Use: "lock NAME", Short: "Keep a user out until the next reload, and end his sessions when they are idle", Args: oneArgument,
			Long: "lock keeps a user out until the next wasiftpd reload or SIGHUP, also one of --auth-http, --auth-ldap and the\n" +
				"like. His sessions end as soon as they are idle.",
		}),
		p.lockCommand(false, &cobra.Command{
			Use: "unlock NAME", Short: "Let a user in again whom lock keeps out", Args: oneArgument,
			Long: "unlock lets a user in again whom wasiftpd users lock keeps out.",
		}))
	return cmd
}

// locking is the answer to lock and unlock, and a note if the user may be a slip of the fingers.
type locking struct {
	admin.Lock
	note string
}

func (p *program) lockCommand(locked bool, cmd *cobra.Command) *cobra.Command {
	return asking(p, cmd, new(reach), func(ctx context.Context, c *admin.Client, args []string) (l locking, err error) {
		if l.Lock, err = c.Lock(ctx, args[0], locked); err != nil {
			return l, err
		}
		all, err := c.Users(ctx)
		known := map[string]bool{}
		for _, u := range all {
			known[u.Name] = true
		}
		if !known[l.User] {
			l.note = fmt.Sprintf(" The server lists no such user%s", cmp.Or(didYouMean(nearest(l.User, known)), "."))
		}
		return l, err
	}, func(out *tabwriter.Writer, l locking) {
		state := "locked"
		if !l.Locked {
			state = "not locked"
		}
		if !l.Changed {
			state += ", as before"
		}
		fmt.Fprintf(out, "%s is %s.%s\n", shown(l.User), state, l.note)
	})
}
