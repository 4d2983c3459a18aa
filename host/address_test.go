package host

import (
	"net"
	"net/netip"
	"testing"

	"wasiftp/host/internal/conn"
	"wasiftp/wasi"
)

// Sessions are counted by IPv4 address, or by IPv6 /64, which is one subscriber's.
func TestAddressKey(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.1":            "192.0.2.1",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::",
		"2001:db8:1:2::":       "2001:db8:1:2::",
		"2001:db8:1:3::1":      "2001:db8:1:3::",
		"::1":                  "::",
		"fe80::1%eth0":         "fe80::",
		"fe80::2%eth1":         "fe80::",
	} {
		if got := addressKey(netip.MustParseAddr(address)).String(); got != want {
			t.Errorf("%s counts for %s, not %s", address, got, want)
		}
	}
	if key := addressKey(netip.Addr{}); key.IsValid() {
		t.Errorf("no address counts for %s", key)
	}
}

// An IPv4 client on a socket for both families has its IPv4 address.
func TestAddressOfAMappedClient(t *testing.T) {
	t.Parallel()
	mapped := &net.TCPAddr{IP: net.ParseIP("192.0.2.1").To16(), Port: 5}
	if got := conn.Addr(mapped); got != netip.MustParseAddrPort("192.0.2.1:5") {
		t.Errorf("%s", got)
	}
	if got := conn.Addr(&net.UnixAddr{Name: "/tmp/x"}); got.IsValid() {
		t.Errorf("a name is the address %s", got)
	}
	if got := conn.Addr(nil); got.IsValid() {
		t.Errorf("nothing is the address %s", got)
	}
}

func TestAnnouncedAddress(t *testing.T) {
	t.Parallel()
	public := netip.MustParseAddr("203.0.113.9")
	lan := []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	for _, c := range []struct {
		name          string
		passive       Passive
		local, client string
		want          string
	}{
		{"no NAT", Passive{}, "192.0.2.1", "8.8.8.8", "192.0.2.1:7"},
		{"behind a NAT", Passive{PublicAddress: public}, "192.168.0.2", "8.8.8.8", "203.0.113.9:7"},
		{"from the LAN", Passive{PublicAddress: public}, "192.168.0.2", "192.168.0.77", "192.168.0.2:7"},
		{"from 10/8", Passive{PublicAddress: public}, "10.0.0.2", "10.255.255.255", "10.0.0.2:7"},
		{"from 172.16/12", Passive{PublicAddress: public}, "172.16.0.2", "172.31.0.1", "172.16.0.2:7"},
		{"from 172.32", Passive{PublicAddress: public}, "172.16.0.2", "172.32.0.1", "203.0.113.9:7"},
		{"from here", Passive{PublicAddress: public}, "127.0.0.1", "127.0.0.1", "127.0.0.1:7"},
		{"from a network of one's own", Passive{PublicAddress: public, LocalNetworks: lan}, "192.168.0.2", "198.51.100.4",
			"192.168.0.2:7"},
		{"and then no other", Passive{PublicAddress: public, LocalNetworks: lan}, "192.168.0.2", "192.168.0.77", "203.0.113.9:7"},
		{"from no network", Passive{PublicAddress: public, LocalNetworks: []netip.Prefix{}}, "192.168.0.2", "192.168.0.77",
			"203.0.113.9:7"},
		{"IPv6 has no NAT", Passive{PublicAddress: public}, "2001:db8::1", "2001:db8:9::9", "[2001:db8::1]:7"},
		{"a mapped one", Passive{PublicAddress: netip.MustParseAddr("::ffff:203.0.113.9")}, "192.168.0.2", "8.8.8.8", "203.0.113.9:7"},
	} {
		sh := newStill(t, Config{Passive: c.passive})
		s := &session{
			shard: sh, server: sh.server, config: sh.server.current(),
			local:  netip.AddrPortFrom(netip.MustParseAddr(c.local), 21),
			client: netip.AddrPortFrom(netip.MustParseAddr(c.client), 50_000),
		}
		record := make([]byte, wasi.AddrSize)
		wasi.PutAddr(record, s.announced(&listener{port: 7}))
		if got := wasi.GetAddr(record).String(); got != c.want {
			t.Errorf("%s: %s, not %s", c.name, got, c.want)
		}
	}
}
