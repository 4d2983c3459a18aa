// Command hosttest checks a host of the FTP engine: it runs the host with a
// module of its own in the place of the engine, and tells which promises of the
// boundary hold. See wasi/ABI.md.
package main

import (
	"bufio"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"wasiftp/wasi/hosttest/kit"
)

//go:embed hosttest.wasm
var module []byte

const usage = `hosttest checks a host of the wasiftp engine: whether each import of the boundary
does what wasi/abi.txt and wasi/ABI.md say.

  hosttest [options] -- HOST ARGUMENTS...
        runs the host itself. In its arguments {module} becomes the module of the kit,
        which the host runs in the place of the engine, and {root} an empty folder for
        the account. The host says in a line of its output where it listens:
        ftp://127.0.0.1:2121/
  hosttest [options] --address 127.0.0.1:2121
        checks a host that runs already, on a module got by: hosttest --module FILE
  hosttest --module FILE
        writes the module

For example

  go run ./wasi/hosttest -- wasiftpd serve --module {module} --root {root} --listen 127.0.0.1:0 --user u:p:rw

It exits with 0 when all promises hold, with 1 when some do not, with 2 when
nothing could be checked.

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
				return errors.New("it is written USER:PASSWORD")
			}
			return nil
		})
	}
	o.target.User, o.target.Password = "u", "p"
	set.StringVar(&o.target.Address, "address", "", "where a host that runs already listens")
	set.StringVar(&o.target.Root, "root", "", "the `FOLDER` of the account, if it is on this machine: it enables the checks with symbolic links")
	set.StringVar(&o.target.Implicit, "implicit", "", "where it listens for implicit TLS, as `ADDRESS:PORT`")
	account("user", "the account that may do all, as `USER:PASSWORD` (default u:p)", &o.target.User, &o.target.Password)
	account("reader", "an account that may only read and list, as `USER:PASSWORD`", &o.target.Reader, &o.target.ReaderPassword)
	account("single", "an account that may have one session at a time, as `USER:PASSWORD`", &o.target.Single, &o.target.SinglePassword)
	set.StringVar(&o.module, "module", "", "write the module to this `FILE`")
	set.StringVar(&o.only, "run", "", "only the checks whose name matches this `PATTERN`, as \"net_write\" or \"file_open: EISDIR\"")
	set.BoolVar(&o.verbose, "v", false, "tell of each check as it is made")
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

// run does what the command line says, and reports whether all promises hold.
func (o *options) run(out io.Writer) (holds bool, err error) {
	if o.module != "" {
		return true, os.WriteFile(o.module, module, 0o644)
	}
	checks, err := o.checks()
	if err != nil {
		return false, err
	}
	switch {
	case len(o.host) > 0:
		log := &tail{}
		end, err := o.start(log)
		if err != nil {
			log.print(os.Stderr)
			return false, err
		}
		defer func() {
			end()
			if !holds {
				log.print(os.Stderr)
			}
		}()
	case o.target.Address == "":
		return false, errors.New("say which host: --address, or -- and how it is started. See --help")
	}
	results := kit.Run(&o.target, checks, func(r kit.Result) {
		if o.verbose {
			fmt.Fprintf(out, "%s\n%s\n", r.Check.Import, r)
		}
	})
	kit.Report(out, results)
	return kit.Sum(out, results), nil
}

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

// tail keeps the last of what the host says of itself.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 8 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-tailSize):]
	return len(p), nil
}

func (t *tail) print(w io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.text) > 0 {
		fmt.Fprintf(w, "\nThe last of what the host said on its standard error:\n%s", t.text)
	}
}

// start runs the host, and learns where it listens.
func (o *options) start(log io.Writer) (end func(), err error) {
	dir, err := os.MkdirTemp("", "hosttest")
	if err != nil {
		return nil, err
	}
	file, root := filepath.Join(dir, "hosttest.wasm"), filepath.Join(dir, "root")
	if err = os.WriteFile(file, module, 0o644); err == nil {
		err = os.Mkdir(root, 0o755)
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	args := make([]string, len(o.host))
	for i, arg := range o.host {
		args[i] = strings.NewReplacer("{module}", file, "{root}", root).Replace(arg)
	}
	if o.target.Root == "" && strings.Contains(strings.Join(o.host, " "), "{root}") {
		o.target.Root = root
	}
	command := exec.Command(args[0], args[1:]...)
	command.Stderr = log
	stdout, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	o.target.Stop = func() error { return command.Process.Signal(syscall.SIGTERM) } // an error on Windows
	end = func() {
		command.Process.Kill()
		command.Wait()
		os.RemoveAll(dir)
	}
	if o.target.Address == "" {
		o.target.Address, err = announced(stdout)
	} else {
		go io.Copy(io.Discard, stdout)
		err = listening(o.target.Address)
	}
	if err != nil {
		end()
		return nil, err
	}
	return end, nil
}

// startTime is how long a host may take to start.
const startTime = time.Minute

// announced waits for the line that tells where the host listens.
func announced(output io.Reader) (address string, err error) {
	found := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			for word := range strings.FieldsSeq(lines.Text()) {
				if u, err := url.Parse(word); err == nil && u.Scheme == "ftp" && u.Port() != "" {
					select {
					case found <- u.Host:
					default:
					}
				}
			}
		}
		close(found)
	}()
	select {
	case address, ok := <-found:
		if !ok {
			return "", errors.New("the host ended without a line that says ftp://ADDRESS:PORT/")
		}
		return address, nil
	case <-time.After(startTime):
		return "", errors.New("the host prints no line that says ftp://ADDRESS:PORT/; or give --address")
	}
}

// listening waits until somebody does.
func listening(address string) error {
	for deadline := time.Now().Add(startTime); ; time.Sleep(50 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}
