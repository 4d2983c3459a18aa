package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
)

// clientCA is the file of --tls-client-ca: the certificates of the CAs that issue those
// of clients.
type clientCA struct {
	file    string
	current atomic.Pointer[x509.CertPool]
	last    string // the outcome of the latest load: the content's hash or the fault
}

func (c *clientCA) files() []string { return []string{c.file} }
func (c *clientCA) label() string   { return "clients' CA" }
func (c *clientCA) logAttrs() []any { return []any{"file", c.file} }

// load implements [followed].
func (c *clientCA) load(*slog.Logger) (changed bool, err error) {
	pool, hash, err := c.read()
	if c.last != "" && c.last != hash && unsettled(c.file) {
		return false, errUnsettled
	}
	if err != nil {
		hash = err.Error()
	}
	changed, c.last = c.last != hash, hash
	if err == nil && changed {
		c.current.Store(pool)
	}
	return changed, err
}

func (c *clientCA) read() (*x509.CertPool, string, error) {
	content, err := os.ReadFile(c.file)
	if err != nil {
		return nil, "", blame("tls-client-ca", c.file,
			fmt.Errorf("cannot read the clients' CA: %w; give another with --tls-client-ca", err))
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, "", blame("tls-client-ca", c.file,
			fmt.Errorf("there is no certificate in %s; give another file with --tls-client-ca", c.file))
	}
	return pool, contentHash(content), nil
}

// ask makes config ask clients for a certificate, and verify it against the CAs that are
// loaded at the time of the handshake.
func (c *clientCA) ask(config *tls.Config, how tls.ClientAuthType) {
	config.ClientAuth, config.ClientCAs = how, c.current.Load()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now := config.Clone()
		now.GetConfigForClient, now.ClientCAs = nil, c.current.Load()
		return now, nil
	}
}
