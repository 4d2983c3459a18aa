package tests

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

// identity is a certificate that is its own authority.
type identity struct {
	certificate tls.Certificate
	pool        *x509.CertPool
	pem         []byte
}

func newIdentity(name string) identity {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:        true, BasicConstraintsValid: true,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	id := identity{
		tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, x509.NewCertPool(),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
	}
	id.pool.AppendCertsFromPEM(id.pem)
	return id
}

// ours is the server's identity.
var ours = sync.OnceValue(func() identity { return newIdentity("wasiftp tests") })

func serverTLS() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{ours().certificate}} }

// clientTLS is the configuration of all connections of one client, which share a cache of
// TLS sessions.
func clientTLS(version uint16) *tls.Config {
	return &tls.Config{
		RootCAs: ours().pool, ServerName: "localhost", MinVersion: version, MaxVersion: version,
		ClientSessionCache: tls.NewLRUClientSessionCache(0),
	}
}

var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// eachVersion runs a test with TLS 1.2 and with TLS 1.3.
func eachVersion(t *testing.T, test func(t *testing.T, version uint16)) {
	t.Parallel()
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, version)
		})
	}
}

// securable is observed with TLS.
func securable(t testing.TB, config host.TLS) (script.Network, *fsbridge.Memory, *events) {
	t.Helper()
	if config.Config == nil {
		config.Config = serverTLS()
	}
	return observed(t, host.Config{TLS: config})
}

// exact tells the end of a connection from close_notify, as crypto/tls does not.
type exact struct{ net.Conn }

var errNoCloseNotify = errors.New("the connection ends without close_notify")

func (e exact) Read(p []byte) (int, error) {
	n, err := e.Conn.Read(p)
	if err == io.EOF {
		err = errNoCloseNotify
	}
	return n, err
}

// over is the client's TLS over a connection.
func over(c script.Conn, config *tls.Config) *tls.Conn {
	return tls.Client(exact{c.(net.Conn)}, config)
}

// private is a session under TLS.
type private struct {
	*talk
	tls    *tls.Conn
	tcp    script.Conn // below it
	config *tls.Config // of the data connections
}

// tlsControl is a control connection under TLS.
type tlsControl struct {
	script.Conn
	tls *tls.Conn
}

func (c tlsControl) Read(p []byte) (int, error)  { return c.tls.Read(p) }
func (c tlsControl) Write(p []byte) (int, error) { return c.tls.Write(p) }
func (c tlsControl) Close() error                { return c.tls.Close() }

// handshake puts TLS over a session.
func (c *talk) handshake(config *tls.Config) (*private, error) {
	conn := over(c.control, config)
	p := &private{&talk{t: c.t, network: c.network}, conn, c.control, config}
	p.control = tlsControl{c.control, conn}
	p.in = bufio.NewReader(conn)
	return p, conn.Handshake()
}

// auth puts TLS over a session by AUTH TLS (RFC 4217).
func (c *talk) auth(config *tls.Config) *private {
	c.t.Helper()
	require.Equal(c.t, 234, c.do("AUTH TLS"))
	p, err := c.handshake(config)
	require.NoError(c.t, err)
	return p
}

// protect asks for protected data connections.
func (c *private) protect() *private {
	c.t.Helper()
	require.Equal(c.t, 200, c.do("PBSZ 0"))
	require.Equal(c.t, 200, c.do("PROT P"))
	return c
}

// enter logs in.
func (c *talk) enter(user string) {
	c.t.Helper()
	require.Equal(c.t, 331, c.do("USER "+user))
	require.Equal(c.t, 230, c.do("PASS p"))
	require.Equal(c.t, 200, c.do("TYPE I"))
}

// loginTLS logs in under TLS, with protected data connections.
func loginTLS(t testing.TB, network script.Network, config *tls.Config) *private {
	t.Helper()
	c := connect(t, network).auth(config).protect()
	c.enter("u")
	return c
}

// data opens a passive data connection. The server begins the handshake after
// the transfer's verb.
func (c *private) data() *tls.Conn {
	c.t.Helper()
	d, err := c.network.Dial(c.tcp, c.port())
	require.NoError(c.t, err)
	c.t.Cleanup(func() { d.Close() })
	return over(d, c.config)
}

// get downloads by a command. The content must end with close_notify.
func (c *private) get(line string) (string, int) {
	c.t.Helper()
	d := c.data()
	if code := c.do(line); code != 150 {
		return "", code
	}
	content, err := io.ReadAll(d)
	require.NoError(c.t, err)
	return string(content), c.reply().Code
}

// store uploads by a command.
func (c *private) store(line, content string) int {
	c.t.Helper()
	d := c.data()
	if code := c.do(line); code != 150 {
		return code
	}
	_, err := io.WriteString(d, content)
	require.NoError(c.t, err)
	require.NoError(c.t, d.Close())
	return c.reply().Code
}

// holds checks that a file has this content or, if that is "", that there is no file.
func holds(t testing.TB, files *fsbridge.Memory, name, want string) {
	t.Helper()
	f, err := files.Open(name)
	if want == "" {
		assert.Error(t, err, "%s is there", name)
		return
	}
	require.NoError(t, err)
	assert.Equal(t, want, stolen(f), name)
}
