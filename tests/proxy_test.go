package tests

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/host"
	"wasiftp/tests/script"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128")}

// headerV1 and headerV2 are PROXY headers for a client that has connected to 198.51.100.1.
func headerV1(client string) string { return "PROXY TCP4 " + client + " 198.51.100.1 40000 21\r\n" }

func headerV2(client string) string {
	from, to := netip.MustParseAddr(client).As4(), netip.MustParseAddr("198.51.100.1").As4()
	b := append([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c"), from[:]...)
	b = binary.BigEndian.AppendUint16(append(b, to[:]...), 40000)
	return string(binary.BigEndian.AppendUint16(b, 21))
}

// proxied begins a session as a proxy does.
func proxied(t testing.TB, network script.Network, header string) *talk {
	t.Helper()
	network.Client = loopback[0].Addr()
	c, err := network.Open(4)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	_, err = io.WriteString(c, header)
	require.NoError(t, err)
	return &talk{t: t, network: network, control: c, in: bufio.NewReader(c)}
}

func loginProxied(t testing.TB, network script.Network, header string) *talk {
	t.Helper()
	c := proxied(t, network, header)
	require.Equal(t, 220, c.reply().Code)
	require.Equal(t, 331, c.do("USER u"))
	require.Equal(t, 230, c.do("PASS p"))
	require.Equal(t, 200, c.do("TYPE I"))
	return c
}

// The client that a proxy names is the client, also of its data connections: these come
// through the proxy too.
func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	network, _, seen := observed(t, host.Config{Proxies: loopback})
	for name, header := range map[string]func(string) string{"v1": headerV1, "v2": headerV2} {
		c := loginProxied(t, network, header("203.0.113.7"))
		logins := seen.of(host.LoggedIn)
		last := logins[len(logins)-1]
		assert.Equal(t, "203.0.113.7:40000", last.Client.String(), name)
		assert.Equal(t, "198.51.100.1:21", last.Server.String(), name)
		assert.Contains(t, c.say("PASV").Text(), "(198,51,100,1,", name)

		for range 3 { // the port is kept
			data, err := dialFrom("127.0.0.1", c.port())
			require.NoError(t, err)
			io.WriteString(data, header("203.0.113.7"))
			require.Equal(t, 150, c.do("RETR secret"))
			assert.Equal(t, "the secret", stolen(data), name)
			assert.Equal(t, 226, c.reply().Code)
			data.Close()
		}
		data, err := dialFrom("127.0.0.1", c.port())
		require.NoError(t, err)
		io.WriteString(data, header("203.0.113.7")+"uploaded") // in one packet
		require.NoError(t, data.CloseWrite())
		require.Equal(t, 150, c.do("STOR new"))
		assert.Equal(t, 226, c.reply().Code)
		assert.Equal(t, "8", c.say("SIZE new").Text(), name)
	}
}

// Whoever comes to a passive port for another client gets nothing, through the proxy or not.
func TestProxyProtocolDataOfOthers(t *testing.T) {
	t.Parallel()
	network, _, seen := observed(t, host.Config{Proxies: loopback})
	c := loginProxied(t, network, headerV1("203.0.113.7"))
	at := c.port()
	for _, said := range []string{headerV1("203.0.113.8"), "PROXY UNKNOWN\r\n", "no header of any kind"} {
		data, err := dialFrom("127.0.0.1", at)
		require.NoError(t, err)
		io.WriteString(data, said)
		assert.Empty(t, stolen(data), said)
	}
	outsider, err := dialFrom("127.0.0.2", at) // whose header is not believed
	require.NoError(t, err)
	io.WriteString(outsider, headerV1("203.0.113.7"))
	assert.Empty(t, stolen(outsider))
	eventually(t, "four refusals", func() bool { return len(seen.of(host.DataRefused)) == 4 })

	data, err := dialFrom("127.0.0.1", at)
	require.NoError(t, err)
	io.WriteString(data, headerV1("203.0.113.7"))
	require.Equal(t, 150, c.do("RETR secret"))
	assert.Equal(t, "the secret", stolen(data))
	assert.Equal(t, 226, c.reply().Code)
}

// A client may reach the passive port directly, around the proxy.
func TestProxyProtocolDirectData(t *testing.T) {
	t.Parallel()
	network, _, _ := observed(t, host.Config{Proxies: loopback})
	c := loginProxied(t, network, headerV1("127.0.0.3"))
	data, err := dialFrom("127.0.0.3", c.port())
	require.NoError(t, err)
	require.Equal(t, 150, c.do("RETR secret"))
	assert.Equal(t, "the secret", stolen(data))
	assert.Equal(t, 226, c.reply().Code)

	// An active connection goes from the server's own address to the client.
	l, err := net.Listen("tcp4", "127.0.0.3:0")
	require.NoError(t, err)
	defer l.Close()
	require.Equal(t, 200, c.do("EPRT |1|127.0.0.3|"+decimal(l.Addr().(*net.TCPAddr).Port)+"|"))
	require.Equal(t, 150, c.do("RETR secret"))
	active, err := l.Accept()
	require.NoError(t, err)
	assert.Equal(t, "the secret", stolen(active))
	assert.Equal(t, 226, c.reply().Code)
}

func TestProxyProtocolIsNotBelievedFromElsewhere(t *testing.T) {
	t.Parallel()
	network, _, seen := observed(t, host.Config{Proxies: loopback})
	c, err := dialFrom("127.0.0.2", network.IPv4)
	require.NoError(t, err)
	defer c.Close()
	in := bufio.NewReader(c)
	io.WriteString(c, headerV1("203.0.113.7"))
	for _, code := range []int{220, 500} {
		r, err := script.ReadReply(in)
		require.NoError(t, err)
		assert.Equal(t, code, r.Code)
	}
	require.Len(t, seen.of(host.Connected), 1)
	assert.Equal(t, "127.0.0.2", seen.of(host.Connected)[0].Client.Addr().String())
}

// A trusted connection without a header gets no session, nor a reply.
func TestProxyProtocolWithoutHeader(t *testing.T) {
	t.Parallel()
	network, _, seen := observed(t, host.Config{Proxies: loopback})
	c := proxied(t, network, "USER alice\r\nPASS secret\r\n")
	c.ended()
	eventually(t, "the refusal", func() bool { return len(seen.of(host.Refused)) == 1 })
	e := seen.of(host.Refused)[0]
	assert.Equal(t, "127.0.0.1", e.Client.Addr().String())
	assert.ErrorContains(t, e.Err, "PROXY header")
	assert.Empty(t, seen.of(host.Connected))
}

// Each client behind the proxy has its own limit.
func TestProxyProtocolLimits(t *testing.T) {
	t.Parallel()
	network, _, _ := observed(t, host.Config{Proxies: loopback, Limits: host.Limits{SessionsPerAddress: 1}})
	loginProxied(t, network, headerV2("203.0.113.7"))
	loginProxied(t, network, headerV2("203.0.113.8"))
	assert.Equal(t, 421, proxied(t, network, headerV2("203.0.113.7")).reply().Code)
	// A health check is of the proxy itself.
	assert.Equal(t, 220, proxied(t, network, "PROXY UNKNOWN\r\n").reply().Code)
}

// Half headers cost little: they give way to others, and keep neither clients nor Close waiting.
func TestThreatHalfProxyHeaders(t *testing.T) {
	t.Parallel()
	server, network := serve(t, host.Config{Proxies: loopback})
	half := proxied(t, network, "PROXY TCP4 203")
	for range 300 {
		proxied(t, network, "PROXY TCP4 203")
	}
	half.ended() // long before its time: it was the oldest
	assert.Equal(t, 220, proxied(t, network, headerV1("203.0.113.7")).reply().Code)
	began := time.Now()
	server.Close()
	assert.Less(t, time.Since(began), 4*time.Second)
}

// TLS begins behind the header.
func TestProxyProtocolBeforeTLS(t *testing.T) {
	t.Parallel()
	server, _ := serve(t, host.Config{Proxies: loopback, TLS: host.TLS{Config: serverTLS()}})
	network := listenBy(t, "127.0.0.1", server.ServeTLS)
	c := proxied(t, network, headerV2("203.0.113.7"))
	secure := tls.Client(c.control.(net.Conn), &tls.Config{InsecureSkipVerify: true})
	r, err := script.ReadReply(bufio.NewReader(secure))
	require.NoError(t, err)
	assert.Equal(t, 220, r.Code)
}

// An embedder's own connections begin with a header too.
func TestProxyProtocolOnAForeignListener(t *testing.T) {
	t.Parallel()
	server, _ := serve(t, host.Config{Proxies: loopback})
	network := listenBy(t, "127.0.0.1", func(l net.Listener) error { return server.Serve(foreignListener{l}) })
	for _, header := range []string{headerV1("203.0.113.7"), headerV2("203.0.113.7")} {
		assert.Equal(t, 220, proxied(t, network, header).reply().Code, fmt.Sprintf("%q", header))
	}
}

// foreignListener accepts connections of a type that the host does not know.
type foreignListener struct{ net.Listener }

func (l foreignListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return foreignConn{c}, nil
}

type foreignConn struct{ net.Conn }
