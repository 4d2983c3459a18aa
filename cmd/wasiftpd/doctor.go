package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"wasiftp/cmd/wasiftpd/doctor"
)

// doctorOptions are the values of doctor's own flags.
type doctorOptions struct {
	as           string
	passwordFile string
	ca           string
	json         bool
	readOnly     bool
	insecure     bool
	step         time.Duration
}

// passwordVariable has the password of the user that the doctor logs in. It does not begin
// as the variables of settings do.
const passwordVariable = "FTP_PASSWORD"

// errFaults ends a run of doctor that has found faults; they have been printed.
var errFaults = errors.New("there are faults")

func (p *program) doctorCommand() *cobra.Command {
	var o options
	d := doctorOptions{step: 10 * time.Second}
	cmd := &cobra.Command{
		Use:   "doctor [URL]",
		Short: "Look for what keeps clients from working, at this server or any other",
		Long: "doctor looks at this machine's server: with the flags and the file of serve it checks what check does, the\n" +
			"passive ports, the folders and the certificates, and then connects as a client. With a URL it looks at any\n" +
			"server from outside, best from another network:\n\n" +
			"  wasiftpd doctor --config /etc/wasiftpd.toml\n" +
			"  wasiftpd doctor ftp://alice@ftp.example.org/incoming\n\n" +
			"The URL is ftp://[USER@]HOST[:PORT][/FOLDER], or ftps:// for TLS from the first byte. The password is read from\n" +
			"--password-file, the variable " + passwordVariable + ", the terminal, or a line of stdin. --passive-ports and\n" +
			"--public-address beside a URL say what that server is told to announce. A test file is uploaded and removed\n" +
			"again. The exit code is 0 without faults, 1 with some, 2 for wrong usage.\n\n" + settingsHelp,
		Args: atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := p.configure(cmd.Flags(), &o)
			if len(args) == 1 {
				if err != nil {
					return err
				}
				return p.doctorOf(args[0], &o, d)
			}
			return p.doctorHere(&o, config, err, d)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&d.as, "as", "", "log in as `NAME` at this machine's server (default a user of --user,\nelse anonymous)")
	f.StringVar(&d.passwordFile, "password-file", "", "the password is the first line of `FILE`")
	f.StringVar(&d.ca, "ca", "", caHelp)
	f.BoolVar(&d.insecure, "insecure", false, "send the password also without TLS, or if the certificate does not\nprove who "+
		"the server is")
	f.BoolVar(&d.readOnly, "read-only", false, "change nothing on the server: no upload, rename or delete")
	f.BoolVar(&d.json, "json", false, "print the findings as JSON")
	f.Func("step-timeout", "wait `TIME` for each reply and each connection (default 10s)", duration(&d.step, 1, "10s or 1m"))
	serve := pflag.NewFlagSet("", pflag.ContinueOnError) // apart, for the flags above are no settings
	newSettings(serve, &o)
	f.AddFlagSet(serve)
	return cmd
}

// doctorOf looks at the server of a URL.
func (p *program) doctorOf(rawURL string, o *options, d doctorOptions) error {
	c, err := parseTarget(rawURL)
	if err != nil {
		return usageError{err}
	}
	if d.as != "" {
		return usageError{errors.New("--as is for the server of this machine; write the user into the URL: ftp://USER@HOST")}
	}
	c.Told = p.told(o)
	if err := p.setDoctor(&c, d); err != nil {
		return err
	}
	return p.diagnose(rawURL, d, func(ctx context.Context, tell func(doctor.Finding)) { doctor.Examine(ctx, c, tell) })
}

// parseTarget reads ftp://[USER@]HOST[:PORT][/FOLDER].
func parseTarget(s string) (c doctor.Config, err error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "ftp" && u.Scheme != "ftps" || u.Hostname() == "" {
		return c, errors.New("the server is no URL such as ftp://alice@ftp.example.org or ftps://192.0.2.7:990")
	}
	if _, given := u.User.Password(); given {
		return c, fmt.Errorf("the URL has a password, which others on this machine can see; leave it away, and give it by "+
			"--password-file, the variable %s or the terminal", passwordVariable)
	}
	c = doctor.Config{
		Host: u.Hostname(), Port: u.Port(), Implicit: u.Scheme == "ftps", User: u.User.Username(),
		Folder: strings.TrimPrefix(u.Path, "/"),
	}
	if c.Port == "" {
		c.Port = "21"
		if c.Implicit {
			c.Port = "990"
		}
	}
	if strings.ContainsFunc(c.User+c.Folder, unicode.IsControl) {
		return c, errors.New("the URL has control characters in the name or the folder, which no client can send")
	}
	return c, nil
}

// setDoctor takes over the flags that hold for any server.
func (p *program) setDoctor(c *doctor.Config, d doctorOptions) error {
	c.ReadOnly, c.Step, c.Insecure = d.readOnly, d.step, c.Insecure || d.insecure
	if c.Password == nil {
		c.Password = func() (string, error) { return p.doctorPassword(c.User, d.passwordFile) }
	}
	if d.ca == "" {
		return nil
	}
	var err error
	c.Roots, err = readRoots(d.ca)
	return err
}

const caHelp = "trust the certificates in `FILE`, PEM, besides those that the system trusts"

// readRoots reads the file of --ca, and adds what the system trusts.
func readRoots(file string) (*x509.CertPool, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the certificates of --ca: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(content) {
		return nil, usageError{fmt.Errorf("--ca: there is no certificate in %s; give a file in PEM", file)}
	}
	return roots, nil
}

// doctorPassword reads the password of a user, never from an argument.
func (p *program) doctorPassword(user, file string) (string, error) {
	if file != "" {
		content, err := os.ReadFile(file)
		line, _, _ := strings.Cut(string(content), "\n")
		return strings.TrimSuffix(line, "\r"), err
	}
	for _, pair := range p.environment {
		if password, found := strings.CutPrefix(pair, passwordVariable+"="); found {
			return password, nil
		}
	}
	if fd, ok := terminal(p.stdin); ok {
		return p.ask(fd, "Password of "+user+": ")
	}
	line, err := p.passwordLine()
	if err == nil && line == "" {
		err = fmt.Errorf("give --password-file or the variable %s", passwordVariable)
	}
	return line, err
}

// told is what the settings say that the server announces.
func (p *program) told(o *options) doctor.Told {
	t := doctor.Told{FirstPort: o.config.Passive.FirstPort, LastPort: o.config.Passive.LastPort}
	for _, public := range o.public {
		if public.addr.IsValid() {
			t.Addresses = append(t.Addresses, public.addr)
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), lookUpTime)
		found, err := p.lookUpName(ctx, public.name)
		cancel()
		for _, addr := range found {
			if err == nil {
				t.Addresses = append(t.Addresses, addr.Unmap())
			}
		}
	}
	return t
}

// diagnose runs an examination until its end or an interrupt, and prints its findings.
func (p *program) diagnose(target string, d doctorOptions, examine func(context.Context, func(doctor.Finding))) error {
	ctx, cancel := p.untilInterrupt()
	defer cancel()
	r := doctor.Report{Target: target}
	var failed error
	examine(ctx, func(f doctor.Finding) {
		r.Add(f)
		if !d.json && failed == nil {
			failed = f.Write(p.stdout)
		}
	})
	switch {
	case failed != nil:
	case d.json:
		failed = r.WriteJSON(p.stdout)
	default:
		_, failed = fmt.Fprintf(p.stdout, "\n%s\n", r.Summary())
	}
	switch {
	case failed != nil:
		return fmt.Errorf("cannot print the findings: %w", failed)
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case r.Faults > 0:
		return errFaults
	}
	return nil
}

// connectable is the address at which a client on this machine reaches a listener.
func connectable(addr string) (host, port string) {
	host, port, _ = net.SplitHostPort(addr)
	at, err := netip.ParseAddr(host)
	switch {
	case host == "", err == nil && at.IsUnspecified() && at.Is4():
		host = "127.0.0.1"
	case err == nil && at.IsUnspecified():
		host = "::1"
	}
	return host, port
}
