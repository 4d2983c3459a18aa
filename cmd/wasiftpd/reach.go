package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"wasiftp/cmd/wasiftpd/admin"
)

// reach says how a command reaches the server that it speaks to, and how it prints the answer.
type reach struct {
	config    string // the server's configuration file, "" if it is not given
	socket    string // "" for that of the variable or of config, or a usual one
	url       string // "" for a socket
	tokenFile string // "" for the variable
	ca        string // a file, "" for what the system trusts
	insecure  bool
	within    time.Duration // how long an answer may take
	json      bool

	own *ownSettings // what config says; nil until it is read
}

// tokenVariable has the token for --url. It does not begin as the variables of settings do.
const tokenVariable = "FTP_ADMIN_TOKEN"

// usualWait is the default of --within: a server that runs answers within milliseconds.
const usualWait = 10 * time.Second

func (r *reach) addTo(f *pflag.FlagSet) {
	f.SortFlags = false
	r.within = cmp.Or(r.within, usualWait)
	f.StringVar(&r.config, configFlag, "", ofConfigHelp)
	f.StringVar(&r.socket, "admin-socket", "", "speak to the server by its Unix socket `FILE` (default the variable\n"+
		variable("admin-socket")+", else that of --config, else the first\nusual place where a server answers)")
	f.StringVar(&r.url, "url", "", "speak to the server of --admin-listen at `URL`, as in\nhttps://ftp.example.org:8443")
	f.StringVar(&r.tokenFile, "token-file", "", "with --url, the token is the first line of `FILE` (default the variable\n"+
		tokenVariable+")")
	f.StringVar(&r.ca, "ca", "", caHelp)
	f.BoolVar(&r.insecure, "insecure", false, "send the token also if the certificate does not prove who the server is")
	f.Func("within", fmt.Sprintf("wait at most `TIME` for an answer (default %s)", lasting(r.within)),
		duration(&r.within, 1, "5s or 1m"))
	f.BoolVar(&r.json, "json", false, "print the answer of the API, JSON")
}

const ofConfigHelp = "the server is that of the configuration `FILE`"

// ownSettings are those of the server on this machine that a command is about.
type ownSettings struct {
	options options     // the zero value if no file is given
	config  *configFile // nil if none is given
}

// readOwn reads a configuration file, "" for none, as the server does.
func (p *program) readOwn(file string) (*ownSettings, error) {
	own := new(ownSettings)
	if file == "" {
		return own, nil
	}
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	newSettings(f, &own.options)
	err := f.Set(configFlag, file)
	if err == nil {
		own.config, err = p.configure(f, &own.options)
	}
	return own, err
}

// ownOf reads the file of --config once.
func (p *program) ownOf(r *reach) (own *ownSettings, err error) {
	if r.own == nil {
		r.own, err = p.readOwn(r.config)
	}
	return r.own, err
}

// given says whether flags name the server.
func (r *reach) given() bool { return r.socket+r.url != "" }

// systemSocket is the admin socket of the service. The variable of systemd that names its folder
// is not in the shells of operators.
const systemSocket = "/run/wasiftpd/" + socketName

// socketsOf are those at which the server may answer, the best one first. configured is that of
// --config, "" for none.
func (p *program) socketsOf(r *reach, configured string) (all []string) {
	if given := cmp.Or(r.socket, p.variable(variable("admin-socket")), configured); given == "off" || runtime.GOOS == "windows" {
		return nil
	} else if given != "" {
		return []string{given}
	}
	all = p.adminSockets()
	if !slices.Contains(all, systemSocket) {
		all = append(all, systemSocket)
	}
	return all
}

// noServer is the error that no server answers at any of the sockets that were tried.
type noServer struct{ faults []error }

func (n noServer) Error() string {
	if len(n.faults) == 0 {
		return "there is no admin socket to speak to; name one with --admin-socket, or a server with --url"
	}
	var texts []string
	for _, err := range n.faults {
		texts = append(texts, err.Error())
	}
	what := "does the server run? Else name its socket with --admin-socket"
	if errors.Is(errors.Join(n.faults...), fs.ErrPermission) {
		what = "only its owner and root may use a socket; try sudo"
	}
	return "no server answers: " + strings.Join(texts, "; ") + "; " + what
}

func (n noServer) Unwrap() []error { return n.faults }

// dial finds the server.
func (p *program) dial(r *reach) (*admin.Client, error) {
	switch {
	case r.url != "" && r.socket != "":
		return nil, usageError{errors.New("--admin-socket and --url name two servers; give one of them")}
	case r.url != "" && r.config != "":
		return nil, usageError{errors.New("--config and --url name two servers; give one of them")}
	case r.url != "":
		return p.dialURL(r)
	case r.tokenFile != "" || r.ca != "" || r.insecure:
		return nil, usageError{errors.New("--token-file, --ca and --insecure need --url")}
	}
	own, err := p.ownOf(r)
	if err != nil {
		return nil, err
	}
	var none noServer
	for _, socket := range p.socketsOf(r, own.options.admin.socket) {
		c, err := net.DialTimeout("unix", socket, r.within)
		if err == nil {
			c.Close()
			return admin.Dial(socket), nil
		}
		if op := (*net.OpError)(nil); errors.As(err, &op) {
			err = op.Err
		}
		none.faults = append(none.faults, fmt.Errorf("%s: %w", socket, err))
	}
	return nil, none
}

func (p *program) dialURL(r *reach) (*admin.Client, error) {
	u, err := url.Parse(r.url)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.User != nil {
		return nil, usageError{fmt.Errorf("--url %q is no URL such as https://ftp.example.org:8443", r.url)}
	}
	token := p.variable(tokenVariable)
	if r.tokenFile != "" {
		content, err := os.ReadFile(r.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("cannot read the token of --token-file: %w", err)
		}
		token = firstLine(content)
	}
	if token == "" {
		return nil, usageError{fmt.Errorf("--url needs a token; give --token-file, or the variable %s", tokenVariable)}
	}
	config := &tls.Config{InsecureSkipVerify: r.insecure}
	if r.ca != "" {
		config.RootCAs, err = readRoots(r.ca)
	}
	return admin.DialTLS(r.url, token, config), err
}

// advise adds to the error of a request what to do about it.
func (r *reach) advise(err error) error {
	var refused *admin.Refused
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the server has not answered within %s; look in its log whether it hangs, or give it longer with --within",
			lasting(r.within))
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return fmt.Errorf("%w; give the certificate of its issuer with --ca", err)
	case errors.As(err, &refused) && refused.Status == http.StatusUnauthorized:
		return fmt.Errorf("the server knows no such token; give one of its --admin-tokens with --token-file, or in %s", tokenVariable)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; try sudo", err)
	case errors.Is(err, admin.ErrUnreachable):
		return fmt.Errorf("%w; does the server run?", err)
	}
	return err
}

// answered makes a request, and waits for its answer no longer than --within.
func answered[T any](ctx context.Context, r *reach, ask func(context.Context) (T, error)) (answer T, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.within)
	defer cancel()
	if answer, err = ask(ctx); err != nil {
		err = r.advise(err)
	}
	return answer, err
}

// asking makes cmd one that asks the server something once. tell writes the answer for people.
func asking[T any](p *program, cmd *cobra.Command, r *reach, ask func(context.Context, *admin.Client, []string) (T, error),
	tell func(*tabwriter.Writer, T)) *cobra.Command {
	r.addTo(cmd.Flags())
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		c, err := p.dial(r)
		if err != nil {
			return err
		}
		answer, err := answered(context.Background(), r, func(ctx context.Context) (T, error) { return ask(ctx, c, args) })
		if err != nil {
			return err
		}
		return show(p.stdout, r.json, answer, tell)
	}
	return cmd
}

// untilInterrupt is a context that ends at the first interrupt.
func (p *program) untilInterrupt() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	interrupts := p.interrupts()
	go func() {
		select {
		case <-interrupts:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
