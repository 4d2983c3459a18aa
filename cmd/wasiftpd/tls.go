package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/caddyserver/certmagic"
	"github.com/spf13/pflag"

	"wasiftp/host"
)

// tlsOptions are the values of the flags about TLS.
type tlsOptions struct {
	own        string   // "off", "self-signed" or "" when not given
	certs      []string // files
	keys       []string // those of certs, in the same order
	acme       []string // hosts
	acmeCA     string   // a URL, "" for Let's Encrypt's
	dir        string
	implicit   []string // addresses
	require    string
	min        string
	resumption string
	close      string
	clientCA   string
	clientAuth string        // "require", "login" or "" when not given
	hosts      []virtualHost // those with a certificate

	inUse
}

// inUse is what was set up from the flags about TLS. A reload goes on with it.
type inUse struct {
	loaded      certificates   // those of certs, and then those of hosts
	issuers     *clientCA      // of clients' certificates; nil asks for none
	kept        string         // our private folder for certificates; "" is none
	ours        *pair          // our self-signed certificate; nil is none
	fingerprint string         // that of ours; "" is none
	challenges  []listener     // for ACME, opened while the process was root
	issued      getCertificate // those by ACME; nil is none
}

// followed are the files with certificates.
func (t *tlsOptions) followed() (all []followed) {
	for _, p := range t.loaded {
		all = append(all, p)
	}
	if t.issuers != nil {
		all = append(all, t.issuers)
	}
	if t.ours != nil {
		all = append(all, t.ours)
	}
	return all
}

func (o *options) addTLSTo(f *pflag.FlagSet) {
	t := &o.tls
	f.Func("tls", "`off|self-signed`: protect those who ask for it by AUTH TLS with a\ncertificate of our own, "+
		"made once (default off)", oneOf(&t.own, "off", "self-signed"))
	f.StringArrayVar(&t.certs, "tls-cert", nil, "protect them with the certificate in `FILE`, PEM with its "+
		"chain;\nrepeatable, and the name the client asks for picks one")
	f.StringArrayVar(&t.keys, "tls-key", nil, "its key is in `FILE`; repeatable. Both are loaded again when they\n"+
		"change, and on SIGHUP")
	f.Func("tls-acme", "have a certificate for `HOST` issued by Let's Encrypt, whose terms\n"+
		"you accept by this, and renewed; repeatable. Port 80 or 443 of\nthis machine must be free, and open to "+
		"the world", t.setACME)
	f.Func("tls-acme-ca", "have it issued by the ACME server with the directory `URL`", t.setACMECA)
	f.StringVar(&t.dir, "tls-dir", "", "keep issued certificates, and that of our own, in `DIR`\n"+
		"(default wasiftpd in your configuration folder, else systemd's\nstate folder, else /var/lib/wasiftpd)")
	f.Func("implicit-listen", "listen on `ADDR` for clients that begin with TLS; repeatable, :990\nby custom. "+
		"Without --listen there is then no other listener", listenTo(&t.implicit))
	f.Func("tls-require", "what must be protected: `off|login|control|data`, each with those\nbefore it (default "+
		"off)", oneOf(&t.require, "off", "login", "control", "data"))
	f.Func("tls-min", "the oldest TLS spoken: `1.2|1.3` (default 1.2)", oneOf(&t.min, "1.2", "1.3"))
	f.Func("tls-data-resumption", "data connections that don't resume the TLS session of their\n"+
		"control connection are logged, refused or ignored:\n`prefer|require|off` (default prefer)",
		oneOf(&t.resumption, "prefer", "require", "off"))
	f.Func("tls-close", "an upload whose client ends the connection but not TLS is logged\n"+
		"with tls_closed=false, or refused: `prefer|require` (default prefer).\n"+
		"With prefer, whoever can cut the connection can shorten the file;\n"+
		"with require, many clients cannot upload under TLS", oneOf(&t.close, "prefer", "require"))
	f.BoolFunc("tls-lenient-close", "", t.setLenientClose)
	f.MarkHidden("tls-lenient-close") // the old name of --tls-close prefer
	f.StringVar(&t.clientCA, "tls-client-ca", "", "ask for client certificates issued by those in `FILE`, which "+
		"is\nloaded again as certificates are")
	f.Func("tls-client-auth", "what they are for: `require|login`. require: nobody gets in without\n"+
		"one, nor without his password (default). login: one with the\n"+
		"common name of a user lets that user in whatever the password;\nwithout one the password counts",
		oneOf(&t.clientAuth, "require", "login"))
}

func (t *tlsOptions) setLenientClose(s string) error {
	lenient, err := strconv.ParseBool(s)
	if t.close = "require"; lenient {
		t.close = "prefer"
	}
	return err
}

func (t *tlsOptions) setACME(s string) error {
	if !certmagic.SubjectQualifiesForCert(s) || strings.Contains(s, "*") {
		return fmt.Errorf("%q is no host such as ftp.example.org", s)
	}
	t.acme = append(t.acme, s)
	return nil
}

func (t *tlsOptions) setACMECA(s string) error {
	if u, err := url.Parse(s); err != nil || u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q is no URL such as https://ca.example.org/acme/directory", s)
	}
	t.acmeCA = s
	return nil
}

// on says whether the server offers TLS.
func (t *tlsOptions) on() bool {
	return t.own == "self-signed" || len(t.certs)+len(t.acme)+len(t.hosts) > 0
}

// clientAuthMode is "require", "login", or "" if clients are asked for no certificate.
func (t *tlsOptions) clientAuthMode() string {
	if t.clientCA != "" && t.clientAuth == "" {
		return "require"
	}
	return t.clientAuth
}

// check finds flags that contradict or need each other.
func (t *tlsOptions) check() error {
	n := min(len(t.certs), len(t.keys))
	switch {
	case len(t.certs) > n:
		return blame("tls-cert", t.certs[n],
			fmt.Errorf("the certificate %s has no key; give --tls-key for each --tls-cert, in the same order", t.certs[n]))
	case len(t.keys) > n:
		return blame("tls-key", t.keys[n],
			fmt.Errorf("the key %s has no certificate; give --tls-cert for each --tls-key, in the same order", t.keys[n]))
	case t.own != "" && n+len(t.acme) > 0, n > 0 && len(t.acme) > 0, len(t.hosts) > 0 && (t.own == "off" || len(t.acme) > 0):
		return errors.New("--tls, --tls-cert and --tls-acme exclude each other, and --tls off and --tls-acme the " +
			"cert of --host; give one")
	case t.acmeCA != "" && len(t.acme) == 0:
		return blame("tls-acme-ca", t.acmeCA, errors.New("--tls-acme-ca needs --tls-acme"))
	case t.clientAuth != "" && t.clientCA == "":
		return blame("tls-client-auth", t.clientAuth, errors.New("--tls-client-auth needs --tls-client-ca"))
	}
	for _, f := range []struct {
		name  string
		given bool
	}{
		{"implicit-listen", len(t.implicit) > 0},
		{"tls-require", t.require != "" && t.require != "off"},
		{"tls-client-ca", t.clientCA != ""},
	} {
		if f.given && !t.on() {
			return blame(f.name, "", fmt.Errorf("--%s needs TLS; give --tls-cert and --tls-key, --tls-acme, or --tls self-signed", f.name))
		}
	}
	return nil
}

// readTLS checks the flags, and loads the files that they name, but for those in use. It
// comes before the change of the user, since only root may be able to read keys.
func (o *options) readTLS(logger *slog.Logger) error {
	t := &o.tls
	if err := t.check(); err != nil {
		return usageError{err}
	}
	var loaded certificates
	add := func(cert, key, host string) error {
		p, err := t.pair(cert, key, host, logger)
		if err != nil {
			return t.blameFor(len(loaded), err)
		}
		loaded = append(loaded, p)
		return nil
	}
	for i, cert := range t.certs {
		if err := add(cert, t.keys[i], ""); err != nil {
			return err
		}
	}
	for _, h := range t.hosts {
		if err := add(h.cert, h.key, h.name); err != nil {
			return err
		}
	}
	t.loaded = loaded
	if t.clientCA == "" {
		t.issuers = nil
		return nil
	}
	if t.issuers != nil && t.issuers.file == t.clientCA {
		return nil
	}
	t.issuers = &clientCA{file: t.clientCA}
	_, err := t.issuers.load(logger)
	return err
}

// pair is the certificate of two files for a virtual host, "" for any: the one in use, else
// it is loaded.
func (t *tlsOptions) pair(cert, key, host string, logger *slog.Logger) (*pair, error) {
	for _, p := range t.loaded {
		if p.certFile == cert && p.keyFile == key && p.host == host {
			return p, nil
		}
	}
	loaded, err := loadCertificates([]string{cert}, []string{key}, logger)
	if err != nil {
		return nil, err
	}
	p := loaded[0]
	p.host = host
	if host != "" {
		if err := p.current.Load().Leaf.VerifyHostname(host); err != nil {
			logger.Warn("the certificate is not the host's, and will not be shown", "host", host, "err", err)
		}
	}
	return p, nil
}

// blameFor is a fault of the certificate at an index of those of --tls-cert and --host.
func (t *tlsOptions) blameFor(at int, err error) error {
	if at >= len(t.certs) {
		host := t.hosts[at-len(t.certs)].name
		return blame("host", host, fmt.Errorf("%w; give others in --host %s", err, host))
	}
	key, path := "tls-cert", t.certs[at]
	if fault := (*fs.PathError)(nil); errors.As(err, &fault) && fault.Path == t.keys[at] && fault.Path != path {
		key, path = "tls-key", t.keys[at]
	}
	return blame(key, path, fmt.Errorf("%w; give another with --%s", err, key))
}

// setUpTLS writes TLS into the server's configuration. It comes after the change of the
// user, who must own the certificates that we keep. Issued ones are renewed until ctx ends.
func (p *program) setUpTLS(ctx context.Context, o *options, logger *slog.Logger) error {
	t := &o.tls
	if !t.on() {
		return nil
	}
	get, err := p.certificateSource(ctx, o, logger)
	if err != nil {
		return err
	}
	config := &o.config.TLS
	config.Config = &tls.Config{GetCertificate: get, MinVersion: tls.VersionTLS12}
	if t.min == "1.3" {
		config.Config.MinVersion = tls.VersionTLS13
	}
	config.Require = map[string]host.TLSRequirement{
		"login": host.TLSForLogin, "control": host.TLSForControl, "data": host.TLSForTransfer,
	}[t.require]
	config.DataResumption = map[string]host.DataResumption{
		"require": host.RequireResumption, "off": host.IgnoreResumption,
	}[t.resumption]
	if t.close == "require" {
		config.Close = host.RequireClose
	}
	if t.issuers == nil {
		return nil
	}
	how := tls.VerifyClientCertIfGiven
	if t.clientAuthMode() == "require" {
		how = tls.RequireAndVerifyClientCert
		config.Require = max(config.Require, host.TLSForLogin) // without TLS no certificate can be shown
	}
	t.issuers.ask(config.Config, how)
	return nil
}

// getCertificate is [tls.Config]'s GetCertificate.
type getCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error)

func (p *program) certificateSource(ctx context.Context, o *options, logger *slog.Logger) (get getCertificate, err error) {
	t := &o.tls
	for _, p := range t.loaded {
		p.looked.Do(func() { warnOfReaders("key", p.keyFile, logger) })
	}
	switch {
	case len(t.acme) > 0 && t.issued == nil:
		t.issued, err = p.acmeCertificates(ctx, t, logger)
		return t.issued, err
	case len(t.acme) > 0:
		return t.issued, nil
	case t.own != "self-signed":
		return t.loaded.get, nil
	}
	if t.ours == nil {
		if err := o.loadOurs(logger); err != nil {
			return nil, err
		}
	}
	public := o.publicNames()
	tellMissing(t.ours, public, logger)
	return withRenewal(append(certificates{t.ours}, t.loaded...).get, t.ours, public, logger), nil
}

// loadOurs loads our self-signed certificate, after it has made it if there is none.
func (o *options) loadOurs(logger *slog.Logger) error {
	t := &o.tls
	file, err := t.selfSigned(o.publicNames(), logger)
	if err != nil {
		return err
	}
	own, err := loadCertificates([]string{file}, []string{file}, logger)
	if err != nil {
		return err
	}
	t.ours, t.fingerprint = own[0], fingerprint(own[0].current.Load())
	return nil
}

// privateDir returns the private folder for our certificates, after a check that nobody
// else could change them.
func (t *tlsOptions) privateDir(logger *slog.Logger) (string, error) {
	dir, err := privateDir(t.dir, t.usual(), logger)
	for _, name := range []string{ownCertificate, "acme"} {
		if err == nil {
			err = claim(filepath.Join(dir, name), logger)
		}
	}
	if err != nil {
		return "", blame("tls-dir", t.dir,
			fmt.Errorf("there is no private folder for certificates: %w; choose one with --tls-dir", err))
	}
	t.kept = dir
	return dir, nil
}

func (t *tlsOptions) usual() []place {
	return usualStates()
}

// shownName is the common name of a client's certificate, if it was verified.
func shownName(state *tls.ConnectionState) (name string, ok bool) {
	if state == nil || len(state.VerifiedChains) == 0 {
		return "", false
	}
	return state.PeerCertificates[0].Subject.CommonName, true
}
