package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// Exit codes.
const (
	exitFailure = 1
	exitUsage   = 2
)

// program is the world as one run of the program sees it, so that a test can make its own.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	// interrupts starts to catch the signals that end a program. Before it is called they
	// end this one at once.
	interrupts func() <-chan os.Signal

	// hangups starts to catch the signal to load files again, SIGHUP.
	hangups func() <-chan os.Signal

	// reopens starts to catch the signal to open the files of logs anew, SIGUSR1; nil is for
	// systems without.
	reopens func() <-chan os.Signal

	// journal finds how entries reach the system's journal, if the log goes there while no file
	// is given for it. format is the one that is given. nil, or its return of nil, is no journal.
	journal func(format string) func(entryOfJournal) error

	// upgrades starts to catch the signal to start a new process that takes over, SIGUSR2; nil
	// is for systems without.
	upgrades func() <-chan os.Signal

	// launcher starts the launcher of processes that take over, with an environment and
	// listeners; nil starts none.
	launcher func([]string, []listener) *launcher

	// manager connects to the service manager; nil, or its return of nil, is none.
	manager func() (*manager, error)

	// sockets are those that the service manager has opened for the server; nil is none.
	sockets []*os.File

	// predecessor is the process that this one takes over from; nil is none.
	predecessor *predecessor

	// ignoreSIGPIPE keeps the program running when nobody reads stdout or stderr any
	// more; else its next line there would end it. nil leaves that so.
	ignoreSIGPIPE func()

	environment []string // variables, as in [os.Environ]

	root bool // the program begins as root

	// enclose keeps all threads of the process from opening files outside of a wall;
	// nil restricts nothing.
	enclose func(wall) error

	// lookUp finds the addresses of a name; nil asks the system's resolver.
	lookUp func(ctx context.Context, name string) ([]netip.Addr, error)

	// lookUpAgain tells when names are to be looked up again; nil is each minute.
	lookUpAgain <-chan time.Time

	// tuneACME changes the configuration of the ACME client; nil changes nothing.
	tuneACME func(*certmagic.ACMEIssuer)
}

// usageError is a fault in the command line itself.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// run executes a command line. It prints each fault as a line on stderr, and returns the
// exit code.
func (p *program) run(args ...string) int {
	root := p.command()
	root.SetArgs(append([]string{}, args...)) // cobra takes nil for os.Args
	err := root.Execute()
	if err == nil {
		return 0
	}
	if err == errFaults {
		return exitFailure
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintf(p.stderr, "wasiftpd: %s\n", line)
		p.predecessor.report(faultReport, line)
	}
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return exitFailure
}

func (p *program) command() *cobra.Command {
	root := p.serveCommand()
	root.Use = "wasiftpd"
	root.Long = "wasiftpd serves folders by FTP: without flags the current one, read-only, to anyone on this machine.\n" +
		"Without a command it does what wasiftpd serve does.\n\n" + settingsHelp
	root.Example = "  wasiftpd --root /srv/files\n" +
		"  wasiftpd --listen :2121 --root /srv/files --users /etc/wasiftpd/users --passive-ports 50000-50099"
	showVersion := root.Flags().Bool("version", false, "print what wasiftpd version prints")
	serve := root.RunE
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if *showVersion {
			return p.printVersion()
		}
		return serve(cmd, args)
	}
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetFlagErrorFunc(flagFault)
	addGroup(root, "To set a server up:", append(p.serviceCommands(), p.serveCommand(), p.passwdCommand(), p.totpCommand(),
		p.importCommand(), p.configCommand(), p.checkCommand(), p.doctorCommand())...)
	addGroup(root, "For a server that runs:", p.statusCommand(), p.sessionsCommand(), p.kickCommand(), p.usersCommand(),
		p.bansCommand(), p.quotaCommand(), p.hooksCommand(), p.eventsCommand(), p.reloadCommand(), p.drainCommand(), p.healthCommand())
	root.AddCommand(p.moduleCommand(), p.versionCommand())
	groupFlags(root)
	return root
}

// addGroup adds commands that stand together in the help.
func addGroup(root *cobra.Command, title string, all ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: title, Title: title})
	for _, cmd := range all {
		cmd.GroupID = title
	}
	root.AddCommand(all...)
}

// atMost accepts up to n arguments that are not flags.
func atMost(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= n {
			return nil
		}
		if cmd.HasSubCommands() {
			return usageError{fmt.Errorf("there is no command %q; see wasiftpd --help", args[0])}
		}
		return usageError{fmt.Errorf("%q is one argument too many; see %s --help", args[n], cmd.CommandPath())}
	}
}

// flagFault words pflag's errors as ours. Theirs repeat the whole value, which
// may be a password.
func flagFault(cmd *cobra.Command, err error) error {
	if invalid := (*pflag.InvalidValueError)(nil); errors.As(err, &invalid) {
		return usageError{fmt.Errorf("--%s: %w", invalid.GetFlag().Name, invalid.Unwrap())}
	}
	return usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
}

// terminal is the descriptor of stream, if stream is a terminal.
func terminal(stream any) (fd int, ok bool) {
	f, ok := stream.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	return int(f.Fd()), true
}
