package main

import (
	"crypto/tls"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"wasiftp/host"
)

// hosted is a server with three hosts: one with root, users and certificate of its own,
// one for anonymous users, and one with the settings of the server itself.
func hosted(t *testing.T, a *authority) *running {
	t.Helper()
	dir, alpha, beta := t.TempDir(), t.TempDir(), t.TempDir()
	write(t, dir, "main", "of the server\n")
	write(t, alpha, "alpha", "of alpha\n")
	write(t, beta, "beta", "of beta\n")
	users := write(t, dir, "alpha.users", "bob:"+bcryptHash4+"::ro\n")
	cert, key := a.files(dir, "ftp.example.org")
	alphaCert, alphaKey := a.files(alpha, "alpha.example.org")
	return start(t, "--root", dir, "--user", "bob:main", "--tls-cert", cert, "--tls-key", key, "--implicit-listen", "127.0.0.1:0",
		"--host", "Alpha.example.org,root="+alpha+",users="+users+",cert="+alphaCert+",key="+alphaKey,
		"--host", `beta.example.org,anonymous=ro,"root=`+beta+`"`, "--host", "ftp.example.org")
}

// has wants a file in the session's root, by which a test knows the root.
func (d dialogue) has(name string) {
	d.t.Helper()
	d.do(213, "SIZE "+name)
}

func TestHostsInTheClear(t *testing.T) {
	t.Parallel()
	s := hosted(t, newAuthority(t))
	for _, test := range []struct{ host, user, password, denied, file string }{
		{"", "bob", "main", "secret", "main"},
		{"ftp.example.org", "bob", "main", "secret", "main"},
		{"ALPHA.example.org.", "bob", "secret", "main", "alpha"},
		{"beta.example.org", "anonymous", "x", "", "beta"},
	} {
		d := s.dial()
		if test.host != "" {
			d.do(220, "HOST "+test.host)
		}
		if test.denied != "" {
			d.do(331, "USER "+test.user)
			d.do(530, "PASS "+test.denied)
		}
		d.login(test.user, test.password)
		d.has(test.file)
	}
	d := s.dial()
	d.do(504, "HOST gamma.example.org")
	d.login("bob", "main")
	d.has("main")
	for _, user := range []string{"anonymous", "bob"} {
		d = s.dial()
		d.do(220, "HOST beta.example.org")
		d.do(331, "USER "+user)
		if user == "bob" {
			d.do(530, "PASS main")
		} else {
			d.do(230, "PASS main")
		}
	}
	if log := s.log.until(`user=bob@alpha.example.org`); !strings.Contains(log, "logged in") {
		t.Errorf("no login at alpha:\n%s", log)
	}
	if banner := s.out.String(); !strings.Contains(banner, "Who names the host alpha.example.org is served from ") {
		t.Errorf("the banner does not tell of alpha:\n%s", banner)
	}
}

// The name in the handshake picks the certificate and the host. HOST may repeat it, but
// not name another.
func TestHostsByName(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s := hosted(t, a)
	for _, test := range []struct{ name, user, password, file string }{
		{"ftp.example.org", "bob", "main", "main"}, {"alpha.example.org", "bob", "secret", "alpha"},
	} {
		d := s.dialTLS(a.client(test.name))
		d.login(test.user, test.password)
		d.has(test.file)
		d = s.dialTLS(a.client(test.name))
		d.do(504, "HOST beta.example.org")
		d.do(220, "HOST "+test.name)
		d.login(test.user, test.password)
		d.has(test.file)
	}
	// A host without a certificate is shown the first one, and is served all the same.
	config := a.client("beta.example.org")
	config.InsecureSkipVerify = true
	d := s.dialTLS(config)
	d.login("ftp", "x")
	d.has("beta")

	// AUTH TLS forgets HOST.
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	plain := dialogue{textproto.NewConn(c), t}
	plain.expect(220)
	plain.do(220, "HOST beta.example.org")
	plain.do(234, "AUTH TLS")
	d = dialogue{textproto.NewConn(tls.Client(c, a.client("alpha.example.org"))), t}
	t.Cleanup(func() { d.Close() })
	d.login("bob", "secret")
	d.has("alpha")
}

// A host's certificate is loaded again when it changes.
func TestHostCertificateAnew(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	dir := t.TempDir()
	file := write(t, dir, "both.pem", a.both("alpha.example.org", time.Now()))
	s := start(t, "--root", dir, "--implicit-listen", "127.0.0.1:0", "--host", "alpha.example.org,cert="+file+",key="+file)
	serial := func() string {
		c, err := tls.Dial("tcp", s.implicit, a.client("alpha.example.org"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return fingerprint(&tls.Certificate{Leaf: c.ConnectionState().PeerCertificates[0]})
	}
	first := serial()
	if err := os.WriteFile(file, []byte(a.both("alpha.example.org", time.Now())), 0o600); err != nil {
		t.Fatal(err)
	}
	s.log.until("certificate loaded")
	if serial() == first {
		t.Error("the old certificate is still shown")
	}
}

func TestHostWithAnothersCertificate(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	dir := t.TempDir()
	cert, key := a.files(dir, "alpha.example.org")
	s := start(t, "--root", dir, "--host", "beta.example.org,cert="+cert+",key="+key)
	s.log.until("not the host's")
}

func TestClientCurlAtHosts(t *testing.T) {
	t.Parallel()
	curl := tool(t, "curl")
	a := newAuthority(t)
	s := hosted(t, a)
	ca := write(t, t.TempDir(), "ca.pem", a.pem())
	_, port, _ := net.SplitHostPort(s.addr)
	for _, test := range [][3]string{
		{"ftp.example.org", "bob:main", "main\n"}, {"alpha.example.org", "bob:secret", "alpha\n"},
	} {
		out, err := exec.Command(curl, "-sS", "--ssl-reqd", "--cacert", ca, "--resolve", test[0]+":"+port+":127.0.0.1", "-u", test[1],
			"--list-only", "ftp://"+test[0]+":"+port+"/").CombinedOutput()
		if err != nil || !strings.Contains(strings.ReplaceAll(string(out), "\r", ""), test[2]) {
			t.Errorf("%s: %v\n%s", test[0], err, out)
		}
	}
}

func TestHostFlag(t *testing.T) {
	t.Parallel()
	o := parse(t, "--host", "A.example.org,root=/a", "--host", `b.example.org,"root=/b,c",anonymous=rw`, "--user", "u:p")
	if got, want := o.config.Hosts, []string{"a.example.org", "b.example.org"}; strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("hosts are %q", got)
	}
	one, two := o.forHost(o.hosts[0]), o.forHost(o.hosts[1])
	if one.root != "/a" || len(one.users) != 1 || one.anonymousRights() != 0 {
		t.Errorf("the first has %+v", one)
	}
	if two.root != "/b,c" || len(two.users) != 0 || two.anonymousRights() != host.ReadWrite {
		t.Errorf("the second has %+v", two)
	}
}
