package bans

import "net/netip"

// networks is a map of networks. An address is found in it however many there are.
type networks[V any] struct {
	of      map[netip.Prefix]V
	lengths [2][129]int // how many networks of IPv4, or IPv6, have a prefix of this length
}

func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

func (n *networks[V]) put(network netip.Prefix, v V) {
	if n.of == nil {
		n.of = map[netip.Prefix]V{}
	}
	if _, known := n.of[network]; !known {
		n.lengths[family(network.Addr())][network.Bits()]++
	}
	n.of[network] = v
}

func (n *networks[V]) drop(network netip.Prefix) {
	if _, known := n.of[network]; known {
		n.lengths[family(network.Addr())][network.Bits()]--
		delete(n.of, network)
	}
}

// find returns the value of the smallest network that has the address, and that good is
// true for.
func (n *networks[V]) find(a netip.Addr, good func(V) bool) (v V, found bool) {
	if len(n.of) == 0 {
		return v, false
	}
	lengths := &n.lengths[family(a)]
	for bits := a.BitLen(); bits >= 0; bits-- {
		if lengths[bits] == 0 {
			continue
		}
		network, _ := a.Prefix(bits)
		if v, found = n.of[network]; found && good(v) {
			return v, true
		}
	}
	return v, false
}

// plain is an address without zone, and as IPv4 if it is one mapped into IPv6.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// plainNetwork is a network as it stands in [networks].
func plainNetwork(p netip.Prefix) netip.Prefix {
	a, bits := p.Addr(), p.Bits()
	if a.Is4In6() && bits >= 96 {
		bits -= 96
		a = a.Unmap()
	}
	return netip.PrefixFrom(a.WithZone(""), bits).Masked()
}

// sourcesOf are the networks that an address counts for: itself, or its IPv6 /64 and /48.
func sourcesOf(a netip.Addr) []netip.Prefix {
	if a.Is4() {
		return []netip.Prefix{netip.PrefixFrom(a, 32)}
	}
	near, _ := a.Prefix(64)
	if a.IsLoopback() {
		return []netip.Prefix{near}
	}
	site, _ := a.Prefix(48)
	return []netip.Prefix{near, site}
}

// shareOf is how many times an address's share the ith source of an address has.
func shareOf(i int) int {
	if i == 0 {
		return 1
	}
	return siteShare
}

// siteShare is that of an IPv6 /48. One customer may have it, or a hoster whose customers
// have a /64 each.
const siteShare = 4
