package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"time"

	"github.com/spf13/cobra"
)

func (p *program) healthCommand() *cobra.Command {
	var o options
	within := 5 * time.Second
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask the running server whether it takes new sessions",
		Long: "health takes the flags of serve, connects to each address that the server listens on, and waits for its\n" +
			"greeting. It exits with code 0 if all greet, and else says which does not, and exits with code 1. That is\n" +
			"what a container asks for its health. Port 0, any port, can't be asked. wasiftpd status, and /readyz of\n" +
			"--admin-listen, also tell whether the server drains, and whether its sources of accounts answer.\n\n" + settingsHelp,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := p.configure(cmd.Flags(), &o); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(context.Background(), within)
			defer cancel()
			return o.askAll(ctx)
		},
	}
	newSettings(cmd.Flags(), &o)
	cmd.Flags().Func("within", "wait at most `TIME` for all greetings (default 5s)", duration(&within, 1, "5s or 1m"))
	return cmd
}

// askAll asks all addresses of the server for a greeting.
func (o *options) askAll(ctx context.Context) error {
	var faults []error
	for _, addr := range o.addresses() {
		if err := ask(ctx, addr, false); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", addr, err))
		}
	}
	for _, addr := range o.tls.implicit {
		if err := ask(ctx, addr, true); err != nil {
			faults = append(faults, fmt.Errorf("%s, by TLS: %w", addr, err))
		}
	}
	return errors.Join(faults...)
}

// ask connects to the server that listens on addr, by this machine's own address if that is
// every address, and waits for its greeting, code 220.
func ask(ctx context.Context, addr string, implicit bool) error {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("no connection: %w; does the server run?", err)
	}
	defer c.Close()
	if until, ok := ctx.Deadline(); ok {
		c.SetDeadline(until)
	}
	if implicit {
		// The certificate is for the names that clients use, and nothing secret is sent.
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	control := textproto.NewConn(c)
	if _, _, err := control.ReadResponse(220); err != nil {
		return fmt.Errorf("connected, but there was no greeting with code 220: %w", err)
	}
	if err := control.PrintfLine("QUIT"); err != nil {
		return fmt.Errorf("greeted, but it has hung up: %w", err)
	}
	control.ReadResponse(221) // so that the server has no broken session to log
	return nil
}
