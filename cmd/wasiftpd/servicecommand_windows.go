package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"time"
	"unsafe"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
	"golang.org/x/sys/windows/svc/mgr"
)

// serviceCommands are those of systems where the program installs itself as a service.
func (p *program) serviceCommands() []*cobra.Command {
	var name, config string
	cmd := &cobra.Command{Use: "service", Short: "Show, install, start, stop, reload or remove the service of Windows",
		Long: "service says whether the service of Windows runs. All of its commands need the rights of an administrator.",
		Args: atMost(0), RunE: func(*cobra.Command, []string) error { return onService(name, p.showService) }}
	cmd.PersistentFlags().StringVar(&name, "name", "wasiftpd", "the service is called `NAME`")
	add := func(use, short, long string, run func() error) *cobra.Command {
		c := &cobra.Command{Use: use, Short: short, Long: long, Args: atMost(0),
			RunE: func(*cobra.Command, []string) error { return run() }}
		cmd.AddCommand(c)
		return c
	}
	runs := add("run", "What Windows starts", "run is for the service control manager alone.",
		func() error { return p.runService(config) })
	runs.Hidden = true
	installs := add("install", "Install the service",
		"install has Windows start wasiftpd serve --config FILE with the system, and again when it fails, as the user\n"+
			"NT SERVICE\\NAME. That user must be able to read FILE and this program.",
		func() error { return installService(name, config) })
	for _, c := range []*cobra.Command{installs, runs} {
		c.Flags().StringVar(&config, configFlag, "", "the configuration of the service is `FILE`")
	}
	add("start", "Start the service", "start returns when the service takes sessions.",
		func() error { return onService(name, startService) })
	add("stop", "Stop the service", "stop returns when running transfers are done, or after the service's --stop-timeout.",
		func() error { return onService(name, stopService) })
	add("reload", "Have the service load its files again", "reload does what SIGHUP does elsewhere.",
		func() error { return onService(name, reloadService) })
	add("uninstall", "Stop and remove the service", "uninstall leaves the configuration, files of users, state and cache.",
		func() error { return errors.Join(onService(name, removeService), eventlog.Remove(name)) })
	return []*cobra.Command{cmd}
}

// installService makes the service name, and its source in the event log.
func installService(name, config string) error {
	if config == "" {
		return usageError{errors.New("a service needs a configuration; give it with --config FILE")}
	}
	var o options
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	newSettings(f, &o)
	if err := f.Set(configFlag, config); err != nil {
		return err
	}
	read, err := new(program).configure(f, &o) // the service has no variables of this shell
	if err != nil {
		return err
	}
	if read.read.top.get("root") == nil {
		return usageError{fmt.Errorf("%s names no root, and a service starts in a folder of the system; write root = 'C:\\ftp'",
			config)}
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	m, err := connect()
	if err != nil {
		return err
	}
	defer m.Disconnect()
	s, err := m.CreateService(name, program, mgr.Config{
		DisplayName: "FTP server " + name, Description: "Serves folders by FTP, as " + o.file + " says",
		StartType: mgr.StartAutomatic, ErrorControl: mgr.ErrorNormal, ServiceStartName: `NT SERVICE\` + name,
	}, "service", "run", "--"+configFlag, o.file)
	if err != nil {
		return fmt.Errorf("cannot make the service %s: %w; wasiftpd service uninstall removes an old one", name, err)
	}
	defer s.Close()
	if err := setUpService(s, o.stopTimeout); err != nil {
		err = fmt.Errorf("cannot set the service %s up: %w; wasiftpd service uninstall removes an old one", name, err)
		return errors.Join(err, s.Delete())
	}
	return nil
}

// setUpService sets what a service is not made with. Wine has not all of it.
func setUpService(s *mgr.Service, stopTimeout time.Duration) error {
	restart := func(after time.Duration) mgr.RecoveryAction {
		return mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: after}
	}
	const day = 24 * 60 * 60 // without a failure, and the next is the first again
	for _, err := range []error{
		s.SetRecoveryActions([]mgr.RecoveryAction{restart(10 * time.Second), restart(time.Minute), restart(5 * time.Minute)}, day),
		s.SetRecoveryActionsOnNonCrashFailures(true),
		setShutdownTime(s, stopTimeout),
	} {
		if err != nil && err != windows.ERROR_INVALID_LEVEL {
			return err
		}
	}
	return eventlog.InstallAsEventCreate(s.Name, eventlog.Error|eventlog.Warning|eventlog.Info)
}

// setShutdownTime has a shutdown of the system wait for a stop that takes up to limit; 0 is
// no limit.
func setShutdownTime(s *mgr.Service, limit time.Duration) error {
	wait := uint32(math.MaxUint32)
	if limit > 0 {
		wait = uint32(min((limit + closingTime).Milliseconds(), math.MaxUint32))
	}
	// The structure SERVICE_PRESHUTDOWN_INFO is one DWORD.
	return windows.ChangeServiceConfig2(s.Handle, windows.SERVICE_CONFIG_PRESHUTDOWN_INFO, (*byte)(unsafe.Pointer(&wait)))
}

func connect() (*mgr.Mgr, error) {
	m, err := mgr.Connect()
	if err != nil {
		err = fmt.Errorf("cannot reach the service control manager: %w; run this as an administrator", err)
	}
	return m, err
}

// onService does something with the service name.
func onService(name string, do func(*mgr.Service) error) error {
	m, err := connect()
	if err != nil {
		return err
	}
	defer m.Disconnect()
	s, err := m.OpenService(name)
	if err != nil {
		return fmt.Errorf("cannot open the service %s: %w; wasiftpd service install makes it", name, err)
	}
	defer s.Close()
	if err := do(s); err != nil {
		return fmt.Errorf("the service %s: %w", name, err)
	}
	return nil
}

func (p *program) showService(s *mgr.Service) error {
	status, err := s.Query()
	if err != nil {
		return err
	}
	state := map[svc.State]string{
		svc.Stopped: "is stopped", svc.StartPending: "starts", svc.Running: "runs", svc.StopPending: "stops",
	}
	_, err = fmt.Fprintf(p.stdout, "The service %s %s.\n", s.Name, cmp.Or(state[status.State], "is paused"))
	return err
}

func startService(s *mgr.Service) error {
	if err := s.Start(); err != nil {
		return err
	}
	status, err := waitWhile(s, svc.StartPending)
	if err == nil && status.State != svc.Running {
		err = fmt.Errorf("it ended with code %d; the event log (Application, source %s) or its --log-file says why",
			status.ServiceSpecificExitCode, s.Name)
	}
	return err
}

// stopService stops a service that may be stopped already.
func stopService(s *mgr.Service) error {
	if _, err := s.Control(svc.Stop); err != nil && err != windows.ERROR_SERVICE_NOT_ACTIVE {
		return err
	}
	_, err := waitWhile(s, svc.Running, svc.StopPending)
	return err
}

func reloadService(s *mgr.Service) error {
	_, err := s.Control(svc.ParamChange)
	return err
}

func removeService(s *mgr.Service) error { return errors.Join(stopService(s), s.Delete()) }

// waitWhile waits as long as the service is in one of states. The service control manager
// ends what hangs.
func waitWhile(s *mgr.Service, states ...svc.State) (svc.Status, error) {
	for {
		status, err := s.Query()
		if err != nil || !slices.Contains(states, status.State) {
			return status, err
		}
		time.Sleep(100 * time.Millisecond)
	}
}
