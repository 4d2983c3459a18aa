package main

import "github.com/spf13/pflag"

func (o *options) addNetworkTo(f *pflag.FlagSet) {
	f.Func("public-address", "have clients from outside private networks connect to `ADDR`, that of\nthe NAT: an "+
		"IPv4 address, or a name that is looked up each minute.\nNETWORK=ADDR is for the clients of a network; "+
		"repeatable", o.setPublicAddress)
	f.Func("proxy-protocol", "believe proxies in `NETWORKS`, separated by commas, which client they\nspeak for (PROXY "+
		"protocol, v1 or v2). Connections from there that don't\nbegin with a PROXY header are closed", networksTo(&o.config.Proxies))
}
