// Command hosttest checks a host of the FTP engine: it has the host run a test
// module in the place of the engine, and reports which promises of the boundary
// hold. See wasi/ABI.md.
package main

import (
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"wasiftp/wasi/hosttest/kit"
)

//go:embed hosttest.wasm
var module []byte

const usage = `hosttest checks whether a host of the wasiftp engine keeps the promises of each import,
as wasi/abi.txt and wasi/ABI.md state them.

  hosttest [options] -- HOST ARGUMENTS...
        starts the host. In the arguments, {module} becomes the file of the kit's
        module, which the host runs in the place of the engine, and {root} an empty
        folder for the account. The host prints where it listens, as a URL:
        ftp://127.0.0.1:2121/
  hosttest [options] --address 127.0.0.1:2121
        checks a host that runs already, with the module that --module has written
  hosttest --module FILE
        writes the kit's module to a file

For example

  go run ./wasi/hosttest -- wasiftpd serve --module {module} --root {root} --listen 127.0.0.1:0 --user u:p:rw

It exits with 0 when all promises hold, with 1 when some do not, with 2 when
nothing could be checked (under go run, both are 1).

Options:
`

// options are what the command line says.
type options struct {
	target  kit.Target
	module  string
	only    string
	verbose bool
	host    []string
}

func main() {
	var o options
	set := flag.NewFlagSet("hosttest", flag.ContinueOnError)
	set.Usage = func() {
		fmt.Fprint(set.Output(), usage)
		set.PrintDefaults()
	}
	account := func(name, text string, user, password *string) {
		set.Func(name, text, func(s string) error {
			var ok bool
			if *user, *password, ok = strings.Cut(s, ":"); !ok {
				return errors.New("write it as USER:PASSWORD")
			}
			return nil
		})
	}
	o.target.User, o.target.Password = "u", "p"
	set.StringVar(&o.target.Address, "address", "", "where a host that runs already listens")
	set.StringVar(&o.target.Root, "root", "", "the `FOLDER` of the account, if it is on this machine: it enables "+
		"the checks with symbolic links")
	set.StringVar(&o.target.Implicit, "implicit", "", "where it listens for implicit TLS, as `ADDRESS:PORT`")
	account("user", "an account with all rights, as `USER:PASSWORD` (default u:p)", &o.target.User, &o.target.Password)
	account("reader", "an account that may only read and list, as `USER:PASSWORD`", &o.target.Reader, &o.target.ReaderPassword)
	account("admin", "an account that may list the sessions, as `USER:PASSWORD`", &o.target.Admin, &o.target.AdminPassword)
	account("single", "an account that may have one session at a time, as `USER:PASSWORD`", &o.target.Single,
		&o.target.SinglePassword)
	set.DurationVar(&o.target.Patience, "patience", 5*time.Second, "how long to wait for an answer, an event or a connection")
	set.StringVar(&o.module, "module", "", "write the module to this `FILE`")
	set.StringVar(&o.only, "run", "", "make only the checks whose name matches this `PATTERN`, such as net_write or "+
		"\"file_open: EISDIR\"")
	set.BoolVar(&o.verbose, "v", false, "print each check as it is made")
	switch err := set.Parse(os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	case err != nil:
		os.Exit(2)
	}
	o.host = set.Args()
	holds, err := o.run(os.Stdout)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "hosttest:", err)
		os.Exit(2)
	case !holds:
		os.Exit(1)
	}
}

// run does what the command line says. It reports whether all promises hold; an error says
// that nothing could be checked.
func (o *options) run(out io.Writer) (holds bool, err error) {
	if o.module != "" {
		return true, os.WriteFile(o.module, module, 0o644)
	}
	checks, err := o.checks()
	switch {
	case err != nil:
		return false, err
	case len(o.host) > 0:
		return o.runHost(out, checks)
	case o.target.Address == "":
		return false, errors.New("say which host: give --address, or -- and the host's command line; see --help")
	}
	return o.check(out, checks)
}

// runHost starts the host, checks it and ends it.
func (o *options) runHost(out io.Writer, checks []kit.Check) (holds bool, err error) {
	h, err := start(o.host)
	if err != nil {
		return false, err
	}
	if o.target.Address == "" {
		o.target.Address, err = h.announced()
	} else {
		err = h.listens(o.target.Address)
	}
	if err == nil {
		if o.target.Root == "" && h.hasRoot {
			o.target.Root = h.root()
		}
		o.target.Stop, o.target.LastWords = h.stop, h.lastWords
		holds, err = o.check(out, checks)
	}
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, h.lastWords())
	}
	h.end()
	return holds, err
}

// check checks a host that listens already.
func (o *options) check(out io.Writer, checks []kit.Check) (holds bool, err error) {
	if fault := kit.Greets(&o.target); fault != "" {
		return false, errors.New(fault)
	}
	results := kit.Run(&o.target, checks, func(r kit.Result) {
		if o.verbose {
			fmt.Fprintln(out, r)
		}
	})
	kit.Report(out, results)
	return kit.Sum(out, results), nil
}

// checks are those whose name matches the pattern of --run.
func (o *options) checks() (checks []kit.Check, err error) {
	pattern, err := regexp.Compile(o.only)
	if err != nil {
		return nil, err
	}
	for _, c := range kit.Checks() {
		if pattern.MatchString(c.Name()) {
			checks = append(checks, c)
		}
	}
	if len(checks) == 0 {
		return nil, fmt.Errorf("no check is called %q", o.only)
	}
	return checks, nil
}
