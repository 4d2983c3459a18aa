package wasi

import "net/netip"

// LowestPort is the lowest port that an active client may name: below it are the well-known
// services that a bounce attack is after (RFC 2577 §3).
const LowestPort = 1024

// IsClient reports whether an address is the client's. Where only one of them tells its
// zone, that is taken for the other's too.
func IsClient(client, a netip.Addr) bool {
	if a.Zone() == "" || client.Zone() == "" {
		return a.WithZone("") == client.WithZone("")
	}
	return a == client
}

// Zoned is an address that a client has named, which has no zone: one that is good on a
// link only is on the client's.
func Zoned(client netip.Addr, a netip.AddrPort) netip.AddrPort {
	if !a.Addr().IsLinkLocalUnicast() {
		return a
	}
	return netip.AddrPortFrom(a.Addr().WithZone(client.Zone()), a.Port())
}

// IsNear reports whether a client is mostly on the server's side of a NAT: its address is
// private (RFC 1918, RFC 4193), good on a link only (RFC 3927) or this machine's.
func IsNear(client netip.Addr) bool {
	return client.IsPrivate() || client.IsLinkLocalUnicast() || client.IsLoopback()
}

// Announced is the address at which a client reaches a passive port: that of its control
// connection, unless a NAT stands between, which has an IPv4 address in public.
func Announced(local, public netip.Addr, near bool, port uint16) netip.AddrPort {
	if near || !public.IsValid() || !local.Is4() {
		return netip.AddrPortFrom(local, port)
	}
	return netip.AddrPortFrom(public, port)
}
