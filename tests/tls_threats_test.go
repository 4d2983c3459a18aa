package tests

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

// injections are what an attacker on the way may add to AUTH TLS. The password may be the
// client's, heard in the clear, or another that he knows.
var injections = []string{"DELE secret", "USER u\nPASS p\nDELE secret"}

// TestThreat01CommandsBehindAuth: what follows AUTH is never obeyed, neither
// with the login from before it nor after the handshake (CVE-2011-1575).
func TestThreat01CommandsBehindAuth(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		network, files, seen := securable(t, host.TLS{})
		for _, end := range []string{"\r\n", "\n"} {
			for _, injected := range injections {
				text := "AUTH TLS" + end + strings.ReplaceAll(injected, "\n", end) + end
				for split := len(text); split > 0; split-- {
					injectBehindAuth(t, network, text[:split], text[split:], version)
				}
			}
		}
		holds(t, files, "secret", "the secret")
		assert.Empty(t, seen.of(host.Deleted))
	})
}

// injectBehindAuth sends AUTH and what an attacker adds in two segments. The
// handshake may fail; if not, the session is as fresh as RFC 4217 §4 wants it.
func injectBehindAuth(t *testing.T, network script.Network, one, two string, version uint16) {
	t.Helper()
	c := login(t, network, "u")
	defer c.control.Close()
	c.send(one)
	if strings.Contains(one, "\n") {
		require.Equal(t, 234, c.reply().Code)
	}
	c.send(two)
	if !strings.Contains(one, "\n") {
		require.Equal(t, 234, c.reply().Code)
	}
	p, err := c.handshake(clientTLS(version))
	if err != nil {
		return
	}
	assert.Equal(t, 530, p.do("PWD"), "%q, %q", one, two)
	p.enter("u")
	p.alive()
}

// eager sends a text in one segment with its first write, and skips the reply
// to it.
type eager struct {
	net.Conn
	text []byte
	in   *bufio.Reader
}

func (e *eager) Write(p []byte) (int, error) {
	text := e.text
	e.text = nil
	n, err := e.Conn.Write(append(text, p...))
	return n - len(text), err
}

func (e *eager) Read(p []byte) (int, error) {
	if e.in == nil {
		e.in = bufio.NewReader(e.Conn)
		if _, err := script.ReadReply(e.in); err != nil {
			return 0, err
		}
	}
	return e.in.Read(p)
}

// TestThreat01HandshakeBehindAuth: a ClientHello that does not wait for 234 may be lost,
// but commands before it are not obeyed.
func TestThreat01HandshakeBehindAuth(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		files, seen := fsbridge.NewMemory(), &events{}
		_, network := serve(t, host.Config{
			Authenticator: accounts(files), Observer: seen, TLS: host.TLS{Config: serverTLS()},
			Limits: host.Limits{LoginTime: time.Second}, // ends the session whose ClientHello is lost
		})
		require.NoError(t, putFile(files, "secret", []byte("the secret"), past))
		for _, text := range []string{"AUTH TLS\r\n", "AUTH TLS\r\nDELE secret\r\n", "AUTH TLS\nDELE secret\n"} {
			t.Run(text, func(t *testing.T) {
				t.Parallel()
				c := login(t, network, "u")
				conn := tls.Client(&eager{Conn: c.control.(net.Conn), text: []byte(text)}, clientTLS(version))
				if conn.Handshake() == nil {
					_, err := io.WriteString(conn, "PWD\r\n")
					require.NoError(t, err)
					r, err := script.ReadReply(bufio.NewReader(conn))
					require.NoError(t, err)
					assert.Equal(t, 530, r.Code)
				}
			})
		}
		t.Cleanup(func() {
			holds(t, files, "secret", "the secret")
			assert.Empty(t, seen.of(host.Deleted))
		})
	})
}

// TestThreat02StateFromBeforeAuth: nothing that was said in the clear counts
// under TLS.
func TestThreat02StateFromBeforeAuth(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		network, files, _ := securable(t, host.TLS{})
		require.NoError(t, files.Mkdir("dir", nil))
		require.NoError(t, putFile(files, "lines", []byte("a\nb\n"), past))
		c := login(t, network, "u")
		for line, code := range map[string]int{
			"CWD dir": 250, "REST 2": 350, "RNFR /secret": 350, "EPSV ALL": 200, "AUTH BOGUS": 504, "AUTH": 501,
		} {
			assert.Equal(t, code, c.do(line), line)
		}
		port := c.port()
		p := c.auth(clientTLS(version))
		for _, line := range []string{"PWD", "RNTO /stolen", "RETR /secret", "PASV"} {
			assert.Equal(t, 530, p.do(line), line)
		}
		assert.Equal(t, 503, p.do("PASS p"))
		assert.Equal(t, 503, p.do("AUTH TLS"), "a second AUTH")
		assert.Equal(t, 503, p.do("PROT P"), "before PBSZ")
		_, err := net.Dial("tcp", port.String())
		assert.Error(t, err, "the passive port from before stays open")
		p.protect()
		require.Equal(t, 331, p.do("USER u"))
		require.Equal(t, 230, p.do("PASS p"))
		assert.Contains(t, p.say("PWD").Text(), `"/"`)
		assert.Equal(t, 503, p.do("RNTO /stolen"))
		got, code := p.get("RETR lines")
		assert.Equal(t, 226, code)
		assert.Equal(t, "a\r\nb\r\n", got, "REST or TYPE is left")
		assert.Equal(t, 227, p.do("PASV"), "EPSV ALL is left")
	})
}

// TestThreat02UserFromBeforeAuth: a name given in the clear is not completed
// by a password under TLS.
func TestThreat02UserFromBeforeAuth(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		network, _, _ := securable(t, host.TLS{})
		c := connect(t, network)
		require.Equal(t, 331, c.do("USER u"))
		p := c.auth(clientTLS(version))
		assert.Equal(t, 503, p.do("PASS p"))
		p.enter("u")
	})
}

func TestThreat02AuthWithoutCertificate(t *testing.T) {
	t.Parallel()
	network, _, _ := observed(t, host.Config{})
	c := login(t, network, "u")
	for _, line := range []string{"AUTH TLS", "AUTH SSL", "AUTH BOGUS", "PBSZ 0", "PROT P"} {
		assert.Equal(t, 502, c.do(line), line)
	}
	assert.NotContains(t, c.say("FEAT").Text(), "AUTH")
	assert.Equal(t, 257, c.do("PWD"), "the login is gone")
}

// cuts are how somebody on the way can end an upload.
var cuts = map[string]func(*testing.T, *tls.Conn){
	"FIN": func(t *testing.T, d *tls.Conn) { require.NoError(t, rawTCP(d).CloseWrite()) },
	"FIN in a record": func(t *testing.T, d *tls.Conn) {
		_, err := rawTCP(d).Write([]byte{23, 3, 3, 0, 100, 1, 2, 3})
		require.NoError(t, err)
		require.NoError(t, rawTCP(d).CloseWrite())
	},
	"reset": func(t *testing.T, d *tls.Conn) {
		require.NoError(t, rawTCP(d).SetLinger(0))
		require.NoError(t, rawTCP(d).Close())
	},
}

// socket is the connection below TLS.
type socket interface {
	net.Conn
	CloseWrite() error
	SetLinger(seconds int) error
}

func rawTCP(d *tls.Conn) socket { return d.NetConn().(exact).Conn.(socket) }

// TestThreat03TruncatedUpload: where close_notify is required, an upload that ends
// without it fails.
func TestThreat03TruncatedUpload(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		network, files, seen := securable(t, host.TLS{Close: host.RequireClose})
		c := loginTLS(t, network, clientTLS(version))
		failures := 0
		for cut, end := range cuts {
			for _, line := range []string{"TYPE I", "TYPE A"} {
				require.Equal(t, 200, c.do(line))
				for _, name := range []string{"new", "secret"} {
					assert.Contains(t, []int{426, 451}, cutUpload(t, c, "STOR "+name, end), "%s %s", cut, line)
					failures++
					eventually(t, "no UploadFailed", func() bool { return len(seen.of(host.UploadFailed)) == failures })
					failed := seen.of(host.UploadFailed)[failures-1]
					assert.Error(t, failed.Err)
					assert.Equal(t, "/"+name, failed.Path)
				}
			}
		}
		assert.Empty(t, seen.of(host.Uploaded))
		holds(t, files, "new", "")
		holds(t, files, "secret", "the secret")
	})
}

// cutUpload begins an upload and ends it as somebody on the way can.
func cutUpload(t *testing.T, c *private, line string, end func(*testing.T, *tls.Conn)) int {
	t.Helper()
	d := c.data()
	require.Equal(t, 150, c.do(line))
	_, err := io.WriteString(d, "half of it\n")
	require.NoError(t, err)
	end(t, d)
	return c.reply().Code
}

// TestThreat03PreferClose: by default the end of the connection ends an upload well, but
// not a cut within a record and not a reset. The event tells whether close_notify came.
func TestThreat03PreferClose(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		network, files, seen := securable(t, host.TLS{})
		c := loginTLS(t, network, clientTLS(version))
		for _, mode := range []string{"TYPE I", "TYPE A"} {
			require.Equal(t, 200, c.do(mode))
			assert.Equal(t, 226, cutUpload(t, c, "STOR new", cuts["FIN"]))
			holds(t, files, "new", "half of it\n")
			assert.Contains(t, []int{426, 451}, cutUpload(t, c, "STOR secret", cuts["FIN in a record"]))
			assert.Contains(t, []int{426, 451}, cutUpload(t, c, "STOR secret", cuts["reset"]))
		}
		holds(t, files, "secret", "the secret")
		d := c.data()
		require.Equal(t, 150, c.do("STOR polite"))
		require.NoError(t, d.Handshake())
		require.NoError(t, d.Close())
		require.Equal(t, 226, c.reply().Code)
		told := seen.of(host.Uploaded)
		require.Len(t, told, 3)
		for i, closed := range []bool{false, false, true} {
			assert.True(t, told[i].TLS)
			assert.Equal(t, closed, told[i].TLSClosed, "%s", told[i].Path)
		}
	})
}

// TestThreat05DataConnectionTheftUnderTLS: a thief from the same address, who
// has a login and a TLS session of his own.
func TestThreat05DataConnectionTheftUnderTLS(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		network, files, seen := securable(t, host.TLS{DataResumption: host.RequireResumption})
		c, other := loginTLS(t, network, clientTLS(version)), loginTLS(t, network, clientTLS(version))
		for _, verb := range []string{"RETR secret", "STOR secret", "NLST"} {
			port := c.port()
			tcp, err := network.Dial(other.tcp, port)
			require.NoError(t, err)
			thief := over(tcp, other.config)
			require.Equal(t, 150, c.do(verb))
			if thief.Handshake() == nil {
				io.WriteString(thief, "forged")
			}
			assert.Empty(t, stolen(thief), verb)
			assert.Equal(t, 522, c.reply().Code, verb)
			tcp.Close()
		}
		assert.Len(t, seen.of(host.DataRefused), 3)
		holds(t, files, "secret", "the secret")
		assert.Empty(t, seen.of(host.Uploaded))
		// A thief in the clear fares no better, and the client's own transfer works.
		port := c.port()
		tcp, err := network.Dial(other.tcp, port)
		require.NoError(t, err)
		require.Equal(t, 150, c.do("RETR secret"))
		_, err = io.WriteString(tcp, "hand it over\r\n")
		require.NoError(t, err)
		assert.NotContains(t, stolen(tcp), "secret")
		assert.Equal(t, 522, c.reply().Code)
		got, code := c.get("RETR secret")
		assert.Equal(t, 226, code)
		assert.Equal(t, "the secret", got)
	})
}

// TestThreat06NoTicket: where resumption is required, a client without a ticket neither
// gets a byte nor leaves one.
func TestThreat06NoTicket(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		network, files, seen := securable(t, host.TLS{DataResumption: host.RequireResumption})
		c := loginTLS(t, network, clientTLS(version))
		c.config = clientTLS(version)
		c.config.ClientSessionCache = nil
		for _, line := range []string{"RETR secret", "NLST", "STOR new"} {
			d := c.data()
			require.Equal(t, 150, c.do(line))
			if d.Handshake() == nil {
				io.WriteString(d, "content")
			}
			assert.Empty(t, stolen(d), line)
			assert.Equal(t, 522, c.reply().Code, line)
		}
		holds(t, files, "new", "")
		assert.Len(t, seen.of(host.DataRefused), 3)
	})
}

// TestThreat06ForeignTicket: the ticket of one session resumes no other's.
func TestThreat06ForeignTicket(t *testing.T) {
	policies := map[string]host.DataResumption{
		"require": host.RequireResumption, "prefer": host.PreferResumption, "ignore": host.IgnoreResumption,
	}
	eachVersion(t, func(t *testing.T, version uint16) {
		for name, policy := range policies {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				network, files, seen := securable(t, host.TLS{DataResumption: policy})
				testForeignTicket(t, network, version, policy == host.RequireResumption)
				holds(t, files, "secret", "the secret")
				assert.Empty(t, seen.of(host.Uploaded))
			})
		}
	})
}

func testForeignTicket(t *testing.T, network script.Network, version uint16, required bool) {
	a, b := loginTLS(t, network, clientTLS(version)), loginTLS(t, network, clientTLS(version))
	// Each has a ticket of its control connection and one of a data connection.
	for range 2 {
		own, foreign := b.config, a.config
		b.config = foreign
		d := b.data()
		require.Equal(t, 150, b.do("RETR secret"))
		got, err := io.ReadAll(d)
		assert.False(t, d.ConnectionState().DidResume, "a foreign ticket resumes")
		if required {
			assert.Error(t, err)
			assert.Empty(t, got)
			assert.Equal(t, 522, b.reply().Code)
		} else {
			assert.Equal(t, "the secret", string(got))
			assert.Equal(t, 226, b.reply().Code)
		}
		b.config = own
		a.config = clientTLS(version)
		a = loginTLS(t, network, a.config)
		for _, c := range []*private{a, b} {
			d := c.data()
			require.Equal(t, 150, c.do("RETR secret"))
			got, err := io.ReadAll(d)
			require.NoError(t, err)
			assert.Equal(t, "the secret", string(got))
			assert.True(t, d.ConnectionState().DidResume, "its own ticket does not resume")
			assert.Equal(t, 226, c.reply().Code)
		}
	}
	// Nor does a ticket of a session that is over, for its own user or another.
	require.Equal(t, 221, a.do("QUIT"))
	b.config = a.config
	d := b.data()
	code := b.do("STOR secret")
	require.Equal(t, 150, code)
	if err := d.Handshake(); err == nil {
		assert.False(t, d.ConnectionState().DidResume)
	}
	cuts["reset"](t, d)
	assert.Contains(t, []int{425, 426, 522}, b.reply().Code)
	// A control connection resumes nothing at all.
	again := connect(t, network).auth(a.config)
	assert.False(t, again.tls.ConnectionState().DidResume, "a control connection resumes")
}

// TestThreat06TicketsOfAConfigForClient: if GetConfigForClient picks the configuration,
// tickets are bound to their session as well.
func TestThreat06TicketsOfAConfigForClient(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		picked := serverTLS()
		config := serverTLS()
		config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return picked, nil }
		network, _, _ := securable(t, host.TLS{Config: config, DataResumption: host.RequireResumption})
		testForeignTicket(t, network, version, true)
	})
}

// TestThreat06TicketOfAnotherServer: servers that share a configuration share the keys of
// tickets, and have sessions of the same number. A ticket of one resumes nothing at the
// other.
func TestThreat06TicketOfAnotherServer(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		config := host.TLS{Config: serverTLS(), DataResumption: host.RequireResumption}
		one, _, _ := securable(t, config)
		other, _, _ := securable(t, config)
		a, b := loginTLS(t, one, clientTLS(version)), loginTLS(t, other, clientTLS(version))
		b.config = a.config
		d := b.data()
		require.Equal(t, 150, b.do("RETR secret"))
		assert.Empty(t, stolen(d))
		assert.Equal(t, 522, b.reply().Code)
	})
}

// TestThreat04UploadByOneWhoNeverReads: where client certificates are asked for, TLS
// 1.3's ticket comes late. It lies unread when such a client closes, which resets the
// connection. An upload that loses bytes by that must not look complete.
func TestThreat04UploadByOneWhoNeverReads(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		config := serverTLS()
		config.ClientAuth = tls.RequestClientCert
		network, files, _ := securable(t, host.TLS{Config: config})
		c := loginTLS(t, network, clientTLS(version))
		whole := 0
		sizes := []int{0, 1, 1000, 16 << 10, 16<<10 + 1, 1 << 20, 10 << 20, 100 << 20}
		content := script.Bytes(sizes[len(sizes)-1])
		for _, size := range sizes {
			c.config = clientTLS(version) // one that resumes is not asked again
			d := c.data()
			require.Equal(t, 150, c.do("STOR up"))
			d.Write(content[:size])
			d.Close() // says close_notify, and closes a socket with the ticket unread
			switch code := c.reply().Code; code {
			case 226:
				whole++
				f, err := files.Open("up")
				require.NoError(t, err)
				got, err := io.ReadAll(f)
				require.NoError(t, err)
				assert.True(t, bytes.Equal(got, content[:size]), "%d bytes became %d", size, len(got))
			case 425, 426, 451:
			default:
				t.Errorf("%d bytes: %d", size, code)
			}
		}
		t.Logf("%d of %d whole", whole, len(sizes))
	})
}
