package tests

import (
	"crypto/tls"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
)

// offering is a client's configuration with these protocols (ALPN).
func offering(version uint16, protocols ...string) *tls.Config {
	config := clientTLS(version)
	config.NextProtos = protocols
	return config
}

// TestThreat23ALPN: a client of another protocol, whom an attacker on the way has led
// here, names its protocol in the handshake, which fails.
func TestThreat23ALPN(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		server, network := serve(t, host.Config{
			Authenticator: accounts(fsbridge.NewMemory()), TLS: host.TLS{Config: serverTLS()},
		})
		implicit := implicitPort(t, server).String()
		for _, offer := range []struct {
			protocols []string
			chosen    string
			refused   bool
		}{
			{nil, "", false},
			{[]string{"ftp"}, "ftp", false},
			{[]string{"ftp", "x-filezilla-ftp"}, "ftp", false},
			{[]string{"h2", "http/1.1", "ftp"}, "ftp", false},
			{[]string{"http/1.1"}, "", true},
			{[]string{"h2", "http/1.1"}, "", true},
			{[]string{"smtp"}, "", true},
			{[]string{"ftp-data"}, "", true},
		} {
			c := connect(t, network)
			require.Equal(t, 234, c.do("AUTH TLS"))
			p, err := c.handshake(offering(version, offer.protocols...))
			checkProtocol(t, p.tls.ConnectionState(), err, offer.chosen, offer.refused)

			conn, err := tls.Dial("tcp", implicit, offering(version, offer.protocols...))
			var state tls.ConnectionState
			if err == nil {
				state = conn.ConnectionState()
				conn.Close()
			}
			checkProtocol(t, state, err, offer.chosen, offer.refused)
		}
	})
}

func checkProtocol(t *testing.T, state tls.ConnectionState, err error, chosen string, refused bool) {
	t.Helper()
	if refused {
		assert.ErrorContains(t, err, "no application protocol")
		return
	}
	require.NoError(t, err)
	assert.Equal(t, chosen, state.NegotiatedProtocol)
}

// TestThreat23DataALPN: the same of data connections, which resume their session
// whatever they name.
func TestThreat23DataALPN(t *testing.T) {
	eachVersion(t, func(t *testing.T, version uint16) {
		network, _, _ := securable(t, host.TLS{DataResumption: host.RequireResumption})
		require.Equal(t, 226, loginTLS(t, network, clientTLS(version)).store("STOR f", "bytes"))
		for _, offer := range []struct {
			protocols []string
			chosen    string
			refused   bool
		}{
			{nil, "", false},
			{[]string{"ftp-data"}, "ftp-data", false},
			{[]string{"ftp"}, "ftp", false},
			{[]string{"ftp", "ftp-data"}, "ftp-data", false},
			{[]string{"http/1.1"}, "", true},
		} {
			c := loginTLS(t, network, offering(version, "ftp"))
			c.config = c.config.Clone()
			c.config.NextProtos = offer.protocols
			d := c.data()
			require.Equal(t, 150, c.do("RETR f"))
			err := d.Handshake()
			checkProtocol(t, d.ConnectionState(), err, offer.chosen, offer.refused)
			if offer.refused {
				assert.Equal(t, 522, c.reply().Code)
				c.alive()
				continue
			}
			assert.Equal(t, "bytes", stolen(d))
			assert.Equal(t, 226, c.reply().Code)
		}
	})
}

// TestALPNOfEmbedder: the protocols of an embedder's configuration count, also if
// GetConfigForClient picks the configuration.
func TestALPNOfEmbedder(t *testing.T) {
	t.Parallel()
	own := serverTLS()
	own.NextProtos = []string{"x-own"}
	for name, config := range map[string]*tls.Config{"given": own, "picked": {
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return own, nil },
	}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			network, _, _ := securable(t, host.TLS{Config: config})
			for protocol, refused := range map[string]bool{"x-own": false, "ftp": true} {
				c := connect(t, network)
				require.Equal(t, 234, c.do("AUTH TLS"))
				p, err := c.handshake(offering(tls.VersionTLS13, protocol))
				checkProtocol(t, p.tls.ConnectionState(), err, protocol, refused)
			}
			assert.Equal(t, []string{"x-own"}, own.NextProtos)
		})
	}
}
