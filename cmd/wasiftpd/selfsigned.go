package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// ownCertificate is the name of the file with our self-signed certificate and its key.
const ownCertificate = "self-signed.pem"

// selfSigned returns the path of the file with our self-signed certificate and its key.
// It makes the certificate once, because clients remember the fingerprint, and again only
// if the certificate is not valid now. The names and addresses in public are in a new one.
func (t *tlsOptions) selfSigned(public []string, logger *slog.Logger) (string, error) {
	dir, err := t.privateDir(logger)
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, ownCertificate)
	_, err = os.Stat(file)
	switch old, unusable := tls.LoadX509KeyPair(file, file); {
	case errors.Is(err, fs.ErrNotExist):
		_, err = makeOwn(file, public)
	case err == nil && unusable == nil && !validAt(old.Leaf, time.Now()):
		renew(file, old.Leaf, public, logger)
	}
	return file, err // the fault of an unusable file comes when it is loaded
}

// tellMissing logs which of the public names and addresses a certificate of our own lacks. It
// stays, for a new one would surprise all clients that have pinned it.
func tellMissing(own *pair, public []string, logger *slog.Logger) {
	cert := own.current.Load()
	missing := slices.DeleteFunc(slices.Clone(public), func(name string) bool { return cert.Leaf.VerifyHostname(name) == nil })
	if len(missing) > 0 {
		logger.Info("our own certificate lacks names of --public-address and stays, as clients may have pinned it; for a new "+
			"one that has them remove the file and restart", "names", strings.Join(missing, ", "), "file", own.certFile)
	}
}

func validAt(cert *x509.Certificate, now time.Time) bool {
	return !now.Before(cert.NotBefore) && !now.After(cert.NotAfter)
}

// withRenewal returns get with a renewal before it: own, a self-signed certificate, is made
// again if it is not valid now. The clock may have been set since it was made.
func withRenewal(get getCertificate, own *pair, public []string, logger *slog.Logger) getCertificate {
	const pause = time.Minute // after a failure
	var mu sync.Mutex
	var failed time.Time
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		mu.Lock()
		if old := own.current.Load().Leaf; !validAt(old, time.Now()) && (failed.IsZero() || time.Since(failed) > pause) {
			if cert := renew(own.certFile, old, public, logger); cert != nil {
				own.current.Store(cert)
			} else {
				failed = time.Now()
			}
		}
		mu.Unlock()
		return get(hello)
	}
}

// renew makes a new certificate in the place of old. It returns nil if it can't.
func renew(file string, old *x509.Certificate, public []string, logger *slog.Logger) *tls.Certificate {
	cert, err := makeOwn(file, public)
	if err != nil {
		logger.Warn("our own certificate is not valid at this time, and stays", "file", file, "err", err)
		return nil
	}
	logger.Warn("our own certificate was not valid at this time and is made anew; clients will ask whether its "+
		"fingerprint is right", "file", file, "was valid from", old.NotBefore, "until", old.NotAfter, "SHA-256", fingerprint(cert))
	return cert
}

// makeOwn makes a file with a new self-signed certificate and its key.
func makeOwn(file string, public []string) (*tls.Certificate, error) {
	content, err := makeCertificate(public, time.Now())
	if err == nil {
		err = replaceFile(file, content)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot make a certificate: %w; choose a folder for it with --tls-dir", err)
	}
	cert, err := tls.X509KeyPair(content, content)
	return &cert, err
}

// lifetime is long, because everyone has to be told the fingerprint of a new certificate.
const lifetime = 10 * 365 * 24 * time.Hour

// A device without a battery starts in 1970, and has its clock set later. So that its
// certificate is valid at both times, all are valid from longAgo on, and lifetime counts
// from alreadyPast if the clock shows an earlier time, as no right clock does.
var (
	longAgo     = time.Unix(0, 0)
	alreadyPast = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

// makeCertificate makes a key and a self-signed certificate, as PEM. It is for this machine,
// and for the names and addresses in public.
func makeCertificate(public []string, now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if now.Before(alreadyPast) {
		now = alreadyPast
	}
	name, err := os.Hostname()
	if err != nil {
		name = "wasiftpd"
	}
	template := x509.Certificate{
		Subject:   pkix.Name{CommonName: name},
		NotBefore: longAgo, NotAfter: now.Add(lifetime),
		DNSNames:    []string{name, "localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range public {
		if addr := net.ParseIP(name); addr != nil {
			template.IPAddresses = append(template.IPAddresses, addr)
		} else if !slices.Contains(template.DNSNames, name) {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	cert, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return slices.Concat(
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	), nil
}
