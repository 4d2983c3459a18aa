package main

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// certificates are what the server shows: one pair of files for each, which
// may change while it runs.
type certificates []*pair

// pair is a certificate and its key; both may stand in one file.
type pair struct {
	certFile, keyFile string
	host              string // the virtual host it is for, "" for any
	current           atomic.Pointer[tls.Certificate]
	last              string // what came of the latest load: the content's hash or the fault
}

// loadCertificates reads all pairs, or finds the first that can't be used.
func loadCertificates(certFiles, keyFiles []string, logger *slog.Logger) (certificates, error) {
	var c certificates
	for i := range certFiles {
		p := &pair{certFile: certFiles[i], keyFile: keyFiles[i]}
		if _, err := p.load(logger); err != nil {
			return nil, err
		}
		c = append(c, p)
	}
	return c, nil
}

// get is [tls.Config]'s GetCertificate: the virtual host's own, else the first
// that suits the name and the algorithms of the client, and else the first.
func (c certificates) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	for _, host := range []string{strings.ToLower(hello.ServerName), ""} {
		for _, p := range c {
			if cert := p.current.Load(); p.host == host && hello.SupportsCertificate(cert) == nil {
				return cert, nil
			}
		}
	}
	return c[0].current.Load(), nil
}

// load is [followed]'s.
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
	if now := time.Now(); now.After(cert.Leaf.NotAfter) {
		logger.Warn("the certificate has expired", "file", p.certFile, "at", cert.Leaf.NotAfter)
	} else if now.Before(cert.Leaf.NotBefore) {
		logger.Warn("the certificate is not valid yet", "file", p.certFile, "until", cert.Leaf.NotBefore)
	}
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
func (p *pair) what() string    { return "certificate" }

func (p *pair) news() []any {
	return []any{"file", p.certFile, "SHA-256", fingerprint(p.current.Load())}
}
