package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/pflag"
)

func (o *options) addNetworkTo(f *pflag.FlagSet) {
	f.Func("public-address", "have clients from outside private networks connect to `ADDR`, that of\nthe NAT: an "+
		"IPv4 address, or a name that is looked up each minute.\nNETWORK=ADDR is for the clients of a network; "+
		"repeatable", o.setPublicAddress)
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

// parseNetwork reads an address or a network.
func parseNetwork(text string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(text)
	if addr, single := netip.ParseAddr(text); single == nil && addr.Zone() == "" {
		network, err = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
	}
	if err != nil || network.Addr().Is4In6() {
		return network, fmt.Errorf("%q is no address or network such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32", text)
	}
	if network != network.Masked() {
		return network, fmt.Errorf("%q has bits behind its length; did you mean %v?", text, network.Masked())
	}
	return network, nil
}
