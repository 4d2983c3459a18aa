package tests

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

// rangeBegin is the first passive port of serveRange, below the ports that the system
// assigns for port 0.
const rangeBegin = 20_000

// serveRange runs a server with a range of passive ports at an address of this
// machine that no other test uses, so that all of the range is free.
func serveRange(t *testing.T, local string, size int, config host.Config) script.Network {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(local, "0"))
	if err != nil {
		t.Skipf("%s is not to be had here: %v", local, err)
	}
	files := fsbridge.NewMemory()
	require.NoError(t, putFile(files, "file", []byte("content"), past))
	config.Authenticator = accounts(files)
	config.Passive.FirstPort, config.Passive.LastPort = rangeBegin, uint16(rangeBegin+size-1)
	config.CacheDir = temporary
	server, err := host.New(config)
	require.NoError(t, err)
	t.Cleanup(func() { server.Close() })
	go server.Serve(l)
	return script.Network{IPv4: address(l)}
}

// at is a network whose clients are at another address of this machine.
func at(t *testing.T, network script.Network, client string) script.Network {
	t.Helper()
	network.Client = netip.MustParseAddr(client)
	conn, err := network.Open(4)
	if err != nil {
		t.Skipf("%s is not to be had here: %v", client, err)
	}
	conn.Close()
	return network
}

// takers opens passive ports in sessions of an account until one is refused.
func takers(t *testing.T, network script.Network, verb string, most int) (opened []*talk) {
	t.Helper()
	for range most {
		c := login(t, network, "u")
		switch r := c.say(verb); r.Code {
		case 227, 229, 228:
			opened = append(opened, c)
		default:
			require.Equal(t, 425, r.Code, r.Text())
			return opened
		}
	}
	return opened
}

// TestThreat37OneAddressTakesARange: the sessions of one address get most of a
// range, and others still get a port each.
func TestThreat37OneAddressTakesARange(t *testing.T) {
	t.Parallel()
	for n, verb := range []string{"PASV", "EPSV", "LPSV"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			network := serveRange(t, fmt.Sprintf("127.37.1.%d", 1+n), 20, host.Config{})
			opened := takers(t, network, verb, 21)
			assert.GreaterOrEqual(t, len(opened), 15, "sessions behind one address that get a port")
			assert.Less(t, len(opened), 20)
			others := at(t, network, "127.37.2.1")
			got, code := login(t, others, "ro").get("RETR file")
			assert.Equal(t, 226, code)
			assert.Equal(t, "content", string(got))
			// Those of the crowd are served, too.
			got, code = opened[0].get("RETR file")
			assert.Equal(t, 226, code)
			assert.Equal(t, "content", string(got))
		})
	}
}

// TestThreat37OnePort: a range of one port is enough for one session at a time.
func TestThreat37OnePort(t *testing.T) {
	t.Parallel()
	network := serveRange(t, "127.37.3.1", 1, host.Config{})
	first, second := login(t, network, "u"), login(t, network, "u")
	for range 5 {
		first.port() // in the place of the one before
	}
	assert.Equal(t, 425, second.do("PASV"))
	got, code := first.get("RETR file")
	assert.Equal(t, 226, code)
	assert.Equal(t, "content", string(got))
	got, code = second.get("RETR file")
	assert.Equal(t, 226, code)
	assert.Equal(t, "content", string(got))
}

// TestThreat37FullRange: a large range that is full, or taken by another program, costs
// the other sessions nothing.
func TestThreat37FullRange(t *testing.T) {
	t.Parallel()
	const size = 300
	network := serveRange(t, "127.37.4.1", size, host.Config{})
	for port := range size {
		l, err := net.Listen("tcp", net.JoinHostPort("127.37.4.1", decimal(rangeBegin+port)))
		require.NoError(t, err)
		t.Cleanup(func() { l.Close() })
	}
	asking := make(chan struct{})
	go func() {
		defer close(asking)
		for range 10 {
			c, err := network.Open(4)
			if err != nil {
				return
			}
			defer c.Close()
			fmt.Fprint(c, "USER u\r\nPASS p\r\n"+strings.Repeat("PASV\r\nEPSV\r\n", 100))
		}
	}()
	other := login(t, network, "ro")
	began := time.Now()
	for range 50 {
		other.alive()
	}
	assert.Less(t, time.Since(began), 10*time.Second)
	<-asking
	assert.Equal(t, 425, other.do("PASV"))
}

// TestThreat37UnusedPorts: a port that nobody connects to is given back after DataTime. A
// later transfer at that port is answered as if nobody had connected.
func TestThreat37UnusedPorts(t *testing.T) {
	t.Parallel()
	network := serveRange(t, "127.37.5.1", 1, host.Config{Limits: host.Limits{DataTime: 2 * time.Second}})
	idle, other := login(t, network, "u"), login(t, network, "u")
	port := idle.port()
	eventually(t, "the port stays open", func() bool {
		r := other.say("EPSV")
		return r.Code == 229
	})
	assert.Equal(t, 226, other.do("ABOR"))
	_, err := net.DialTimeout("tcp", port.String(), script.Patience)
	assert.Error(t, err, "somebody listens at %v", port)
	require.Equal(t, 150, idle.do("RETR file"))
	assert.Equal(t, 425, idle.reply().Code)
	got, code := idle.get("RETR file")
	assert.Equal(t, 226, code)
	assert.Equal(t, "content", string(got))
}

// TestThreat37EarlyConnection: a client that has connected in time is served later,
// although its port has been given back.
func TestThreat37EarlyConnection(t *testing.T) {
	t.Parallel()
	network := serveRange(t, "127.37.6.1", 1, host.Config{Limits: host.Limits{DataTime: 2 * time.Second}})
	early, other := login(t, network, "u"), login(t, network, "u")
	d := early.data()
	eventually(t, "the port stays open", func() bool { return other.do("EPSV") == 229 })
	require.Equal(t, 150, early.do("RETR file"))
	content := make([]byte, len("content"))
	_, err := d.Read(content)
	require.NoError(t, err)
	assert.Equal(t, "content", string(content))
	assert.Equal(t, 226, early.reply().Code)
}
