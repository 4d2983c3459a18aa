package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
)

// open opens the ports, becomes the user of --run-as if one is given, and sets TLS up. It
// returns the listeners that it has opened and the launcher of processes that take over, after
// a fault too, for the caller to close.
func (p *program) open(
	ctx context.Context, o *options, r *roster, files *follower, written *logs, steering []listener,
) (listeners []listener, launcher *launcher, err error) {
	if o.runAs != "" {
		listeners, launcher, err = p.leaveRoot(o, r, files, written, steering)
		if err == nil {
			err = p.setUpTLS(ctx, o, files.logger)
		}
		return listeners, launcher, err
	}
	if p.root {
		files.logger.Warn("the server stays root; give it a user with --run-as")
	}
	if err := p.setUpTLS(ctx, o, files.logger); err != nil {
		return nil, nil, err
	}
	if listeners, err = p.listenAll(o, files.logger); err == nil {
		launcher = p.launch(listeners, steering)
	}
	return listeners, launcher, err
}

// launch starts the launcher, which has all sockets.
func (p *program) launch(sockets ...[]listener) *launcher {
	if p.launcher == nil {
		return nil
	}
	return p.launcher(p.environment, slices.Concat(sockets...))
}

// leaveRoot does what only root may, and then becomes the user of --run-as. It checks the
// folders last: a thread that hangs in a folder could not change its user.
func (p *program) leaveRoot(
	o *options, r *roster, files *follower, written *logs, steering []listener,
) (listeners []listener, launcher *launcher, err error) {
	user, err := parseIdentity(o.runAs)
	if err != nil {
		return nil, nil, usageError{blame("run-as", o.runAs, fmt.Errorf("--run-as: %w", err))}
	}
	if os.Geteuid() != 0 {
		return nil, nil, blame("run-as", o.runAs,
			errors.New("only root can become another user; start it as root, or without --run-as"))
	}
	if listeners, err = p.listenAll(o, files.logger); err != nil {
		return nil, nil, err
	}
	steps := []func() error{
		func() error { return p.openChallenges(&o.tls, files.logger) },
		func() error { launcher = p.launch(listeners, steering, o.tls.challenges); return nil },
		func() error { user.entrustAll(o, files.logger); user.entrustLogs(written); return nil },
		func() error { return user.become(files.logger) },
		func() error { return o.checkPassivePorts() },
		func() error { return r.checkFolders(files.logger) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return listeners, launcher, err
		}
	}
	files.warnUnreadable(user.name)
	return listeners, launcher, nil
}

// entrustAll makes the user the owner of the folders for our files. It only warns if it
// can't: the server may do without, which shows when the folder is first used.
func (id *identity) entrustAll(o *options, logger *slog.Logger) {
	for _, folder := range []struct {
		needed bool
		given  string
		usual  []place
		flag   string
	}{
		{o.cacheDir != "off", o.cacheDir, usualCaches(), "--cache-dir"},
		{o.needsState(), o.stateDir, usualStates(), "--state-dir"},
		{o.tls.own == "self-signed" || len(o.tls.acme) > 0, o.tls.dir, o.tls.usual(), "--tls-dir"},
	} {
		dir, given := folder.given, folder.given != ""
		if !given && len(folder.usual) > 1 {
			dir = folder.usual[1].dir // the first is in root's home
		}
		if !folder.needed || dir == "" {
			continue
		}
		if err := id.entrust(dir, given, logger); err != nil {
			logger.Warn("the folder of "+folder.flag+" can't be given to the user of --run-as", "dir", dir, "user", id.name, "err", err)
		}
	}
}

// entrustLogs makes the user the owner of the files of logs that we have made.
func (id *identity) entrustLogs(written *logs) {
	for _, file := range written.files {
		if err := file.entrust(id.uid, id.gid); err != nil {
			written.logger.Warn("a log can't be given to the user of --run-as", "file", file.path, "user", id.name, "err", err)
		}
	}
}

// checkPassivePorts returns an error if the process has no right to open the lowest
// passive port.
func (o *options) checkPassivePorts() error {
	first := o.config.Passive.FirstPort
	if first == 0 {
		return nil
	}
	l, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(int(first))))
	if errors.Is(err, fs.ErrPermission) {
		return usageError{fmt.Errorf("--passive-ports begins with %d, which the user of --run-as may not open; "+
			"begin with 1024 or more", first)}
	}
	if err == nil {
		l.Close()
	}
	return nil
}
