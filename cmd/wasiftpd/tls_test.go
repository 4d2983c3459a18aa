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
	"io"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"wasiftp/host"
)

// authority issues the certificates of a test.
type authority struct {
	t     *testing.T
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
	roots *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, cert: &x509.Certificate{
		Subject: pkix.Name{CommonName: "The test's CA"}, IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}, roots: x509.NewCertPool()}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a.key = key
	der, _ := a.sign(a.cert, key)
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.roots.AddCert(a.cert)
	return a
}

func (a *authority) sign(template *x509.Certificate, key *ecdsa.PrivateKey) (cert, pkcs8 []byte) {
	a.t.Helper()
	cert, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	if pkcs8, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
		a.t.Fatal(err)
	}
	return cert, pkcs8
}

// issue makes a certificate for a name, valid from and for an hour.
func (a *authority) issue(name string, from time.Time) (certPEM, keyPEM []byte) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, pkcs8 := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: from, NotAfter: from.Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, key)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// both is a certificate and its key in one file.
func (a *authority) both(name string, from time.Time) string {
	a.t.Helper()
	cert, key := a.issue(name, from)
	return string(cert) + string(key)
}

// pem is the authority's certificate, which clients trust.
func (a *authority) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

// files writes a certificate and its key, of now, to a folder.
func (a *authority) files(dir, name string) (certFile, keyFile string) {
	a.t.Helper()
	cert, key := a.issue(name, time.Now())
	return write(a.t, dir, name+".pem", string(cert)), write(a.t, dir, name+".key", string(key))
}

// client is the configuration of a client that expects the server called name,
// and shows certificates for the names.
func (a *authority) client(name string, shows ...string) *tls.Config {
	a.t.Helper()
	c := &tls.Config{RootCAs: a.roots, ServerName: name}
	for _, name := range shows {
		cert, err := tls.X509KeyPair(a.issue(name, time.Now()))
		if err != nil {
			a.t.Fatal(err)
		}
		c.Certificates = append(c.Certificates, cert)
	}
	return c
}

// served is the certificate that a server shows to a client.
func (s *running) served(config *tls.Config) *x509.Certificate {
	s.t.Helper()
	c, err := tls.Dial("tcp", s.implicit, config)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0]
}

func startTLS(t *testing.T, args ...string) *running {
	t.Helper()
	return program{}.start(t, append([]string{"--implicit-listen", "127.0.0.1:0"}, args...)...)
}

func TestSNI(t *testing.T) {
	t.Parallel()
	dir, ca := t.TempDir(), newAuthority(t)
	args := []string{"--root", dir}
	for _, name := range []string{"one.example.org", "two.example.org"} {
		cert, key := ca.files(dir, name)
		args = append(args, "--tls-cert", cert, "--tls-key", key)
	}
	s := startTLS(t, args...)
	for asked, want := range map[string]string{
		"one.example.org": "one.example.org", "two.example.org": "two.example.org", "three.example.org": "one.example.org",
		"": "one.example.org",
	} {
		got := s.served(&tls.Config{ServerName: asked, InsecureSkipVerify: true})
		if got.Subject.CommonName != want {
			t.Errorf("%q is shown %s, want %s", asked, got.Subject.CommonName, want)
		}
	}
}

// Certificates are loaded again when their files change, unless these can't be used.
// Sessions go on.
func TestReload(t *testing.T) {
	t.Parallel()
	dir, ca := t.TempDir(), newAuthority(t)
	cert, key := ca.files(dir, "a.example.org")
	s := startTLS(t, "--root", dir, "--tls-cert", cert, "--tls-key", key)
	config := ca.client("a.example.org")
	first := s.served(config)
	d := s.dialTLS(config)

	next, nextKey := ca.issue("a.example.org", time.Now())
	for name, content := range map[string][]byte{cert: next, key: nextKey} {
		if err := os.Rename(write(t, dir, "new", string(content)), name); err != nil {
			t.Fatal(err)
		}
	}
	s.log.until(`msg="certificate loaded"`)
	second := s.served(config)
	if second.Equal(first) {
		t.Error("the old certificate is shown")
	}
	write(t, dir, filepath.Base(key), "no key")
	if log := s.log.until(`msg="the old certificate stays"`); !strings.Contains(log, "cannot use the certificate in ") ||
		!strings.Contains(log, filepath.Base(cert)) {
		t.Errorf("the log has no reason:\n%s", log)
	}
	if !s.served(config).Equal(second) {
		t.Error("another certificate is shown")
	}
	d.login("anonymous", "guest")
}

// A hangup loads a change that was not seen, here behind a link.
func TestHangup(t *testing.T) {
	t.Parallel()
	dir, ca := t.TempDir(), newAuthority(t)
	behind := write(t, t.TempDir(), "both", ca.both("a.example.org", time.Now()))
	file := filepath.Join(dir, "link")
	if err := os.Symlink(behind, file); err != nil {
		t.Skip(err) // Windows' users may not
	}
	s := startTLS(t, "--root", dir, "--tls-cert", file, "--tls-key", file)
	first := s.served(ca.client("a.example.org"))
	write(t, filepath.Dir(behind), "both", ca.both("a.example.org", time.Now()))
	s.hangup <- os.Interrupt
	s.log.until(`msg="certificate loaded"`)
	if s.served(ca.client("a.example.org")).Equal(first) {
		t.Error("the old certificate is shown")
	}
}

func TestSelfSigned(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "private")
	var first string
	for range 2 {
		s := startTLS(t, "--root", t.TempDir(), "--tls", "self-signed", "--tls-dir", dir)
		roots := x509.NewCertPool()
		content, err := os.ReadFile(filepath.Join(dir, "self-signed.pem"))
		if err != nil || !roots.AppendCertsFromPEM(content) {
			t.Fatalf("no certificate was kept: %v", err)
		}
		shown := s.served(&tls.Config{RootCAs: roots, ServerName: "localhost"})
		print := fingerprint(&tls.Certificate{Leaf: shown})
		if !strings.Contains(s.out.String(), "\n"+print+"\n") || len(print) != 95 || first != "" && first != print {
			t.Errorf("%s is shown, %s was before; the banner is\n%s", print, first, s.out)
		}
		first = print
	}
	info, err := os.Stat(filepath.Join(dir, "self-signed.pem"))
	if err != nil || info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" { // which has no such modes
		t.Errorf("others may read the key: %v, %v", info.Mode(), err)
	}
}

func TestExpired(t *testing.T) {
	t.Parallel()
	dir, ca := t.TempDir(), newAuthority(t)
	for want, from := range map[string]time.Time{
		"has expired": time.Now().Add(-2 * time.Hour), "is not valid yet": time.Now().Add(time.Hour),
	} {
		file := write(t, dir, "both", ca.both("a.example.org", from))
		s := startTLS(t, "--root", dir, "--tls-cert", file, "--tls-key", file)
		want = `level=WARN msg="the certificate ` + want
		if log := s.log.until(want); !strings.Contains(log, want) {
			t.Errorf("the log is\n%s", log)
		}
	}
}

func TestOldestTLS(t *testing.T) {
	t.Parallel()
	s := startTLS(t, "--root", t.TempDir(), "--tls", "self-signed", "--tls-dir", t.TempDir()+"/x", "--tls-min", "1.3")
	if _, err := tls.Dial("tcp", s.implicit, &tls.Config{MaxVersion: tls.VersionTLS12, InsecureSkipVerify: true}); err == nil {
		t.Error("TLS 1.2 is spoken")
	}
	s.dialTLS(&tls.Config{InsecureSkipVerify: true})
}

// clientAuth starts a server that asks for client certificates.
func clientAuth(t *testing.T, args ...string) (*authority, *running) {
	t.Helper()
	dir, ca := t.TempDir(), newAuthority(t)
	cert, key := ca.files(dir, "a.example.org")
	roots := write(t, dir, "ca", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})))
	return ca, startTLS(t, append([]string{"--root", dir, "--tls-cert", cert, "--tls-key", key, "--tls-client-ca", roots,
		"--user", "alice:secret", "--user", "bob:secret"}, args...)...)
}

func TestClientCertificateRequired(t *testing.T) {
	t.Parallel()
	ca, s := clientAuth(t, "--anonymous", "ro")
	d := s.dialTLS(ca.client("a.example.org", "printer"))
	d.do(331, "USER alice")
	d.do(530, "PASS wrong")
	d.login("alice", "secret")
	s.dialTLS(ca.client("a.example.org", "printer")).login("anonymous", "guest")

	for name, config := range map[string]*tls.Config{"none": ca.client("a.example.org"),
		"another's": newAuthority(t).client("", "alice")} {
		config.RootCAs = ca.roots
		config.ServerName = "a.example.org"
		c, err := tls.Dial("tcp", s.implicit, config)
		if err == nil {
			_, err = c.Read(make([]byte, 1)) // under TLS 1.3 the refusal comes only now
			c.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "tls: ") {
			t.Errorf("with a certificate of %s: %v", name, err)
		}
	}
}

// The roster denies a login without TLS, even if the engine should let it through.
func TestClientCertificateInTheClear(t *testing.T) {
	t.Parallel()
	a := openAccounts(t, "--root", t.TempDir(), "--user", "alice:secret", "--anonymous", "ro", "--tls-client-ca", "x")
	for _, user := range []string{"alice", "anonymous"} {
		if account, err := a.login(user, "secret"); account != nil || !errors.Is(err, host.ErrDenied) {
			t.Errorf("%s: %v, %v; want a denial", user, account, err)
		}
	}
}

func TestClientCertificateAsPassword(t *testing.T) {
	t.Parallel()
	ca, s := clientAuth(t, "--tls-client-auth", "login")
	s.dialTLS(ca.client("a.example.org", "alice")).login("alice", "anything")
	s.dialTLS(ca.client("a.example.org", "alice")).login("bob", "secret")
	s.dialTLS(ca.client("a.example.org")).login("alice", "secret")

	dir := t.TempDir()
	a := openAccounts(t, "--root", dir, "--user", "alice:secret", "--user", "bob:secret", "--users",
		write(t, dir, "users", "locked:*::ro\n"),
		"--anonymous", "ro", "--tls-client-ca", "x", "--tls-client-auth", "login")
	for _, test := range []struct {
		shown    string
		verified bool
		user     string
		in       bool
	}{
		{"alice", true, "alice", true},
		{"alice", false, "alice", false},
		{"Alice", true, "alice", false},
		{"alice", true, "bob", false},
		{"locked", true, "locked", false},
		{"carol", true, "carol", false},
		{"", true, "", false},
	} {
		cert := &x509.Certificate{Subject: pkix.Name{CommonName: test.shown}}
		state := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
		if test.verified {
			state.VerifiedChains = [][]*x509.Certificate{{cert}}
		}
		account, err := a.Authenticate(t.Context(), host.Login{User: test.user, Password: "anything", TLS: state})
		if (account != nil) != test.in || !test.in && !errors.Is(err, host.ErrDenied) {
			t.Errorf("%+v: %v, %v", test, account, err)
		}
	}
}

// A session that begins in the clear and goes on under TLS, with its data.
func TestExplicitTLS(t *testing.T) {
	t.Parallel()
	dir, ca := t.TempDir(), newAuthority(t)
	write(t, dir, "hello.txt", "Hello, world.\n")
	cert, key := ca.files(dir, "a.example.org")
	s := start(t, "--root", dir, "--tls-cert", cert, "--tls-key", key, "--tls-require", "data", "--tls-data-resumption", "require")
	if banner := s.out.String(); !strings.HasPrefix(banner, "ftp://"+s.addr+"/ (AUTH TLS only)\n") ||
		strings.Contains(banner, "Warning") {
		t.Errorf("the banner is\n%s", banner)
	}
	s.dial().do(530, "USER anonymous")

	raw, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	d := dialogue{textproto.NewConn(raw), t}
	d.expect(220)
	d.do(234, "AUTH TLS")
	config := ca.client("a.example.org")
	config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	d = dialogue{textproto.NewConn(tls.Client(raw, config)), t}
	d.login("anonymous", "guest")
	d.do(200, "PBSZ 0")
	d.do(200, "PROT P")
	data := tls.Client(d.data(s.addr), config)
	d.do(150, "RETR hello.txt")
	if got, err := io.ReadAll(data); string(got) != "Hello, world.\r\n" || err != nil {
		t.Errorf("RETR gives %q, %v", got, err)
	}
	data.Close()
	d.expect(226)
}

func TestSessionsPerUser(t *testing.T) {
	t.Parallel()
	s := start(t, "--root", t.TempDir(), "--user", "alice:secret", "--anonymous", "ro", "--max-sessions-per-user", "1")
	first, second := s.dial(), s.dial()
	first.login("alice", "secret")
	second.do(331, "USER alice")
	second.do(421, "PASS secret")
	s.dial().login("anonymous", "guest")
	s.dial().login("anonymous", "guest")
}
