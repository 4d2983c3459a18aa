package tests

import (
	"net/netip"
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
