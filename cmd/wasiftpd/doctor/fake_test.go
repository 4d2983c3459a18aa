package doctor

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fake is a server without faults, into which a test plants some.
type fake struct {
	t    *testing.T
	l    net.Listener
	tls  *tls.Config // nil has no TLS
	data *tls.Config // of data connections; nil is tls

	greeting string
	replies  map[string]string                        // in place of the usual ones, by verb; hang never answers
	announce func(port int) string                    // the address and port in the reply to PASV
	change   func(verb string, content []byte) []byte // of what is moved
	clock    time.Duration                            // that the server's is ahead

	mu    sync.Mutex
	files map[string][]byte
	verbs []string
	done  sync.WaitGroup
}

const hang = "hang"

func newFake(t *testing.T) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{
		t: t, l: l, greeting: "220 ready", replies: map[string]string{}, files: map[string][]byte{},
		announce: func(port int) string { return fmt.Sprintf("127,0,0,1,%d,%d", port>>8, port&0xff) },
		change:   func(_ string, content []byte) []byte { return content },
	}
	t.Cleanup(func() {
		l.Close()
		f.done.Wait()
	})
	return f
}

// config is that of an examination of the server.
func (f *fake) config() Config {
	host, port, _ := net.SplitHostPort(f.l.Addr().String())
	return Config{Host: host, Port: port, Step: 20 * time.Second}
}

// serve begins to accept sessions.
func (f *fake) serve() {
	f.done.Go(func() {
		for {
			conn, err := f.l.Accept()
			if err != nil {
				return
			}
			f.done.Go(func() {
				defer conn.Close()
				(&fakeSession{fake: f, conn: conn}).serve()
			})
		}
	})
}

type fakeSession struct {
	*fake
	conn    net.Conn
	lines   *bufio.Reader
	passive net.Listener
	active  string
	private bool
	from    string
}

func (s *fakeSession) say(reply string) {
	if reply == hang {
		io.Copy(io.Discard, s.lines) // until the client has gone
		return
	}
	io.WriteString(s.conn, reply+"\r\n")
}

func (s *fakeSession) serve() {
	s.lines = bufio.NewReader(s.conn)
	s.say(s.greeting)
	defer func() {
		if s.passive != nil {
			s.passive.Close()
		}
	}()
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return
		}
		verb, arg, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		s.mu.Lock()
		s.verbs = append(s.verbs, verb)
		s.mu.Unlock()
		if planted, ok := s.replies[verb]; ok {
			s.say(planted)
			continue
		}
		s.do(verb, arg)
	}
}

func (s *fakeSession) do(verb, arg string) {
	switch verb {
	case "FEAT":
		features := "211-Features\r\n UTF8\r\n MLST type*;\r\n MDTM\r\n SIZE\r\n AVBL\r\n"
		if s.tls != nil {
			features += " AUTH TLS\r\n"
		}
		s.say(features + "211 End")
	case "AUTH":
		if s.tls == nil {
			s.say("502 no TLS")
			return
		}
		s.say("234 go on")
		conn := tls.Server(s.conn, s.tls)
		if conn.Handshake() == nil {
			s.conn, s.lines = conn, bufio.NewReader(conn)
		}
	case "PROT":
		s.private = true
		s.say("200 ok")
	case "USER":
		s.say("331 password")
	case "PASS":
		s.say("230 in")
	case "AVBL":
		s.say("213 5000000000")
	case "EPSV":
		s.say(fmt.Sprintf("229 here (|||%d|)", s.open()))
	case "PASV":
		s.say("227 here (" + s.announce(s.open()) + ")")
	case "EPRT":
		parts := strings.Split(arg, "|")
		s.active = net.JoinHostPort(parts[2], parts[3])
		s.say("200 ok")
	case "LIST", "MLSD", "STOR", "RETR":
		s.move(verb, arg)
	case "MDTM":
		s.say("213 " + time.Now().Add(s.clock).UTC().Format("20060102150405"))
	case "RNFR":
		s.from = arg
		s.say("350 to?")
	case "RNTO":
		s.mu.Lock()
		s.files[arg] = s.files[s.from]
		delete(s.files, s.from)
		s.mu.Unlock()
		s.say("250 ok")
	case "DELE":
		s.mu.Lock()
		delete(s.files, arg)
		s.mu.Unlock()
		s.say("250 gone")
	default:
		s.say("200 ok")
	}
}

// open opens a passive port in the place of the one before.
func (s *fakeSession) open() (port int) {
	if s.passive != nil {
		s.passive.Close()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Error(err)
		return 1
	}
	s.passive, s.active = l, ""
	return l.Addr().(*net.TCPAddr).Port
}

func (s *fakeSession) connected() (net.Conn, error) {
	if s.active != "" {
		return net.Dial("tcp", s.active)
	}
	if s.passive == nil {
		return nil, net.ErrClosed
	}
	s.passive.(*net.TCPListener).SetDeadline(time.Now().Add(2 * time.Second)) // as servers have
	return s.passive.Accept()
}

func (s *fakeSession) move(verb, arg string) {
	conn, err := s.connected()
	if err != nil {
		s.say("425 no connection")
		return
	}
	defer conn.Close()
	s.say("150 here it comes")
	if s.private {
		config := s.data
		if config == nil {
			config = s.tls
		}
		secure := tls.Server(conn, config)
		if err := secure.Handshake(); err != nil {
			s.say("522 TLS session of data connection has not resumed")
			return
		}
		conn = secure
	}
	s.mu.Lock()
	switch verb {
	case "STOR":
		content, _ := io.ReadAll(conn)
		s.files[arg] = s.change(verb, content)
	case "RETR":
		conn.Write(s.change(verb, s.files[arg]))
	default:
		var b strings.Builder
		for name := range s.files {
			fmt.Fprintf(&b, "type=file; %s\r\n", name)
		}
		conn.Write(s.change(verb, []byte(b.String())))
	}
	s.mu.Unlock()
	conn.Close()
	s.say("226 done")
}

// certified is a TLS configuration with a certificate for a name.
func certified(t *testing.T, name string, days int) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().AddDate(0, 0, -400), NotAfter: time.Now().AddDate(0, 0, days).Add(time.Hour), DNSNames: []string{name},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		template.DNSNames, template.IPAddresses = nil, []net.IP{ip.AsSlice()}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, roots
}

// closedPort is a port that nobody listens on.
func closedPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	n, _ := strconv.Atoi(port)
	return n
}
