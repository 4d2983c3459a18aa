package tests

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

// clearing is observed with TLS and CCC.
func clearing(t testing.TB, config host.TLS) (script.Network, *fsbridge.Memory, *events) {
	t.Helper()
	config.Config = serverTLS()
	return observed(t, host.Config{TLS: config, Allow: host.Allow{CCC: true}})
}

// cleared says CCC, and reads the reply and the server's close_notify.
func (c *private) cleared() *talk {
	c.t.Helper()
	return c.clearedBy("CCC", 200)
}

func (c *private) clearedBy(verb string, code int) *talk {
	c.t.Helper()
	require.Equal(c.t, code, c.do(verb))
	_, err := c.in.ReadByte()
	require.Equal(c.t, io.EOF, err, "no close_notify")
	return &talk{t: c.t, network: c.network, control: c.tcp, in: bufio.NewReader(c.tcp)}
}

// held keeps what is written, to send it in one segment.
type held struct {
	socket
	script.Conn
	hold bool
	text bytes.Buffer
}

func (h *held) Read(p []byte) (int, error) { return h.socket.Read(p) }
func (h *held) Close() error               { return h.socket.Close() }
func (h *held) CloseWrite() error          { return h.socket.CloseWrite() }

func (h *held) Write(p []byte) (int, error) {
	if h.hold {
		return h.text.Write(p)
	}
	return h.socket.Write(p)
}

// release sends all that was kept.
func (h *held) release() error {
	h.hold = false
	_, err := h.socket.Write(h.text.Bytes())
	return err
}

// TestCCC: behind close_notify the control connection is in the clear, and no command
// that came right behind it is lost. Data connections stay protected, as parts of the
// same TLS session.
func TestCCC(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		network, _, _ := clearing(t, host.TLS{DataResumption: host.RequireResumption})
		plain := connect(t, network)
		wire := &held{socket: plain.control.(socket), Conn: plain.control}
		plain.control = wire
		c := plain.auth(clientTLS(version)).protect()
		c.enter("u")

		open := c.cleared()
		wire.hold = true
		require.NoError(t, c.tls.CloseWrite())
		open.send("PWD\r\nNOOP\r\nSYST\r\n")
		require.NoError(t, wire.release())
		for _, code := range []int{257, 200, 215} {
			assert.Equal(t, code, open.reply().Code)
		}
		assert.Equal(t, 503, open.do("PROT C"))
		assert.Equal(t, 503, open.do("CCC"))
		under := &private{open, c.tls, wire.Conn, c.config}
		content, code := under.get("RETR secret")
		assert.Equal(t, 226, code)
		assert.Equal(t, "the secret", content)

		open.control = wire.Conn
		again := open.auth(clientTLS(version))
		assert.Equal(t, 530, again.do("PWD"))
		again.protect().enter("u")
		content, code = again.get("RETR secret")
		assert.Equal(t, 226, code)
		assert.Equal(t, "the secret", content)
	})
}

// TestREINUnderTLS: after REIN the session is in the clear, as after the greeting, and
// may begin TLS again (RFC 4217 §11).
func TestREINUnderTLS(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		network, _, _ := clearing(t, host.TLS{})
		c := loginTLS(t, network, clientTLS(version))
		open := c.clearedBy("REIN", 220)
		require.NoError(t, c.tls.CloseWrite())
		assert.Equal(t, 530, open.do("PWD"))
		open.enter("u")
		content, code := open.get("RETR secret")
		assert.Equal(t, 226, code)
		assert.Equal(t, "the secret", string(content))

		again := open.auth(clientTLS(version))
		again.protect().enter("u")
		under, code := again.get("RETR secret")
		assert.Equal(t, 226, code)
		assert.Equal(t, "the secret", under)
	})
}

// TestThreat01CommandsBeforeCloseNotify: where close_notify is required, a command is not
// obeyed that an attacker on the way adds in the clear, before CCC or between it and the
// client's close_notify. Nor is a command that stands under TLS behind CCC.
func TestThreat01CommandsBeforeCloseNotify(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		network, files, seen := clearing(t, host.TLS{Close: host.RequireClose})
		const injected = "DELE secret\r\n"
		for _, split := range []int{0, 1, 4, 5, len(injected)} {
			c := loginTLS(t, network, clientTLS(version))
			raw := c.tcp
			if split > 0 {
				raw = c.cleared().control
			}
			for _, part := range []string{injected[:split], injected[split:]} {
				if _, err := io.WriteString(raw, part); err != nil {
					break
				}
			}
			io.Copy(io.Discard, raw) // until the server hangs up
		}
		c := loginTLS(t, network, clientTLS(version))
		c.send("CCC\r\n" + injected)
		require.Equal(t, 200, c.reply().Code)
		c.send(injected)
		require.NoError(t, c.tls.CloseWrite())
		open := &talk{t: t, network: network, control: c.tcp, in: bufio.NewReader(c.tcp)}
		_, err := c.in.ReadByte()
		require.Equal(t, io.EOF, err)
		open.alive()
		holds(t, files, "secret", "the secret")
		assert.Empty(t, seen.of(host.Deleted))
	})
}

// TestCCCWithoutCloseNotify: unless the end of TLS is required, a client may go on
// in the clear without it, as curl does.
func TestCCCWithoutCloseNotify(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		network, _, _ := clearing(t, host.TLS{})
		open := loginTLS(t, network, clientTLS(version)).cleared()
		for _, part := range []string{"P", "WD\r\nNOO", "P\r\n"} {
			open.send(part)
		}
		assert.Equal(t, 257, open.reply().Code)
		assert.Equal(t, 200, open.reply().Code)
		open.alive()
	})
}

// TestCCCIsNotForAll: CCC is off by default, and where the control connection
// must be protected.
func TestCCCIsNotForAll(t *testing.T) {
	t.Parallel()
	for _, config := range []host.Config{
		{TLS: host.TLS{Config: serverTLS()}},
		{TLS: host.TLS{Config: serverTLS(), Require: host.TLSForControl}, Allow: host.Allow{CCC: true}},
		{TLS: host.TLS{Config: serverTLS(), Require: host.TLSForTransfer}, Allow: host.Allow{CCC: true}},
	} {
		network, _, _ := observed(t, config)
		c := loginTLS(t, network, clientTLS(tls.VersionTLS13))
		assert.Equal(t, 534, c.do("CCC"))
		assert.Equal(t, 503, c.do("REIN"))
		c.alive()
	}
}

const cccProgram = `
import ftplib, ssl, sys
ftp = ftplib.FTP_TLS(timeout=20, context=ssl.create_default_context(cafile="ca.pem"))
ftp.set_debuglevel(1)
ftp.connect(sys.argv[1], int(sys.argv[2]))
ftp.login("u", "p")
ftp.prot_p()
ftp.ccc()
with open("down.bin", "wb") as f:
    ftp.retrbinary("RETR down.bin", f.write)
with open("up.bin", "rb") as f:
    ftp.storbinary("STOR up.bin", f)
ftp.quit()
`

// TestClientsCCC: the clients that can say CCC go on in the clear, with data
// under TLS. In its passive mode, the default, curl does not end TLS itself.
func TestClientsCCC(t *testing.T) {
	curlBy := func(mode string) func(*tlsSite, netip.AddrPort, way) (string, error) {
		return func(s *tlsSite, at netip.AddrPort, w way) (string, error) {
			command := append(curl(w), "--ftp-ssl-ccc-mode", mode)
			down := append(command, ftpURL(at, w)+"down.bin", "-o", "down.bin")
			log, err := s.try("", down...)
			if err != nil {
				return log, err
			}
			return s.try("", append(command, "-T", "up.bin", ftpURL(at, w))...)
		}
	}
	for _, test := range []struct {
		close host.TLSClose
		client
	}{
		{host.RequireClose, client{name: "curl, active", binary: "curl", from: "Debian's curl", run: curlBy("active")}},
		{host.PreferClose, client{name: "curl, passive", binary: "curl", from: "Debian's curl", run: curlBy("passive")}},
		{host.RequireClose, client{name: "lftp", binary: "lftp", from: "Debian's lftp", run: func(s *tlsSite, at netip.AddrPort,
			w way) (string, error) {
			return s.try("set ftp:ssl-use-ccc true\n"+lftp(at, w)+"get down.bin\nput up.bin\n", "lftp", "--norc")
		}}},
		{host.RequireClose, client{name: "Python ftplib", binary: "python3", from: "Debian's python3",
			run: func(s *tlsSite, at netip.AddrPort, _ way) (string, error) {
				return s.try(cccProgram, "python3", "-", at.Addr().String(), portText(at))
			}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachVersion(t, func(t *testing.T, version uint16) {
				test.needed(t)
				s := newTLSSite(t)
				config := serverTLS()
				config.MinVersion, config.MaxVersion = version, version
				_, network := serve(t, host.Config{
					Authenticator: accounts(s.dir), Allow: host.Allow{CCC: true},
					TLS: host.TLS{Config: config, Close: test.close},
				})
				log, err := s.transfer(&test.client, network, way{"explicit", "EPSV"})
				require.NoError(t, err, log)
				assert.Contains(t, log, "CCC")
			})
		})
	}
}
