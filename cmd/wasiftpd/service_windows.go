package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/coreos/go-systemd/v22/journal"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
)

// service is a server under the service control manager, whose controls reach it as signals
// do elsewhere.
type service struct {
	program *program
	config  string // a file
}

func (p *program) runService(config string) error {
	if err := svc.Run("", service{p, config}); err != nil { // the name counts for nothing in a process of one service
		return fmt.Errorf("cannot connect to the service control manager: %w; it alone can run this, anybody wasiftpd serve", err)
	}
	return nil
}

// progressTime is how often a service that starts or stops says that it goes on.
const progressTime = 2 * time.Second

func pending(state svc.State) svc.Status {
	return svc.Status{State: state, WaitHint: uint32((5 * progressTime).Milliseconds())}
}

// Execute implements [svc.Handler]. The first of names is that of the service.
func (s service) Execute(names []string, controls <-chan svc.ChangeRequest, states chan<- svc.Status) (bool, uint32) {
	status := pending(svc.StartPending)
	states <- status
	interrupts, hangups, ready := make(chan os.Signal, 2), make(chan os.Signal, 1), make(chan struct{}, 1)
	s.program.interrupts = func() <-chan os.Signal { return interrupts }
	s.program.hangups = func() <-chan os.Signal { return hangups }
	s.program.manager = func() (*manager, error) { return &manager{socket: readiness(ready)}, nil }
	if log, err := eventlog.Open(names[0]); err == nil {
		defer log.Close()
		s.program.logTo(log)
	}
	ended := make(chan int, 1)
	go func() { ended <- s.program.run("serve", "--"+configFlag, s.config) }()
	progress := time.NewTicker(progressTime)
	defer progress.Stop()
	for {
		select {
		case code := <-ended:
			return true, uint32(code)
		case <-ready:
			status = svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptPreShutdown | svc.AcceptParamChange}
			states <- status
		case <-progress.C:
			if status.State != svc.Running {
				status.CheckPoint++
				states <- status
			}
		case control := <-controls:
			switch control.Cmd {
			case svc.Interrogate:
				states <- status
			case svc.ParamChange:
				select {
				case hangups <- windows.SIGHUP:
				default: // one waits
				}
			case svc.Stop, svc.PreShutdown:
				status = pending(svc.StopPending)
				states <- status
				interrupts <- os.Interrupt
				ready = nil // the end of a reload makes it run no more
			}
		}
	}
}

// readiness hears what a service manager is told, and passes on that the server serves.
type readiness chan<- struct{}

// Write implements [io.Writer].
func (r readiness) Write(lines []byte) (int, error) {
	if bytes.HasPrefix(lines, []byte(daemon.SdNotifyReady)) {
		select {
		case r <- struct{}{}:
		default: // one waits
		}
	}
	return len(lines), nil
}

// eventID is the one of all entries: what they are stands in their text.
const eventID = 1

// logTo has the log, unless it goes to a file, and the program's faults go to the event log.
func (p *program) logTo(log *eventlog.Log) {
	p.stdout, p.stderr = io.Discard, faultLog{log}
	p.journal = func(string) func(entryOfJournal) error {
		return func(e entryOfJournal) error {
			switch {
			case e.priority <= journal.PriErr:
				return log.Error(eventID, e.text)
			case e.priority == journal.PriWarning:
				return log.Warning(eventID, e.text)
			}
			return log.Info(eventID, e.text)
		}
	}
}

// faultLog makes an error in the event log of each write.
type faultLog struct{ *eventlog.Log }

// Write implements [io.Writer].
func (l faultLog) Write(text []byte) (int, error) {
	return len(text), l.Error(eventID, string(bytes.TrimSpace(text)))
}
