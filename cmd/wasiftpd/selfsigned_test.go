package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// own is the certificate that a server made for itself.
func own(t *testing.T, dir string) *tls.Certificate {
	t.Helper()
	file := filepath.Join(dir, ownCertificate)
	cert, err := tls.LoadX509KeyPair(file, file)
	if err != nil {
		t.Fatal(err)
	}
	return &cert
}

// A device without a battery makes its certificate in 1970, and is told the time
// later: the certificate is valid at both.
func TestSelfSignedIn1970(t *testing.T) {
	t.Parallel()
	for made, until := range map[time.Time]time.Time{
		time.Unix(0, 0):  alreadyPast.Add(lifetime),
		time.Unix(30, 0): alreadyPast.Add(lifetime),
		time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC): time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC).Add(lifetime),
	} {
		content, err := makeCertificate(nil, made)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.X509KeyPair(content, content)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []time.Time{time.Unix(0, 0), time.Now(), made, until} {
			if !validAt(pair.Leaf, at) {
				t.Errorf("made at %v, it is not valid at %v", made, at)
			}
		}
		if validAt(pair.Leaf, until.Add(time.Second)) {
			t.Errorf("made at %v, it is valid after %v", made, until)
		}
	}
}

// A new certificate of our own has what clients are told to come by. One from before keeps its
// fingerprint, and the log tells what it lacks.
func TestSelfSignedForPublicAddress(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	serve := func(public ...string) (*running, *x509.Certificate) {
		t.Helper()
		s := startTLS(t, append([]string{"--root", t.TempDir(), "--tls", "self-signed", "--tls-dir", dir}, public...)...)
		return s, s.served(&tls.Config{InsecureSkipVerify: true})
	}
	_, first := serve("--public-address", "203.0.113.7")
	if err := first.VerifyHostname("203.0.113.7"); err != nil {
		t.Error(err)
	}
	s, kept := serve("--public-address", "localhost.", "--public-address", "10.0.0.0/8=203.0.113.8")
	if !kept.Equal(first) {
		t.Error("clients that have pinned the certificate see another")
	}
	if log := s.log.until("lacks names"); !strings.Contains(log, "names=203.0.113.8 file="+filepath.Join(dir, ownCertificate)) {
		t.Errorf("the log is\n%s", log)
	}
	if err := os.Remove(filepath.Join(dir, ownCertificate)); err != nil {
		t.Fatal(err)
	}
	s, anew := serve("--public-address", "localhost.", "--public-address", "10.0.0.0/8=203.0.113.8")
	for _, name := range []string{"localhost", "127.0.0.1", "203.0.113.8"} {
		if err := anew.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if strings.Contains(s.log.String(), "lacks names") {
		t.Errorf("the log is\n%s", s.log)
	}
}

// A name of --public-address is a name of the certificate, without the dot of the DNS' root.
func TestSelfSignedForPublicName(t *testing.T) {
	t.Parallel()
	o := parse(t, "--public-address", "ftp.example.org.", "--public-address", "10.0.0.0/8=203.0.113.8")
	content, err := makeCertificate(o.publicNames(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(content, content)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ftp.example.org", "FTP.example.org", "203.0.113.8", "localhost"} {
		if err := pair.Leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
}

// A certificate of our own that is not valid at this time is made anew, and told of.
func TestSelfSignedAnew(t *testing.T) {
	t.Parallel()
	for name, from := range map[string]time.Time{
		"expired": time.Now().Add(-2 * time.Hour), "not yet valid": time.Now().Add(time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, ca := t.TempDir(), newAuthority(t)
			write(t, dir, ownCertificate, ca.both("localhost", from))
			before := fingerprint(own(t, dir))
			s := startTLS(t, "--root", t.TempDir(), "--tls", "self-signed", "--tls-dir", dir)
			after := fingerprint(own(t, dir))
			if after == before || !strings.Contains(s.out.String(), "\n"+after+"\n") {
				t.Errorf("it was %s and is %s; the banner is\n%s", before, after, s.out)
			}
			if log := s.log.until("SHA-256=" + after); !strings.Contains(log, "is made anew") || !strings.Contains(log, "SHA-256="+after) {
				t.Errorf("the log is\n%s", log)
			}
			if shown := s.served(&tls.Config{InsecureSkipVerify: true}); !validAt(shown, time.Now()) {
				t.Errorf("what is shown is valid from %v to %v", shown.NotBefore, shown.NotAfter)
			}
		})
	}
}

// The clock may be set while the server runs. The test changes the certificate instead,
// which has the same effect.
func TestSelfSignedAnewWhileServing(t *testing.T) {
	t.Parallel()
	dir, ca := t.TempDir(), newAuthority(t)
	s := startTLS(t, "--root", t.TempDir(), "--tls", "self-signed", "--tls-dir", dir)
	write(t, dir, ownCertificate, ca.both("localhost", time.Now().Add(-2*time.Hour)))
	s.log.until(`msg="the certificate has expired"`)
	if shown := s.served(&tls.Config{InsecureSkipVerify: true}); !validAt(shown, time.Now()) {
		t.Errorf("what is shown is valid from %v to %v", shown.NotBefore, shown.NotAfter)
	}
	log := s.log.until("is made anew")
	if after := fingerprint(own(t, dir)); !strings.Contains(log, "SHA-256="+after) {
		t.Errorf("the log does not tell of %s:\n%s", after, log)
	}
}

// A certificate that can't be made anew is shown as it is.
func TestSelfSignedStays(t *testing.T) {
	t.Parallel()
	needsModes(t)
	dir, ca := t.TempDir(), newAuthority(t)
	file := write(t, dir, ownCertificate, ca.both("localhost", time.Now().Add(-2*time.Hour)))
	pairs, err := loadCertificates([]string{file}, []string{file}, newLogger(&notes{}, "text"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	var log notes
	get := withRenewal(pairs.get, pairs[0], nil, newLogger(&log, "text"))
	for range 3 {
		if cert, err := get(&tls.ClientHelloInfo{}); err != nil || cert != pairs[0].current.Load() {
			t.Errorf("%v, %v", cert, err)
		}
	}
	if got := log.records(); len(got) != 1 || !strings.Contains(got[0], "and stays") {
		t.Errorf("the log is %q", got)
	}
}

// A certificate that is not our own is not made anew. The log tells once that it has
// expired, whenever that happens.
func TestExpiresWhileServing(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	dir := t.TempDir()
	valid := write(t, dir, "valid", ca.both("a.example.org", time.Now()))
	expired := write(t, dir, "expired", ca.both("a.example.org", time.Now().Add(-2*time.Hour)))
	var log notes
	pairs, err := loadCertificates([]string{valid, expired}, []string{valid, expired}, newLogger(&log, "text"))
	if err != nil {
		t.Fatal(err)
	}
	check := func(want int) {
		t.Helper()
		pairs.get(&tls.ClientHelloInfo{ServerName: "a.example.org"})
		if got := log.records(); len(got) != want || want > 0 && !strings.Contains(got[0], "has expired") {
			t.Errorf("the log is %q, want %d records", got, want)
		}
	}
	check(1) // of loading
	check(0)
	cert := pairs[0].current.Load()
	pairs[0].current.Store(pairs[1].current.Load()) // an hour later
	check(1)
	check(0)
	pairs[0].current.Store(cert) // the clock is set back
	check(0)
	pairs[0].current.Store(pairs[1].current.Load())
	check(1)
}

// A folder as systemd makes it, and our own key in it, are closed to others.
func TestSelfSignedModes(t *testing.T) {
	t.Parallel()
	needsModes(t)
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	startTLS(t, "--root", t.TempDir(), "--tls", "self-signed", "--tls-dir", dir)
	file := filepath.Join(dir, ownCertificate)
	if modeOf(t, dir) != 0o700 || modeOf(t, file) != 0o600 {
		t.Errorf("the modes are %v and %v", modeOf(t, dir), modeOf(t, file))
	}
	before := fingerprint(own(t, dir))
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	s := startTLS(t, "--root", t.TempDir(), "--tls", "self-signed", "--tls-dir", dir)
	told := "file=" + file + ` "mode was"=0644`
	if modeOf(t, file) != 0o600 || fingerprint(own(t, dir)) != before || !strings.Contains(s.log.until(told), told) {
		t.Errorf("the mode is %v, and the log\n%s", modeOf(t, file), s.log)
	}

	needsRoot(t)
	if err := os.Chown(file, stranger, -1); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := run(t, nil, "--listen", "127.0.0.1:0", "--tls", "self-signed", "--tls-dir", dir)
	if code != 1 || !strings.Contains(stderr, file+" belongs to user 12345") || !strings.Contains(stderr, "--tls-dir") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
