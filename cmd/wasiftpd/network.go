package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/pflag"
)

func (o *options) addNetworkTo(f *pflag.FlagSet) {
	f.Func("proxy-protocol", "believe proxies in `NETWORKS`, separated by commas, which client they\nspeak for (PROXY "+
		"protocol, v1 or v2). Connections from there that don't\nbegin with a PROXY header are closed", o.setProxies)
}

func (o *options) setProxies(list string) error {
	for said := range strings.SplitSeq(list, ",") {
		network, err := parseNetwork(strings.TrimSpace(said))
		if err != nil {
			return err
		}
		o.config.Proxies = append(o.config.Proxies, network)
	}
	return nil
}

// parseNetwork reads a network, or an address, which is a network of one.
func parseNetwork(s string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(s)
	if addr, bad := netip.ParseAddr(s); bad == nil && addr.Zone() == "" {
		network, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	if err != nil || network.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("%q is no network such as 192.0.2.0/24, 2001:db8::/32 or 192.0.2.1", s)
	}
	return network.Masked(), nil
}
