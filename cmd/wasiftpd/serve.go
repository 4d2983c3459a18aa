package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"wasiftp/host"
)

func (p *program) serveCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve folders by FTP (what wasiftpd does without a command)",
		Long:  "serve serves folders by FTP.\n\n" + usersFormat,
		Args:  atMost(0),
		RunE:  func(*cobra.Command, []string) error { return p.serve(&o) },
	}
	o.addTo(cmd.Flags())
	return cmd
}

func (p *program) serve(o *options) (err error) {
	interrupts := p.interrupts()
	logger := newLogger(p.stderr, o.logFormat)

	accounts, err := o.open()
	if err != nil {
		return err
	}
	defer accounts.close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := p.setUpTLS(ctx, o, logger); err != nil {
		return err
	}
	listeners, err := o.listenAll()
	if err != nil {
		return err
	}
	defer closeAll(listeners)
	server, err := o.newServer(accounts, logger)
	if err != nil {
		return err
	}
	defer server.Close()

	p.announce(o, accounts, listeners)
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		serve := server.Serve
		if l.implicit {
			serve = server.ServeTLS
		}
		go func() { ended <- serve(l) }()
	}
	select {
	case err := <-ended:
		return fmt.Errorf("cannot go on listening: %w", err)
	case <-interrupts:
	}

	fmt.Fprintln(p.stdout, "Stopping when the running transfers are done; Ctrl-C again stops at once.")
	drained := make(chan error, 1)
	go func() { drained <- server.Shutdown(context.Background()) }()
	select {
	case err := <-drained:
		return err
	case <-interrupts:
		return server.Close()
	}
}

func (o *options) newServer(a *accounts, logger *slog.Logger) (*host.Server, error) {
	config := o.config
	config.Authenticator, config.Observer, config.Logger = a, observer{logger}, logger
	var err error
	if o.module != "" {
		if config.Module, err = os.ReadFile(o.module); err != nil {
			return nil, fmt.Errorf("cannot read the module: %w; give another with --module", err)
		}
	}
	if config.CacheDir, err = openCache(o.cacheDir); err != nil {
		logger.Warn("the compiled engine is not kept, so that each start takes longer", "err", err)
	}
	server, err := host.New(config)
	if err != nil && o.module != "" {
		err = fmt.Errorf("cannot run the engine in %s: %w; give another with --module", o.module, err)
	}
	return server, err
}

// listener is one that clients reach us by.
type listener struct {
	net.Listener
	implicit bool // TLS comes before the greeting
}

// listenAll opens all listeners or none.
func (o *options) listenAll() (listeners []listener, err error) {
	addrs := o.listen
	if len(addrs) == 0 && len(o.tls.implicit) == 0 {
		addrs = []string{"127.0.0.1:2121"}
	}
	for i, addr := range slices.Concat(addrs, o.tls.implicit) {
		implicit := i >= len(addrs)
		flag := "--listen"
		if implicit {
			flag = "--implicit-listen"
		}
		l, err := listen(addr, flag)
		if err != nil {
			closeAll(listeners)
			return nil, err
		}
		listeners = append(listeners, listener{l, implicit})
	}
	return listeners, nil
}

// listen opens a listener on addr, which flag gave.
func listen(addr, flag string) (net.Listener, error) {
	network := "tcp"
	if host, _, _ := net.SplitHostPort(addr); host == net.IPv4zero.String() {
		network = "tcp4" // net would take it for all addresses of both families
	}
	var config net.ListenConfig
	config.SetMultipathTCP(false) // its connections do not tell the zone of a link-local address
	l, err := config.Listen(context.Background(), network, addr)
	if err != nil {
		if op := (*net.OpError)(nil); errors.As(err, &op) {
			err = op.Err
		}
		return nil, fmt.Errorf("cannot listen on %s: %w; choose another address with %s", addr, err, flag)
	}
	return l, nil
}

func closeAll(listeners []listener) {
	for _, l := range listeners {
		l.Close()
	}
}
