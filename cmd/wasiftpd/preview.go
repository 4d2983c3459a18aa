package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"wasiftp/cmd/wasiftpd/admin"
	"wasiftp/host"
	"wasiftp/host/quota"
)

func (p *program) checkCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say what the server would do with these flags, or what is wrong with them",
		Long: "check takes the flags of serve, and says where the server would listen, whom it would let in, and which\n" +
			"certificates it would show. It opens no ports and changes nothing. With a fault in a flag, a variable or a\n" +
			"file it prints all faults, and exits with code 2.\n\n" + settingsHelp,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := p.configure(cmd.Flags(), &o)
			if err != nil {
				return err
			}
			return config.placed(p.check(&o, config))
		},
	}
	newSettings(cmd.Flags(), &o)
	return cmd
}

// check prints what a server with these options would do, or returns all faults.
func (p *program) check(o *options, config *configFile) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r, err := o.inspect(ctx, config, newLogger(p.stderr, o.log.format))
	if err != nil {
		return err
	}
	return o.preview(p.stdout, r.current.Load())
}

// inspect reads all that the options name, as a start does, and returns all faults. It logs
// what the start would warn of.
func (o *options) inspect(ctx context.Context, config *configFile, logger *slog.Logger) (*roster, error) {
	files := &follower{logger: logger, unwatched: map[string]bool{}}
	r, err := o.roster(ctx, files)
	faults := []error{err}
	if err == nil && config != nil {
		config.follow(r, files)
	}
	if err == nil && o.runAs != "" {
		faults = append(faults, r.checkFolders(files.logger))
	}
	_, tokens := o.readTokens(files)
	faults = append(faults, tokens, o.readTLS(files.logger), o.checkRunAs(), o.checkModule(), o.log.check(),
		checkDir("tls-dir", o.tls.dir), checkDir("state-dir", o.stateDir))
	return r, wrongUsage(faults)
}

func (o *options) checkRunAs() error {
	if o.runAs == "" {
		return nil
	}
	if _, err := parseIdentity(o.runAs); err != nil {
		return blame("run-as", o.runAs, fmt.Errorf("--run-as: %w", err))
	}
	return nil
}

// checkDir finds that a folder for our files, which the start makes if it is missing, can't be one.
func checkDir(key, dir string) error {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return blame(key, dir, fmt.Errorf("%s is a file and no folder; choose another with --%s", dir, key))
	}
	return nil
}

func (o *options) checkModule() error {
	if o.module == "" {
		return nil
	}
	code, err := os.ReadFile(o.module)
	if err == nil {
		_, err = host.Inspect(code)
	}
	if err != nil {
		return blame("module", o.module, fmt.Errorf("cannot run the engine in %s: %w; give another with --module", o.module, err))
	}
	return nil
}

// preview writes a table of the listeners, certificates, users and virtual hosts.
func (o *options) preview(to io.Writer, a *accounts) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	addrs := o.addresses()
	for i, addr := range slices.Concat(addrs, o.tls.implicit) {
		how := "without TLS"
		switch {
		case i >= len(addrs):
			how = "TLS from the start"
		case o.tls.on():
			how = "AUTH TLS"
			if o.tls.require != "" && o.tls.require != "off" {
				how += ", required for " + o.tls.require
			}
		}
		fmt.Fprintf(w, "listen\t%s\t%s\n", addr, how)
	}
	if passive := o.config.Passive; passive.FirstPort != 0 || len(o.public) > 0 {
		ports, addrs := "any port", []string{}
		if passive.FirstPort != 0 {
			ports = fmt.Sprintf("%d-%d", passive.FirstPort, passive.LastPort)
		}
		for _, p := range o.public {
			addrs = append(addrs, p.String())
		}
		if len(addrs) == 0 {
			addrs = []string{"the address that the client connected to"}
		}
		fmt.Fprintf(w, "passive\t%s\t%s\n", ports, strings.Join(addrs, ", "))
	}
	o.previewCertificates(w)
	previewAccounts(w, "", a)
	for _, h := range o.hooks {
		fmt.Fprintf(w, "hook\t%s\t%s\t%s\n", h.name, h.purpose(), h.place)
	}
	for _, name := range slices.Sorted(maps.Keys(a.hosts)) {
		fmt.Fprintf(w, "host\t%s\n", name)
		previewAccounts(w, "  ", a.hosts[name])
	}
	return w.Flush()
}

// purpose says what a hook is for.
func (h *hook) purpose() string {
	when := "told after "
	if h.wait {
		when = "asked before "
	}
	when += strings.Join(h.on, ", ")
	if h.users != nil {
		when += " of " + strings.Join(h.users, ", ")
	}
	if h.paths != nil {
		when += " in " + strings.Join(h.paths, ", ")
	}
	return when
}

func (o *options) previewCertificates(w io.Writer) {
	for _, p := range o.tls.loaded {
		leaf := p.current.Load().Leaf
		names := strings.Join(leaf.DNSNames, ", ")
		fmt.Fprintf(w, "certificate\t%s\t%s\t%s\n", cmp.Or(names, leaf.Subject.CommonName), expiry(leaf.NotAfter), p.certFile)
	}
	for _, name := range o.tls.acme {
		fmt.Fprintf(w, "certificate\t%s\tissued by ACME, and renewed\n", name)
	}
	if o.tls.own == "self-signed" {
		until := "made at the start"
		if cert, file := o.tls.keptCertificate(); cert != nil {
			until = expiry(cert.Leaf.NotAfter) + "\t" + file
		}
		fmt.Fprintf(w, "certificate\tself-signed\t%s\n", until)
	}
}

// keptCertificate is the certificate of our own that an earlier start has made, nil for
// none.
func (t *tlsOptions) keptCertificate() (*tls.Certificate, string) {
	places := []place{{dir: t.dir}}
	if t.dir == "" {
		places = t.usual()
	}
	for _, at := range places {
		file := filepath.Join(at.dir, ownCertificate)
		if cert, err := tls.LoadX509KeyPair(file, file); err == nil {
			return &cert, file
		}
	}
	return nil, ""
}

// told are the certificates for administrators.
func (t *tlsOptions) told() (all []admin.Certificate) {
	add := func(leaf *x509.Certificate) {
		names := leaf.DNSNames
		if len(names) == 0 {
			names = []string{leaf.Subject.CommonName}
		}
		days := int(math.Floor(time.Until(leaf.NotAfter).Hours() / 24))
		all = append(all, admin.Certificate{Names: names, Until: leaf.NotAfter, Days: days})
	}
	for _, p := range t.loaded {
		add(p.current.Load().Leaf)
	}
	if t.ours != nil {
		add(t.ours.current.Load().Leaf)
	}
	for _, name := range t.acme {
		if cert, err := t.issued(&tls.ClientHelloInfo{ServerName: name}); err == nil && cert.Leaf != nil {
			add(cert.Leaf)
		}
	}
	return all
}

func expiry(at time.Time) string {
	days := int(time.Until(at).Hours() / 24)
	if time.Now().After(at) {
		return "expired on " + at.Format(time.DateOnly)
	}
	return fmt.Sprintf("expires on %s (in %d days)", at.Format(time.DateOnly), days)
}

func previewAccounts(w io.Writer, indent string, a *accounts) {
	if a.anonymous != nil {
		fmt.Fprintf(w, "%sanonymous\t\t%s\t%s\n", indent, rightsInWords(a.anonymous.rights), a.anonymous.root)
	}
	for _, name := range slices.Sorted(maps.Keys(a.byName)) {
		own := a.byName[name]
		fmt.Fprintf(w, "%suser\t%s\t%s\t%s\t%s\n", indent, name, rightsInWords(own.rights), own.root, strings.Join(own.notes(), ", "))
	}
}

// notes say where a user stands, and how his logins are limited.
func (a *account) notes() []string {
	notes := []string{a.place}
	add := func(given bool, format string, args ...any) {
		if given {
			notes = append(notes, fmt.Sprintf(format, args...))
		}
	}
	zone := a.admission.location().String()
	add(a.closed(), "locked")
	add(a.maxSessions > 0, "sessions %d", a.maxSessions)
	add(a.rates != host.Rates{}, "rate %s:%s", sizeText(a.rates.Up), sizeText(a.rates.Down))
	add(a.quota != quota.Limits{}, "quota %s:%s", sizeText(a.quota.Bytes), strconv.FormatInt(a.quota.Files, 10))
	add(a.charset != "", "charset %s", a.charset)
	add(a.listZone != nil, "list-time-zone %v", a.listZone)
	add(a.listOwner != "", "owner %s:%s", a.listOwner, a.listGroup)
	if a.umask != nil {
		add(true, "umask %03o", *a.umask)
	}
	add(len(a.admission.networks) > 0, "from %v", a.admission.networks)
	add(a.admission.tls, "TLS required")
	add(a.totp != "", "code behind the password")
	add(a.certificate != "", "certificate %q", a.certificate)
	add(!a.admission.after.IsZero(), "from %s on", a.admission.after.Format(time.RFC3339))
	add(!a.admission.before.IsZero(), "until %s", a.admission.before.Format(time.RFC3339))
	for _, r := range a.rules {
		add(true, "rule %s", ruleText(r))
	}
	for _, day := range a.admission.weekdays {
		add(true, "%v (%s)", day, zone)
	}
	for _, s := range a.admission.hours {
		add(true, "hours %s (%s)", s, zone)
	}
	return notes
}

// rightsInWords writes rights as [host.ParseRights] reads them, by one word if there is one.
func rightsInWords(rights host.Rights) string {
	for _, word := range []string{"ro", "rw", "wo"} {
		if all, _ := host.ParseRights(word); all == rights {
			return word
		}
	}
	return rightsOneByOne(rights)
}

// rightsOneByOne writes a word for each right.
func rightsOneByOne(rights host.Rights) string {
	var words []string
	for _, word := range []string{"read", "list", "write", "delete", "rename", "mkdir", "admin"} {
		if one, _ := host.ParseRights(word); rights&one != 0 {
			words = append(words, word)
		}
	}
	return strings.Join(words, ",")
}
