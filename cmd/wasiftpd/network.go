package main

import (
	"strings"

	"github.com/spf13/pflag"

	"wasiftp/cmd/wasiftpd/admin"
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
		network, err := admin.ParseNetwork(strings.TrimSpace(said))
		if err != nil {
			return err
		}
		o.config.Proxies = append(o.config.Proxies, network)
	}
	return nil
}
