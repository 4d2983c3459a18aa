package wasi

import (
	"net/netip"
	"testing"
)

// A link-local address has its zone when it comes from a socket, and none when it comes from
// the guest.
func TestClientInAZone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		client, other string
		same          bool
	}{
		{"192.0.2.1", "192.0.2.1", true}, {"192.0.2.1", "192.0.2.2", false}, {"2001:db8::1", "2001:db8::1", true},
		{"fe80::1%eth0", "fe80::1", true}, {"fe80::1%eth0", "fe80::1%eth0", true}, {"fe80::1", "fe80::1%eth0", true},
		{"fe80::1%eth0", "fe80::1%eth1", false}, {"fe80::1%eth0", "fe80::2", false}, {"fe80::1%eth0", "fe80::2%eth0", false},
		{"fe80::1%eth0", "192.0.2.1", false},
	} {
		if got := IsClient(netip.MustParseAddr(c.client), netip.MustParseAddr(c.other)); got != c.same {
			t.Errorf("%s is the client %s: %v", c.other, c.client, got)
		}
	}
	for given, want := range map[string]string{
		"[fe80::1]:7": "[fe80::1%eth0]:7", "[fe80::2]:7": "[fe80::2%eth0]:7", "[2001:db8::1]:7": "[2001:db8::1]:7",
		"192.0.2.1:7":   "192.0.2.1:7",
		"169.254.0.1:7": "169.254.0.1:7",
	} {
		if got := Zoned(netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddrPort(given)).String(); got != want {
			t.Errorf("%s is %s, not %s", given, got, want)
		}
	}
}
