package tests

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

// TestPipelinedUnderTLS: after a handshake that waited, the receiver must not run ahead
// of the engine.
func TestPipelinedUnderTLS(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		const commands = 2000
		network, _, _ := securable(t, host.TLS{})
		c := loginTLS(t, network, clientTLS(version))
		go io.WriteString(c.tls, strings.Repeat("NOOP\r\n", commands)+"QUIT\r\n")
		for range commands {
			require.Equal(t, 200, c.reply().Code)
		}
		assert.Equal(t, 221, c.reply().Code)
		_, err := c.in.ReadByte()
		assert.Equal(t, io.EOF, err, "no close_notify")
	})
}

// TestPlainCommandsForHandshake: commands in the clear after AUTH are not obeyed,
// whatever bytes come before them.
func TestPlainCommandsForHandshake(t *testing.T) {
	t.Parallel()
	network, _, seen := securable(t, host.TLS{Require: host.TLSForControl})
	other := loginTLS(t, network, clientTLS(tls.VersionTLS13))
	starts := []string{"", "\x16\x03\x01\x00\x05hello", "\x16\x03\x01\xff\xff", "GET / HTTP/1.1\r\n", strings.Repeat("\x00", 2000)}
	for i := range 10 * len(starts) {
		c := connect(t, network)
		require.Equal(t, 234, c.do("AUTH TLS"))
		c.send(starts[i%len(starts)])
		io.WriteString(c.control, strings.Repeat("NOOP\r\nUSER u\r\nPASS p\r\n", 50)) // may be reset meanwhile
		c.control.(socket).CloseWrite()
		said := stolen(c.in)
		assert.NotRegexp(t, `(?m)^\d\d\d `, said)
		c.control.Close()
	}
	assert.Len(t, seen.of(host.LoggedIn), 1)
	other.alive()
}

// halfOpen begins sessions that stop in the middle of a handshake: of an
// explicit control connection, an implicit one, and a data connection.
func halfOpen(t *testing.T, config host.Config) (server *host.Server, waiting []*talk, data *private) {
	t.Helper()
	config.Authenticator, config.TLS.Config = accounts(fsbridge.NewMemory()), serverTLS()
	server, network := serve(t, config)
	data = loginTLS(t, network, clientTLS(tls.VersionTLS13))
	d, err := network.Dial(data.tcp, data.port())
	require.NoError(t, err)
	t.Cleanup(func() { d.Close() })
	require.Equal(t, 150, data.do("NLST"))

	explicit := connect(t, network)
	require.Equal(t, 234, explicit.do("AUTH TLS"))
	explicit.send("\x16\x03\x01\x02\x00")
	implicit := script.Network{IPv4: implicitPort(t, server)}
	conn, err := implicit.Open(4)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return server, []*talk{explicit, {t: t, control: conn, in: bufio.NewReader(conn)}}, data
}

// TestHalfOpenHandshake: LoginTime and DataTime hold during a handshake, too.
func TestHalfOpenHandshake(t *testing.T) {
	t.Parallel()
	limits := host.Limits{LoginTime: 500 * time.Millisecond, DataTime: 500 * time.Millisecond}
	_, waiting, data := halfOpen(t, host.Config{Limits: limits})
	for _, c := range waiting {
		c.ended()
	}
	assert.Equal(t, 425, data.reply().Code)
	data.alive()
}

func TestShutdownDuringHandshake(t *testing.T) {
	t.Parallel()
	server, waiting, data := halfOpen(t, host.Config{Limits: host.Limits{DataTime: 500 * time.Millisecond}})
	ctx, cancel := context.WithTimeout(t.Context(), script.Patience)
	defer cancel()
	require.NoError(t, server.Shutdown(ctx))
	for _, c := range waiting {
		c.ended()
	}
	assert.Equal(t, 425, data.reply().Code)
	assert.Equal(t, 421, data.reply().Code)
}

// implicitPort makes a server listen for implicit TLS.
func implicitPort(t *testing.T, server *host.Server) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go server.ServeTLS(l)
	return address(l)
}

func TestImplicitTLS(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		files := fsbridge.NewMemory()
		server, _ := serve(t, host.Config{
			Authenticator: accounts(files),
			TLS:           host.TLS{Config: serverTLS(), Require: host.TLSForTransfer, DataResumption: host.RequireResumption},
		})
		network := script.Network{IPv4: implicitPort(t, server)}
		conn, err := network.Open(4)
		require.NoError(t, err)
		c, err := (&talk{t: t, network: network, control: conn}).handshake(clientTLS(version))
		require.NoError(t, err)
		require.Equal(t, 220, c.reply().Code)
		assert.Equal(t, 503, c.do("AUTH TLS"))
		c.enter("u")
		c.protect()
		require.Equal(t, 226, c.store("STOR up", "content"))
		got, code := c.get("RETR up")
		assert.Equal(t, 226, code)
		assert.Equal(t, "content", got)

		// A client that speaks FTP in the clear there gets no reply.
		plain, err := network.Open(4)
		require.NoError(t, err)
		defer plain.Close()
		_, err = io.WriteString(plain, "USER u\r\n")
		require.NoError(t, err)
		assert.NotRegexp(t, `\d\d\d `, stolen(plain))
	})
}

func TestImplicitTLSNeedsACertificate(t *testing.T) {
	t.Parallel()
	server, _ := serve(t, host.Config{})
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	assert.Error(t, server.ServeTLS(l))
	assert.Error(t, l.Close(), "it is open still")
}

// TestCloseNotify: the server ends each connection with close_notify, by which a client
// can tell the end from a cut.
func TestCloseNotify(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		network, files, _ := securable(t, host.TLS{})
		large := string(script.Bytes(3 << 20))
		require.NoError(t, putFile(files, "large", []byte(large), past))
		require.NoError(t, putFile(files, "empty", nil, past))
		require.NoError(t, files.Mkdir("dir", nil))
		c := loginTLS(t, network, clientTLS(version))
		for line, want := range map[string]string{
			"RETR large": large, "RETR empty": "", "NLST dir": "", "NLST": "dir\r\nempty\r\nlarge\r\nsecret\r\n",
		} {
			got, code := c.get(line)
			assert.Equal(t, 226, code, line)
			assert.True(t, got == want, "%s: %d bytes", line, len(got))
		}
		// In active mode the FTP client is the TLS client as well.
		l, err := network.Listen(c.tcp)
		require.NoError(t, err)
		defer l.Close()
		require.Equal(t, 200, c.do("EPRT |1|"+l.Addr().Addr().String()+"|"+decimal(int(l.Addr().Port()))+"|"))
		require.Equal(t, 150, c.do("RETR secret"))
		d, err := l.Accept()
		require.NoError(t, err)
		got, err := io.ReadAll(over(d, c.config))
		assert.NoError(t, err)
		assert.Equal(t, "the secret", string(got))
		assert.Equal(t, 226, c.reply().Code)
		// PROT C, and P again.
		require.Equal(t, 200, c.do("PROT C"))
		plain, err := network.Dial(c.tcp, c.port())
		require.NoError(t, err)
		require.Equal(t, 150, c.do("RETR secret"))
		assert.Equal(t, "the secret", stolen(plain))
		require.Equal(t, 226, c.reply().Code)
		require.Equal(t, 200, c.do("PROT P"))
		_, code := c.get("RETR secret")
		assert.Equal(t, 226, code)

		assert.Equal(t, 221, c.do("QUIT"))
		_, err = c.in.ReadByte()
		assert.Equal(t, io.EOF, err)
	})
}

// TestQuitForHandshake: a client may say QUIT right after the handshake, or in its place.
func TestQuitForHandshake(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		network, _, seen := securable(t, host.TLS{})
		c := connect(t, network).auth(clientTLS(version))
		assert.Equal(t, 221, c.do("QUIT"))
		_, err := c.in.ReadByte()
		assert.Equal(t, io.EOF, err)
		hasty := connect(t, network)
		hasty.send("AUTH TLS\r\nQUIT\r\n")
		require.Equal(t, 234, hasty.reply().Code)
		hasty.control.(socket).CloseWrite()
		hasty.ended()
		c.tls.Close()
		eventually(t, "a session stays", func() bool { return len(seen.of(host.Disconnected)) == 2 })
	})
}

// TestAbortedDownloadUnderTLS: a download that is given up does not look whole.
func TestAbortedDownloadUnderTLS(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		network, files, _ := securable(t, host.TLS{})
		require.NoError(t, putFile(files, "large", make([]byte, 64<<20), past))
		c := loginTLS(t, network, clientTLS(version))
		d := c.data()
		require.Equal(t, 150, c.do("RETR large"))
		_, err := d.Read(make([]byte, 1))
		require.NoError(t, err)
		require.Equal(t, 426, c.do("ABOR"))
		require.Equal(t, 226, c.reply().Code)
		_, err = io.Copy(io.Discard, d)
		assert.Error(t, err)
		c.alive()
	})
}

func TestClientCertificate(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		alice := newIdentity("alice")
		var mu sync.Mutex
		shown := map[string][]*x509.Certificate{}
		files := fsbridge.NewMemory()
		config := serverTLS()
		config.ClientAuth, config.ClientCAs = tls.VerifyClientCertIfGiven, alice.pool
		_, network := serve(t, host.Config{
			TLS: host.TLS{Config: config, DataResumption: host.RequireResumption},
			Authenticator: host.AuthenticatorFunc(func(_ context.Context, login host.Login) (*host.Account, error) {
				mu.Lock()
				defer mu.Unlock()
				if login.TLS != nil {
					shown[login.User] = login.TLS.PeerCertificates
				}
				return &host.Account{FS: files, Rights: host.ReadWrite}, nil
			}),
		})
		with := clientTLS(version)
		with.Certificates = []tls.Certificate{alice.certificate}
		for user, config := range map[string]*tls.Config{"with": with, "without": clientTLS(version)} {
			c := connect(t, network).auth(config).protect()
			c.enter(user)
			require.Equal(t, 226, c.store("STOR up", user))
		}
		connect(t, network).enter("clear")
		mu.Lock()
		defer mu.Unlock()
		require.Len(t, shown["with"], 1)
		assert.Equal(t, "alice", shown["with"][0].Subject.CommonName)
		assert.Empty(t, shown["without"])
		assert.NotContains(t, shown, "clear")

		stranger := clientTLS(version)
		stranger.Certificates = []tls.Certificate{newIdentity("mallory").certificate}
		stranger.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &stranger.Certificates[0], nil // though the server names other authorities
		}
		c := connect(t, network)
		require.Equal(t, 234, c.do("AUTH TLS"))
		p, err := c.handshake(stranger)
		if err == nil { // TLS 1.3 tells later
			_, err = p.in.ReadByte()
		}
		assert.Error(t, err)
	})
}

// TestRequiredTLS: a client that must use TLS and does not is refused, and its session
// goes on.
func TestRequiredTLS(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		require host.TLSRequirement
		clear   int // USER in the clear
		open    int // NLST by TLS without PROT P
	}{
		"nothing":  {host.TLSOptional, 331, 150},
		"login":    {host.TLSForLogin, 530, 150},
		"control":  {host.TLSForControl, 530, 150},
		"transfer": {host.TLSForTransfer, 530, 521},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			network, _, _ := securable(t, host.TLS{Require: test.require})
			c := connect(t, network)
			assert.Equal(t, test.clear, c.do("USER u"))
			c.alive()
			assert.Contains(t, c.say("FEAT").Text(), "AUTH TLS")
			p := c.auth(clientTLS(tls.VersionTLS13))
			p.enter("u")
			d, err := network.Dial(p.tcp, p.port())
			require.NoError(t, err)
			code := p.do("NLST")
			assert.Equal(t, test.open, code)
			if code == 150 {
				assert.Equal(t, "secret\r\n", stolen(d))
				assert.Equal(t, 226, p.reply().Code)
			}
			p.protect()
			got, code := p.get("NLST")
			assert.Equal(t, 226, code)
			assert.Equal(t, "secret\r\n", got)
			if test.require == host.TLSForTransfer {
				assert.Equal(t, 534, p.do("PROT C"))
			}
		})
	}
}

// TestManyTLSSessions: many sessions at a time, each with a file of its own.
func TestManyTLSSessions(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		network, _, _ := securable(t, host.TLS{DataResumption: host.RequireResumption})
		for i := range 40 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				content := script.Bytes(100_000 + i)
				c := loginTLS(t, network, clientTLS(version))
				require.Equal(t, 226, c.store(fmt.Sprintf("STOR up%d", i), string(content)))
				got, code := c.get(fmt.Sprintf("RETR up%d", i))
				assert.Equal(t, 226, code)
				assert.True(t, got == string(content))
				assert.Equal(t, 221, c.do("QUIT"))
			})
		}
	})
}

// TestTLSLeavesNothing runs alone, as it counts this process's goroutines.
func TestTLSLeavesNothing(t *testing.T) {
	before := ownGoroutines()
	server, waiting, data := halfOpen(t, host.Config{})
	network := data.network
	for _, version := range versions {
		c := loginTLS(t, network, clientTLS(version))
		require.Equal(t, 226, c.store("STOR up", "content"))
		cutUpload(t, c, "STOR up", cuts["FIN"])
		_, code := c.get("NLST")
		require.Equal(t, 226, code)
		c.data() // never used
		d := c.data()
		require.Equal(t, 150, c.do("STOR up"))
		require.NoError(t, d.Handshake())
	}
	require.NoError(t, server.Close())
	for _, c := range waiting {
		c.ended()
	}
	eventually(t, "goroutines are left", func() bool { return ownGoroutines() <= before })
}

// ownGoroutines is how many goroutines run the host's code.
func ownGoroutines() int {
	stacks := make([]byte, 8<<20)
	n := 0
	for stack := range bytes.SplitSeq(stacks[:runtime.Stack(stacks, true)], []byte("\n\n")) {
		if bytes.Contains(stack, []byte("wasiftp/host.")) {
			n++
		}
	}
	return n
}
