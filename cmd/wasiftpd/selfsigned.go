package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// selfSigned is the file that has a certificate of our own making and its key.
// It is made once: clients remember its fingerprint.
func (t *tlsOptions) selfSigned(public netip.Addr) (string, error) {
	dir, err := t.keep()
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "self-signed.pem")
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	content, err := makeCertificate(public)
	if err == nil {
		err = writeWhole(file, content)
	}
	if err != nil {
		return "", fmt.Errorf("cannot make a certificate: %w", err)
	}
	return file, nil
}

// lifetime is long, because with each new certificate everyone has to be told
// its fingerprint again.
const lifetime = 10 * 365 * 24 * time.Hour

// makeCertificate makes the key and the certificate, as PEM.
func makeCertificate(public netip.Addr) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	name, err := os.Hostname()
	if err != nil {
		name = "wasiftpd"
	}
	template := x509.Certificate{
		Subject:   pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(lifetime),
		DNSNames:    []string{name, "localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if public.IsValid() {
		template.IPAddresses = append(template.IPAddresses, public.AsSlice())
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

// writeWhole writes a file that only we may read, or none.
func writeWhole(file string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".new-*") // made with 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
