package admin

import (
	"fmt"
	"net/netip"
)

// Everybody says that bans end for all networks.
const Everybody = "all"

// ParseNetworks reads what [ParseNetwork] does, or [Everybody], which is all of IPv4 and all of
// IPv6.
func ParseNetworks(text string) ([]netip.Prefix, error) {
	if text == Everybody {
		return []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}, nil
	}
	network, err := ParseNetwork(text)
	return []netip.Prefix{network}, err
}

// ParseNetwork reads an address, which is a network of its own, or a network. It fails if the
// text is neither, or has bits behind the network's length.
func ParseNetwork(text string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(text)
	if addr, single := netip.ParseAddr(text); single == nil && addr.Zone() == "" {
		network, err = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
	}
	if err != nil || network.Addr().Is4In6() {
		return network, fmt.Errorf("%q is no network such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32", text)
	}
	if network != network.Masked() {
		return network, fmt.Errorf("%q has bits behind its length; did you mean %v?", text, network.Masked())
	}
	return network, nil
}
