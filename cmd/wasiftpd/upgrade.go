package main

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// An upgrade puts a new process in the place of this one, and no connection is refused: both
// have the same sockets open. The new one starts outside of the wall and with the rights of
// this one's start, so a launcher that has kept them starts it. The processes talk in lines.
const (
	launchCommand = "launch" // to the launcher
	readyReport   = "ready"  // by the new process, with its number: it waits for the command to serve
	faultReport   = "fault"  // by the new process, with what went wrong
	endReport     = "end"    // by the launcher: the new process says no more
	serveCommand  = "serve"  // to the new process
)

// The names of the descriptors that a new process has before its sockets.
const (
	reportsName  = "upgrade-reports"
	commandsName = "upgrade-commands"
)

func (o *options) addUpgradeTo(f *pflag.FlagSet) {
	o.upgradeTimeout = time.Hour
	f.Func("upgrade-timeout", "after an upgrade (SIGUSR2), let the sessions of the old process go on\nfor `TIME`. "+
		"Then those that rest end, and the others after their\ntransfer; 0 is for ever (default 1h)",
		duration(&o.upgradeTimeout, 0, "10m or 1h, nor 0"))
}

// predecessor is the process that this one takes over from. nil is none.
type predecessor struct {
	reports  *os.File
	commands *os.File
	sockets  []*os.File // by inheritedName
}

// takeInherited sorts the descriptors that this process was started with.
func (p *program) takeInherited(files []*os.File) {
	if len(files) < 2 || files[0].Name() != reportsName || files[1].Name() != commandsName {
		p.sockets = files
		return
	}
	p.predecessor = &predecessor{reports: files[0], commands: files[1]}
	for _, f := range files[2:] {
		if strings.Contains(f.Name(), "=") {
			p.predecessor.sockets = append(p.predecessor.sockets, f)
		} else {
			p.sockets = append(p.sockets, f)
		}
	}
}

// socket is an inherited socket, nil for none.
func (p *predecessor) socket(name string) *os.File {
	if p == nil {
		return nil
	}
	for i, f := range p.sockets {
		if f.Name() == name {
			p.sockets = append(p.sockets[:i:i], p.sockets[i+1:]...)
			return f
		}
	}
	return nil
}

// relieve returns when the predecessor accepts no more. Sockets that were not asked for are
// closed: this process is not to listen there.
func (p *predecessor) relieve() error {
	if p == nil {
		return nil
	}
	for _, f := range p.sockets {
		f.Close()
	}
	p.report(readyReport, strconv.Itoa(os.Getpid()))
	command, _ := bufio.NewReader(p.commands).ReadString('\n')
	p.reports.Close()
	p.commands.Close()
	if strings.TrimSpace(command) != serveCommand {
		return errors.New("the process that this one was to take over from has ended")
	}
	return nil
}

func (p *predecessor) report(kind, text string) {
	if p != nil {
		fmt.Fprintln(p.reports, kind, text)
	}
}

// launcher is a process that starts others as this one was started, with its sockets.
type launcher struct {
	fault    error // why there is none
	process  *os.Process
	commands *os.File // when it is closed, the launcher ends
	reports  *bufio.Scanner
}

// launch starts a process, and returns its number when it waits for the command to serve.
func (l *launcher) launch() (pid int, err error) {
	if l.fault != nil {
		return 0, l.fault
	}
	fmt.Fprintln(l.commands, launchCommand)
	var faults []error
	for l.reports.Scan() {
		switch kind, text, _ := strings.Cut(l.reports.Text(), " "); kind {
		case readyReport:
			return strconv.Atoi(text)
		case faultReport:
			faults = append(faults, errors.New(text))
		case endReport:
			if faults == nil {
				return 0, errors.New("it ended before it was ready; see what it has written to stderr")
			}
			return 0, errors.Join(faults...)
		}
	}
	return 0, errors.New("the launcher, a process of ours, was ended; only a restart helps")
}

// yield has the process that was launched serve. No other is launched from now on.
func (l *launcher) yield() {
	fmt.Fprintln(l.commands, serveCommand)
	l.close()
}

// close ends the launcher, which has the sockets open.
func (l *launcher) close() {
	if l == nil || l.fault != nil {
		return
	}
	l.commands.Close()
	ended := make(chan struct{})
	go func() {
		l.process.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(dyingTime): // a new process has not yet found out that nobody waits for it
	}
}

// launched is a process that waits for the command to serve, or why there is none.
type launched struct {
	pid int
	err error
}

// upgrades are the upgrades of this process, one at a time, until one succeeds.
type upgrades struct {
	launcher *launcher
	logger   *slog.Logger
	since    time.Time // of the latest one, zero if it has failed
	next     int       // the process that has taken over, 0 for none
	launched chan launched
}

func (u *upgrades) begin() {
	switch {
	case u.next != 0:
		u.logger.Warn("another process has taken over already; upgrade that one", "pid", u.next)
	case !u.since.IsZero():
		u.logger.Warn("an upgrade is under way: the new process is not ready yet", "since", u.since.Format(time.RFC3339))
	default:
		u.since = time.Now()
		u.logger.Info("upgrade: a new process starts")
		go func() {
			pid, err := u.launcher.launch()
			u.launched <- launched{pid, err}
		}()
	}
}

// succeeds says whether the new process is to take over.
func (u *upgrades) succeeds(new launched) bool {
	u.next = new.pid
	if new.err != nil {
		u.since = time.Time{}
		u.logger.Error("the upgrade failed, and this process goes on", "err", new.err)
		return false
	}
	u.logger.Info("upgrade: a new process takes over, and the sessions of this one go on", "pid", new.pid)
	return true
}
