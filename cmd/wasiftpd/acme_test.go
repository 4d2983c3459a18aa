package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/caddyserver/certmagic"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"wasiftp/tests/script"
)

// names is a DNS server by which every name is this machine's.
func names(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: l, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, question *dns.Msg) {
		reply := new(dns.Msg).SetReply(question)
		if q := question.Question[0]; q.Qtype == dns.TypeA {
			reply.Answer = []dns.RR{&dns.A{
				Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1),
			}}
		}
		w.WriteMsg(reply)
	})}
	go server.ActivateAndServe()
	t.Cleanup(func() { server.Shutdown() })
	return l.Addr().String()
}

// A CA validates us by each of the two challenges, and issues a certificate; the next
// start uses the one that was kept.
func TestACME(t *testing.T) {
	t.Parallel()
	for _, challenge := range []string{"http", "tls"} {
		t.Run(challenge, func(t *testing.T) {
			t.Parallel()
			httpPort, tlsPort := script.FreePorts(t, 1), script.FreePorts(t, 1)
			quiet, store := log.New(io.Discard, "", 0), db.NewMemoryStore()
			authority := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {}})
			front := wfe.New(quiet, store, va.New(quiet, httpPort, tlsPort, false, names(t), store), authority, nil, false, false, 0, 0)
			pebble := httptest.NewTLSServer(front.Handler())
			defer pebble.Close()
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM(authority.GetRootCert(0).PEM())

			p := program{tuneACME: func(issuer *certmagic.ACMEIssuer) {
				issuer.TrustedRoots = x509.NewCertPool()
				issuer.TrustedRoots.AddCert(pebble.Certificate())
				issuer.ListenHost = "127.0.0.1"
				issuer.AltHTTPPort, issuer.AltTLSALPNPort = httpPort, tlsPort
				issuer.DisableHTTPChallenge, issuer.DisableTLSALPNChallenge = challenge == "tls", challenge == "http"
			}}
			kept := filepath.Join(t.TempDir(), "kept")
			host := challenge + ".example.org" // certmagic mixes up the two challenges of one host
			for range 2 {
				s := p.start(t, "--root", t.TempDir(), "--tls-acme", host, "--tls-acme-ca", pebble.URL+wfe.DirectoryPath,
					"--tls-dir", kept, "--implicit-listen", "127.0.0.1:0")
				s.log.until("certificate loaded")
				s.dialTLS(&tls.Config{RootCAs: roots, ServerName: host})
				s.dialTLS(&tls.Config{InsecureSkipVerify: true}) // sends no server name
				s.interrupt()
				s.wait()
				pebble.Close()
			}
		})
	}
}
