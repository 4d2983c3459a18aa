package main

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// certificates are those that the server shows. Their files may change while it runs.
type certificates []*pair

// pair is a certificate and its key; both may stand in one file.
type pair struct {
	certFile, keyFile string
	host              string // the virtual host that it is for; "" is any
	current           atomic.Pointer[tls.Certificate]
	last              string // the outcome of the latest load: the content's hash or the fault
	logger            *slog.Logger
	looked            sync.Once                        // at who can read the key
	warnedOf          atomic.Pointer[x509.Certificate] // nil while current is valid by the clock
}

// loadCertificates loads all pairs, or those before the first that can't be used, and its fault.
func loadCertificates(certFiles, keyFiles []string, logger *slog.Logger) (certificates, error) {
	var c certificates
	for i := range certFiles {
		p := &pair{certFile: certFiles[i], keyFile: keyFiles[i], logger: logger}
		if _, err := p.load(logger); err != nil {
			return c, err
		}
		c = append(c, p)
	}
	return c, nil
}

// get is [tls.Config]'s GetCertificate.
func (c certificates) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	p := c.choose(hello)
	p.checkTime()
	return p.current.Load(), nil
}

// choose picks the pair of the virtual host that the client names, else the first pair
// for any host that suits the client's server name and algorithms, else the first pair.
func (c certificates) choose(hello *tls.ClientHelloInfo) *pair {
	for _, host := range []string{strings.ToLower(hello.ServerName), ""} {
		for _, p := range c {
			if p.host == host && hello.SupportsCertificate(p.current.Load()) == nil {
				return p
			}
		}
	}
	return c[0]
}

// checkTime warns once if the current certificate is not valid now. Each handshake calls
// it: since the load the clock may have been set, or the certificate have expired.
func (p *pair) checkTime() {
	cert, now := p.current.Load().Leaf, time.Now()
	switch {
	case validAt(cert, now):
		p.warnedOf.Store(nil)
	case p.warnedOf.Swap(cert) == cert:
	case now.After(cert.NotAfter):
		p.logger.Warn("the certificate has expired", "file", p.certFile, "at", cert.NotAfter)
	default:
		p.logger.Warn("the certificate is not valid yet", "file", p.certFile, "until", cert.NotBefore)
	}
}

// load implements [followed].
func (p *pair) load(logger *slog.Logger) (changed bool, err error) {
	cert, hash, err := p.read()
	if err != nil {
		hash = err.Error()
	}
	changed, p.last = p.last != hash, hash
	if err != nil || !changed {
		return changed, err
	}
	p.current.Store(cert)
	p.checkTime()
	return true, nil
}

func (p *pair) read() (*tls.Certificate, string, error) {
	certPEM, err := os.ReadFile(p.certFile)
	if err != nil {
		return nil, "", fmt.Errorf("cannot read the certificate: %w", err)
	}
	keyPEM, err := os.ReadFile(p.keyFile)
	if err != nil {
		return nil, "", fmt.Errorf("cannot read the key: %w", err)
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, "", fmt.Errorf("cannot use the certificate in %s with the key in %s: %w", p.certFile, p.keyFile, err)
	}
	return &cert, fmt.Sprintf("%x %x", sha256.Sum256(certPEM), sha256.Sum256(keyPEM)), nil
}

// fingerprint is the certificate's SHA-256 as clients show it.
func fingerprint(cert *tls.Certificate) string {
	sum := sha256.Sum256(cert.Leaf.Raw)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}

func (p *pair) files() []string { return []string{p.certFile, p.keyFile} }
func (p *pair) label() string   { return "certificate" }

func (p *pair) logAttrs() []any {
	return []any{"file", p.certFile, "SHA-256", fingerprint(p.current.Load())}
}
