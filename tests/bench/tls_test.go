//go:build linux

package bench

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// certificate is this process's TLS configuration, with a self-signed certificate.
var certificate = sync.OnceValue(func() *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
})

// loginTLS logs in under TLS, with protected data connections.
func loginTLS(b testing.TB, address string) *client {
	b.Helper()
	c := connect(b, address)
	c.command("AUTH TLS", "234")
	c.tls = &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(0)}
	c.conn = tls.Client(c.conn, c.tls)
	c.in = bufio.NewReaderSize(c.conn, 512)
	for _, step := range [][2]string{{"PBSZ 0", "200"}, {"PROT P", "200"}, {"USER u", "331"}, {"PASS p", "230"}, {"TYPE I", "200"}} {
		c.command(step[0], step[1])
	}
	return c
}

const tlsSize = 512 << 20

func BenchmarkRetrieveTLS(b *testing.B) {
	root := b.TempDir()
	sparse(b, root, tlsSize)
	contest{root: root, login: loginTLS, size: tlsSize}.run(b, func(c *client) {
		if n := c.retrieve("sparse"); n != tlsSize {
			b.Fatalf("got %d bytes", n)
		}
	})
}

func BenchmarkStoreTLS(b *testing.B) {
	root := memoryDir(b)
	from := sparse(b, b.TempDir(), tlsSize)
	contest{root: root, login: loginTLS, size: tlsSize}.run(b, func(c *client) {
		c.store("upload", from)
		if info, err := os.Stat(filepath.Join(root, "upload")); err != nil || info.Size() != tlsSize {
			b.Fatal(info, err)
		}
	})
}
