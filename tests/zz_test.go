package tests

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
	"log/slog"

	"wasiftp/fsbridge"
	"wasiftp/host"
)

func TestZZ(t *testing.T) {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}}
	der, _ := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	cert := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	root := t.TempDir()
	dir, _ := fsbridge.OpenDir(root, fsbridge.DirOptions{})
	pol := host.PreferResumption
	if os.Getenv("REQ") != "" { pol = host.RequireResumption }
	s, err := host.New(host.Config{
		TLS: host.TLS{Config: &tls.Config{Certificates: []tls.Certificate{cert}}, Require: host.TLSForTransfer, DataResumption: pol},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Observer: host.ObserverFunc(func(e host.Event) { t.Log(e.Kind, e.Path, e.Bytes, e.Err) }),
		Authenticator: host.AuthenticatorFunc(func(context.Context, host.Login) (*host.Account, error) {
			return &host.Account{FS: dir, Rights: host.ReadWrite}, nil
		})})
	if err != nil { t.Fatal(err) }
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	l2, _ := net.Listen("tcp", "127.0.0.1:0")
	go s.Serve(l)
	go s.ServeTLS(l2)
	os.WriteFile("/tmp/big.bin", make([]byte, 10<<20), 0o644)
	_, p, _ := net.SplitHostPort(l.Addr().String())
	_, p2, _ := net.SplitHostPort(l2.Addr().String())
	out, err := exec.Command("bash", "-c", `
python3 /tmp/reuse.py `+p+`; curl -V | head -1; curl -sSv -k --ssl-reqd --tlsv1.2 --tls-max 1.2 -u u:p ftp://127.0.0.1:`+p+`/z -o /dev/null 2>&1 | grep -i "ssl\|tls\|<\|reus"; echo `+p2+``).CombinedOutput()
	t.Log(string(out), err)
	s.Close()
}
