package tests

import (
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/host"
	"wasiftp/tests/script"
)

// Behind a NAT, PASV tells clients from outside the public address, and clients in the
// server's network the server's own.
func TestPassivePublicAddress(t *testing.T) {
	t.Parallel()
	public := netip.MustParseAddr("203.0.113.7")
	for name, want := range map[string]struct {
		local []netip.Prefix
		text  string
	}{
		"from outside":              {[]netip.Prefix{}, "(203,0,113,7,"},
		"from the server's network": {nil, "(127,0,0,1,"},
	} {
		network, _, _ := observed(t, host.Config{Passive: host.Passive{PublicAddress: public, LocalNetworks: want.local}})
		c := login(t, network, "u")
		assert.Contains(t, c.say("PASV").Text(), want.text, name)
		// EPSV names no address, and the port is open at both.
		got, code := c.get("RETR secret")
		assert.Equal(t, 226, code)
		assert.Equal(t, "the secret", string(got))
	}
}

func TestPassivePortsOfARange(t *testing.T) {
	t.Parallel()
	const size = 3
	first := uint16(script.FreePorts(t, size))
	last := first + size - 1
	network, _, _ := observed(t, host.Config{Passive: host.Passive{FirstPort: first, LastPort: last}})
	var sessions []*talk
	full := false
	for range size + 1 {
		c := login(t, network, "u")
		sessions = append(sessions, c)
		r := c.say("EPSV")
		if r.Code == 425 {
			full = true
			break
		}
		require.Equal(t, 229, r.Code)
	}
	assert.True(t, full, "more ports than there are")
	// A port that is given back is used again.
	require.Equal(t, 226, sessions[0].do("ABOR"))
	port := sessions[len(sessions)-1].port()
	assert.GreaterOrEqual(t, port.Port(), first)
	assert.LessOrEqual(t, port.Port(), last)
}

// An embedder chooses the address for each client. A panic costs one reply.
func TestPassivePublicAddressFor(t *testing.T) {
	t.Parallel()
	var panics atomic.Bool
	network, _, _ := observed(t, host.Config{Passive: host.Passive{
		PublicAddress: netip.MustParseAddr("203.0.113.7"), // replaced
		PublicAddressFor: func(client netip.Addr) netip.Addr {
			if panics.Load() {
				panic("no idea")
			}
			return map[string]netip.Addr{
				"127.0.0.1": netip.MustParseAddr("::ffff:198.51.100.7"), "127.0.0.2": netip.MustParseAddr("2001:db8::1"),
			}[client.String()]
		},
	}})
	for client, want := range map[string]string{
		"127.0.0.1": "(198,51,100,7,", "127.0.0.2": "(127,0,0,1,", "127.0.0.3": "(127,0,0,1,",
	} {
		network.Client = netip.MustParseAddr(client)
		c := login(t, network, "u")
		for range 3 {
			assert.Contains(t, c.say("PASV").Text(), want, client)
			got, code := c.get("RETR secret")
			assert.Equal(t, 226, code)
			assert.Equal(t, "the secret", string(got))
		}
	}
	c := login(t, network, "u")
	panics.Store(true)
	assert.Equal(t, 425, c.do("PASV"))
	panics.Store(false)
	assert.Equal(t, 227, c.do("PASV"))
}

// The range is one of IPv6 ports too.
func TestPassivePortsOfARangeByIPv6(t *testing.T) {
	t.Parallel()
	first := uint16(script.FreePorts(t, 2))
	network, _, _ := observed(t, host.Config{Passive: host.Passive{FirstPort: first, LastPort: first + 1}})
	if !network.IPv6.IsValid() {
		t.Skip("there is no IPv6 here")
	}
	network.IPv4 = network.IPv6 // where talk connects
	c := login(t, network, "u")
	for range 4 {
		at := c.port()
		assert.True(t, at.Addr().Is6() && (at.Port() == first || at.Port() == first+1), "%v", at)
		require.Equal(t, 226, c.do("ABOR"))
	}
	got, code := c.get("RETR secret")
	assert.Equal(t, 226, code)
	assert.Equal(t, "the secret", string(got))
	assert.Equal(t, 425, c.do("PASV"))
}
