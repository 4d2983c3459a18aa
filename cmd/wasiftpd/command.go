package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

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

// program is one run's view of the world, so that a test can be the world.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	// interrupts starts catching the signals that end a program. Until it is
	// called they do what they always do.
	interrupts func() <-chan os.Signal

	// hangups starts catching the signal to load files again.
	hangups func() <-chan os.Signal

	// outlive makes the program outlive the readers of stdout and stderr, whose
	// end would end it at its next line; nil leaves that as it is.
	outlive func()

	// root is whether it begins as root.
	root bool

	// enclose keeps all threads of the process from opening files outside of a wall;
	// nil leaves them free.
	enclose func(wall) error

	// tuneACME changes how certificates are issued; nil changes nothing.
	tuneACME func(*certmagic.ACMEIssuer)
}

// usageError is a fault in the command line itself.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// run is the program: each fault is a line on stderr, the result the exit code.
func (p *program) run(args ...string) int {
	root := p.command()
	root.SetArgs(append([]string{}, args...)) // cobra takes nil for os.Args
	err := root.Execute()
	if err == nil {
		return 0
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintf(p.stderr, "wasiftpd: %s\n", line)
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
		"Without a command it does what wasiftpd serve does."
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
	root.AddCommand(p.serveCommand(), p.passwdCommand(), p.moduleCommand(), p.versionCommand())
	return root
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

// terminal is the descriptor of stream, if a person sits at it.
func terminal(stream any) (fd int, ok bool) {
	f, ok := stream.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	return int(f.Fd()), true
}
