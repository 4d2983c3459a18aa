package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"wasiftp/cmd/wasiftpd/admin"
	"wasiftp/host"
)

func (p *program) serveCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve folders by FTP (what wasiftpd does without a command)",
		Long:  "serve serves folders by FTP.\n\n" + settingsHelp + "\n\n" + usersFormat,
		Args:  atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := p.configure(cmd.Flags(), &o)
			if err != nil {
				return err
			}
			return config.placed(p.serve(&o, config))
		},
	}
	newSettings(cmd.Flags(), &o)
	return cmd
}

// serve runs the server. config is the configuration file that o was read from, nil for none.
func (p *program) serve(o *options, config *configFile) (err error) {
	hangups := p.hangups()
	var upgradeSignals <-chan os.Signal
	if p.upgrades != nil {
		upgradeSignals = p.upgrades()
	}
	if p.ignoreSIGPIPE != nil {
		p.ignoreSIGPIPE()
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var reopens <-chan os.Signal
	if p.reopens != nil {
		reopens = p.reopens()
	}
	written, err := p.openLogs(o)
	if err != nil {
		return err
	}
	defer written.close()
	go written.reopen(ctx, reopens)
	logger := written.logger

	var manager *manager
	if p.manager != nil {
		if manager, err = p.manager(); err != nil {
			return err
		}
	}
	files := &follower{logger: logger, unwatched: map[string]bool{}, manager: manager, asks: make(chan chan admin.Reload)}
	files.outcome(false)
	roster, err := o.roster(ctx, files)
	if err != nil {
		return err
	}
	files.unlock = roster.locks.clear
	roster.quotas.joins = p.predecessor != nil
	if config != nil {
		config.follow(roster, files)
	}
	if err := o.readTLS(logger); err != nil {
		return err
	}
	files.all = append(files.all, o.tls.followed()...)
	steering, err := p.openSteering(o, files)
	defer steering.close()
	if err != nil {
		return err
	}
	proving, leave := context.WithCancel(ctx) // that hosts are ours, to the ACME server
	defer leave()
	listeners, launcher, err := p.open(proving, o, roster, files, written, steering.all())
	defer closeAll(listeners)
	defer launcher.close()
	if err != nil {
		return err
	}
	if o.tls.ours != nil {
		files.all = append(files.all, o.tls.ours)
	}
	repeated := newRepetitions(logger.Handler())
	defer repeated.close()
	public := &lookUps{program: p, logger: logger}
	public.setUp(ctx, o)
	if err := roster.hooks.open(o, roster.state, logger); err != nil {
		return err
	}
	defer roster.hooks.close(logger)
	steering.connect(roster, files, listeners, written)
	seen := observers{newObserver(slog.New(repeated))}
	if len(steering.all()) > 0 {
		seen = append(seen, steering.admin, steering.metrics)
	}
	if written.transfers != nil {
		seen = append(seen, written.transfers)
	}
	gathered := newGatherer(seen)
	hostLogger := slog.New(behindEvents{repeated, gathered})
	server, err := o.newServer(roster, hostLogger, gathered)
	if err != nil {
		return err
	}
	defer gathered.flush()
	kept := &keptBans{state: roster.state, book: server.Bans(), logger: logger}
	defer kept.close()
	defer roster.quotas.close()
	defer server.Close()
	if err := roster.quotas.ready(roster.current.Load(), o); err != nil {
		return err
	}
	kept.ready(o)
	p.raise(o, roster, files)
	interrupts := p.interrupts() // until now there was nothing to wait for
	if err := p.predecessor.relieve(); err != nil {
		return err
	}
	p.announce(o, roster.current.Load(), listeners)
	files.status = listeningOn(listeners)

	roster.revoke = server.Revoke
	roster.sweepAll()
	public.follow(ctx)
	if config != nil {
		config.reconfigure = func(next *options) error {
			if err := p.setUpTLS(ctx, next, logger); err != nil {
				return err
			}
			public.stop()
			defer public.follow(ctx)
			public.setUp(ctx, next)
			err := server.SetConfig(next.hostConfig(roster, hostLogger, gathered))
			if err != nil {
				public.setUp(ctx, roster.options.Load())
			}
			if err == nil {
				kept.ready(next)
				written.level.Set(next.log.level)
			}
			return err
		}
	}
	go files.follow(ctx, hangups)
	go new(memory).follow(ctx)
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		serve := server.Serve
		if l.implicit {
			serve = server.ServeTLS
		}
		go func() { ended <- fmt.Errorf("cannot go on listening on %v: %w", l.Addr(), serve(l.Listener)) }()
	}
	steering.begin(ctx, server, roster, logger)
	manager.ready(files.status)
	go manager.watch(ctx, server, logger)
	upgrades := &upgrades{launcher: launcher, logger: logger, launched: make(chan launched, 1)}
	over := make(chan error, 1)
	for {
		current := roster.options.Load() // a reload may have changed them
		limit := current.stopTimeout
		select {
		case err := <-ended:
			if errors.Is(err, host.ErrServerClosed) {
				continue // after an upgrade
			}
			return err
		case err := <-over:
			return err
		case <-upgradeSignals:
			upgrades.begin()
			continue
		case next := <-upgrades.launched:
			if upgrades.succeeds(next) {
				manager.replaced(next.pid)
				leave()
				steering.close()
				launcher.yield()
				go func() { over <- handOver(server, current.upgradeTimeout, logger) }()
			}
			continue
		case given := <-steering.drains:
			limit = cmp.Or(given, limit)
		case <-interrupts:
		}
		steering.enter(admin.Draining)
		manager.stopping(limit)
		return p.stop(limit, server, interrupts, logger)
	}
}

// handOver lets the sessions go on until they end or, if limit is not 0, for that time. Then
// it waits for their transfers.
func handOver(server *host.Server, limit time.Duration, logger *slog.Logger) error {
	ctx := context.Background()
	within, cancel := context.WithCancel(ctx)
	if limit > 0 {
		within, cancel = context.WithTimeout(ctx, limit)
	}
	defer cancel()
	if server.HandOver(within) == nil {
		return nil
	}
	logger.Info("sessions of before the upgrade end", "upgrade-timeout", limit.String())
	return server.Shutdown(ctx)
}

// stop lets running transfers finish, until another interrupt or for some time; 0 is for ever.
// Then it aborts them, and logs that.
func (p *program) stop(limit time.Duration, server *host.Server, interrupts <-chan os.Signal, logger *slog.Logger) error {
	ctx, within := context.Background(), ""
	if limit > 0 {
		limited, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		ctx, within = limited, fmt.Sprintf(", or after %v", limit)
	}
	drained := make(chan error, 1)
	go func() { drained <- server.Shutdown(ctx) }()
	p.say(fmt.Sprintf("Stopping when the running transfers are done%s; Ctrl-C again stops at once.\n", within))
	select {
	case err := <-drained:
		if errors.Is(err, context.DeadlineExceeded) {
			logger.Warn("transfers that took longer than --stop-timeout were aborted", "timeout", limit.String())
			return nil
		}
		return err
	case <-interrupts:
		logger.Info("transfers were aborted by a second signal")
		return server.Close()
	}
}

// say prints to stdout, but does not wait for ever: stdout may be the same pipe as the
// log, and its reader have stopped reading.
func (p *program) say(text string) {
	said := make(chan struct{})
	go func() {
		io.WriteString(p.stdout, text)
		close(said)
	}()
	select {
	case <-said:
	case <-time.After(flushTime):
	}
}

// hostConfig is the configuration of the server, but for what holds from its start on.
func (o *options) hostConfig(r *roster, logger *slog.Logger, seen host.Observer) host.Config {
	config := o.config
	config.Authenticator, config.Logger, config.Observer = r, logger, seen
	r.hooks.serve(&config)
	return config
}

func (o *options) newServer(r *roster, logger *slog.Logger, seen host.Observer) (*host.Server, error) {
	config := o.hostConfig(r, logger, seen)
	var err error
	if o.module != "" {
		if config.Module, err = os.ReadFile(o.module); err != nil {
			return nil, blame("module", o.module, fmt.Errorf("cannot read the module: %w; give another with --module", err))
		}
	}
	if config.CacheDir, err = openCache(o.cacheDir, logger); err != nil {
		logger.Warn("the compiled engine is not kept, so that each start takes longer; choose a folder with "+
			"--cache-dir", "err", err)
	}
	server, err := host.New(config)
	if err != nil && o.module != "" {
		err = blame("module", o.module, fmt.Errorf("cannot run the engine in %s: %w; give another with --module", o.module, err))
	}
	return server, err
}

// listener accepts control connections.
type listener struct {
	net.Listener
	implicit bool   // TLS comes before the greeting
	name     string // among inherited ones
}

// String is where the listener listens.
func (l listener) String() string {
	addr := l.Addr().String()
	if l.implicit {
		addr += " (TLS)"
	}
	return addr
}

// addresses are those of the listeners without implicit TLS.
func (o *options) addresses() []string {
	if len(o.listen)+len(o.tls.implicit) == 0 {
		return []string{"127.0.0.1:2121"}
	}
	return o.listen
}

// listenAll opens all listeners or none.
func (p *program) listenAll(o *options, logger *slog.Logger) (listeners []listener, err error) {
	if len(p.sockets) > 0 {
		return o.inherit(p.sockets, logger)
	}
	addrs := o.addresses()
	for i, addr := range slices.Concat(addrs, o.tls.implicit) {
		implicit := i >= len(addrs)
		key := "listen"
		if implicit {
			key = "implicit-listen"
		}
		l, err := p.listen(key, addr)
		if err != nil {
			closeAll(listeners)
			return nil, blame(key, addr, err)
		}
		l.implicit = implicit
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// listen opens a listener on addr, a value of the setting key, or takes the predecessor's.
func (p *program) listen(key, addr string) (listener, error) {
	name := inheritedName(key, addr)
	if f := p.predecessor.socket(name); f != nil {
		l, err := host.ListenFile(f)
		return listener{Listener: l, name: name}, err
	}
	network := "tcp"
	if host, _, _ := net.SplitHostPort(addr); host == net.IPv4zero.String() {
		network = "tcp4" // with "tcp" net would listen on the addresses of both families
	}
	l, err := host.Listen(network, addr)
	if err != nil {
		if op := (*net.OpError)(nil); errors.As(err, &op) {
			err = op.Err
		}
		return listener{}, fmt.Errorf("cannot listen on %s: %w; choose another address with --%s", addr, err, key)
	}
	return listener{Listener: l, name: name}, nil
}

// inheritedName is the name of the socket of a setting's value among inherited ones. It has no
// colon, which ends names.
func inheritedName(key, value string) string { return key + "=" + url.QueryEscape(value) }

func closeAll(listeners []listener) {
	for _, l := range listeners {
		l.Close()
	}
}
