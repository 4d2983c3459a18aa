package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/pflag"

	"wasiftp/host"
)

// tlsOptions are what the flags about TLS say.
type tlsOptions struct {
	own        string   // "off", "self-signed" or "" when not given
	certs      []string // files
	keys       []string // theirs, in the same order
	acme       []string // hosts
	acmeCA     string   // a URL, "" for Let's Encrypt's
	dir        string
	implicit   []string // addresses
	min        string
	require    string
	resumption string
	clientCA   string
	clientAuth string // "require", "login" or "" when not given

	fingerprint string // of the certificate of our own
}

func (o *options) addTLSTo(f *pflag.FlagSet) {
	t := &o.tls
	f.Func("tls", "`off|self-signed`: protect sessions that ask for it by AUTH TLS\nwith a certificate of our own, made once (default off)", oneOf(&t.own, "off", "self-signed"))
	f.StringArrayVar(&t.certs, "tls-cert", nil, "protect them with the certificate in `FILE`, PEM with its chain;\nrepeatable, the client's SNI then picks one")
	f.StringArrayVar(&t.keys, "tls-key", nil, "its key is in `FILE`. Both are loaded again when they change,\nand on SIGHUP")
	f.StringArrayVar(&t.acme, "tls-acme", nil, "have a certificate for `HOST` issued by Let's Encrypt, whose terms\n"+
		"you thereby accept, and renewed; repeatable. It must reach port\n80 or 443 of this machine, which must be free")
	f.StringVar(&t.acmeCA, "tls-acme-ca", "", "have them issued by the ACME server with the directory `URL`")
	f.StringVar(&t.dir, "tls-dir", "", "keep such certificates, and that of our own, in `DIR`\n(default wasiftpd in your configuration folder)")
	f.Func("implicit-listen", "listen on `ADDR` for clients that begin with TLS; repeatable,\n:990 by custom; without --listen nothing else is listened on", listenTo(&t.implicit))
	f.Func("tls-require", "what must be protected: `off|login|control|data`, each with\nthose before it (default off)", oneOf(&t.require, "off", "login", "control", "data"))
	f.Func("tls-min", "the oldest TLS: `1.2|1.3` (default 1.2)", oneOf(&t.min, "1.2", "1.3"))
	f.Func("tls-data-resumption", "`prefer|require|off`: log, refuse or ignore data connections\n"+
		"that do not resume the TLS session of their control connection\n(default prefer)", oneOf(&t.resumption, "prefer", "require", "off"))
	f.BoolVar(&o.config.TLS.LenientClose, "tls-lenient-close", false, "take an upload for complete whose client ends TLS without saying\nso, as old ones do; whoever cuts the connection then shortens it")
	f.StringVar(&t.clientCA, "tls-client-ca", "", "ask for client certificates issued by those in `FILE`")
	f.Func("tls-client-auth", "what they are for: `require|login`. require: nobody gets in without\n"+
		"one, and the password (default). login: one whose common name is\nthe user's lets him in whatever the password; others need theirs", oneOf(&t.clientAuth, "require", "login"))
}

const giveTLS = "give --tls-cert and --tls-key, --tls-acme, or --tls self-signed"

// check finds flags that contradict or need each other.
func (t *tlsOptions) check() error {
	n := min(len(t.certs), len(t.keys))
	switch {
	case len(t.certs) > n:
		return fmt.Errorf("the certificate %s has no key; give --tls-key for each --tls-cert, in the same order", t.certs[n])
	case len(t.keys) > n:
		return fmt.Errorf("the key %s has no certificate; give --tls-cert for each --tls-key, in the same order", t.keys[n])
	case t.own != "" && n+len(t.acme) > 0 || n > 0 && len(t.acme) > 0:
		return errors.New("--tls, --tls-cert and --tls-acme exclude each other; give one")
	case t.acmeCA != "" && len(t.acme) == 0:
		return errors.New("--tls-acme-ca needs --tls-acme")
	case t.clientAuth != "" && t.clientCA == "":
		return errors.New("--tls-client-auth needs --tls-client-ca")
	case t.on():
		return nil
	case len(t.implicit) > 0:
		return errors.New("--implicit-listen needs TLS; " + giveTLS)
	case t.require != "" && t.require != "off":
		return errors.New("--tls-require needs TLS; " + giveTLS)
	case t.clientCA != "":
		return errors.New("--tls-client-ca needs TLS; " + giveTLS)
	}
	return nil
}

// clientsBy says what client certificates are for, "" for nothing.
func (t *tlsOptions) clientsBy() string {
	if t.clientCA != "" && t.clientAuth == "" {
		return "require"
	}
	return t.clientAuth
}

// on says whether there is TLS at all.
func (t *tlsOptions) on() bool { return t.own == "self-signed" || len(t.certs)+len(t.acme) > 0 }

// setUp has the certificates and writes into the server's configuration how
// they are used. Until ctx ends they are kept new.
func (p *program) setUpTLS(ctx context.Context, o *options, logger *slog.Logger) error {
	t := &o.tls
	if err := t.check(); err != nil {
		return usageError{err}
	}
	if !t.on() {
		return nil
	}
	get, err := p.certificates(ctx, o, logger)
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
	if t.clientCA == "" {
		return nil
	}
	return t.askClients(config)
}

func (p *program) certificates(ctx context.Context, o *options, logger *slog.Logger) (getCertificate, error) {
	t := &o.tls
	if len(t.acme) > 0 {
		return p.issued(ctx, t, logger)
	}
	certs, keys := t.certs, t.keys
	if t.own == "self-signed" {
		file, err := selfSigned(t.dir, o.config.Passive.PublicAddress)
		if err != nil {
			return nil, err
		}
		certs, keys = []string{file}, []string{file}
	}
	loaded, err := loadCertificates(certs, keys, logger)
	if err != nil {
		return nil, err
	}
	if t.own == "self-signed" {
		t.fingerprint = fingerprint(loaded[0].current.Load())
	}
	go loaded.follow(ctx, p.hangups(), logger)
	return loaded.get, nil
}

// askClients asks clients for certificates.
func (t *tlsOptions) askClients(config *host.TLS) error {
	content, err := os.ReadFile(t.clientCA)
	if err != nil {
		return fmt.Errorf("cannot read the clients' CA: %w; give another with --tls-client-ca", err)
	}
	config.Config.ClientCAs = x509.NewCertPool()
	if !config.Config.ClientCAs.AppendCertsFromPEM(content) {
		return fmt.Errorf("there is no certificate in %s; give another with --tls-client-ca", t.clientCA)
	}
	config.Config.ClientAuth = tls.VerifyClientCertIfGiven
	if t.clientsBy() == "require" {
		config.Config.ClientAuth = tls.RequireAndVerifyClientCert
		config.Require = max(config.Require, host.TLSForLogin) // or they could do without
	}
	return nil
}

// shownName is the common name of the client's certificate, if it was verified.
func shownName(state *tls.ConnectionState) (name string, ok bool) {
	if state == nil || len(state.VerifiedChains) == 0 {
		return "", false
	}
	return state.PeerCertificates[0].Subject.CommonName, true
}
