package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
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

// load reads the pair and says whether that brought anything new. When it fails
// the old certificate stays.
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

// settleTime is how long after a change the files are read: a certificate and
// its key come one after the other.
const settleTime = 200 * time.Millisecond

// follow loads the pairs again when their folders change, or at a hangup, until
// ctx ends. The folders and not the files are watched, because new files are
// mostly renamed over old ones, or links to them are.
func (c certificates) follow(ctx context.Context, hangups <-chan os.Signal, logger *slog.Logger) {
	changes, faults := c.watch(ctx, logger)
	c.reload(logger) // what changed before it was watched
	var settled <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-changes:
			if settled == nil {
				settled = time.After(settleTime)
			}
		case err, ok := <-faults:
			if ok {
				logger.Warn("changes of certificates may have been missed", "err", err)
			}
		case <-settled:
			settled = nil
			c.reload(logger)
		case <-hangups:
			c.reload(logger)
		}
	}
}

// watch gives the changes in the folders of all pairs, until ctx ends.
func (c certificates) watch(ctx context.Context, logger *slog.Logger) (<-chan fsnotify.Event, <-chan error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		logger.Warn("changes of certificates go unseen", "err", err)
		return nil, nil
	}
	context.AfterFunc(ctx, func() { watcher.Close() })
	for _, p := range c {
		for _, file := range []string{p.certFile, p.keyFile} {
			if err := watcher.Add(filepath.Dir(file)); err != nil {
				logger.Warn("changes of certificates go unseen", "file", file, "err", err)
			}
		}
	}
	return watcher.Events, watcher.Errors
}

func (c certificates) reload(logger *slog.Logger) {
	for _, p := range c {
		changed, err := p.load(logger)
		switch {
		case !changed:
		case err != nil:
			logger.Warn("the old certificate stays", "err", err)
		default:
			logger.Info("certificate loaded", "file", p.certFile, "SHA-256", fingerprint(p.current.Load()))
		}
	}
}
