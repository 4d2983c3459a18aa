package wasi

import "net/netip"

// LowestPort is the lowest port that a client may name for an active data connection.
// Below it are the well-known services, the aim of a bounce attack (RFC 2577 §3).
const LowestPort = 1024

// IsClient reports whether a is the address of the client. If only one of the two has a
// zone (IPv6), the zone is not compared.
func IsClient(client, a netip.Addr) bool {
	if a.Zone() == "" || client.Zone() == "" {
		return a.WithZone("") == client.WithZone("")
	}
	return a == client
}

// Zoned completes an address that a client has named. Such an address has no zone, and a
// link-local one needs one: it gets the zone of the client.
func Zoned(client netip.Addr, a netip.AddrPort) netip.AddrPort {
	if !a.Addr().IsLinkLocalUnicast() {
		return a
	}
	return netip.AddrPortFrom(a.Addr().WithZone(client.Zone()), a.Port())
}

// IsNear reports whether a client is probably on the server's side of a NAT: its address is
// private (RFC 1918, RFC 4193), link-local (RFC 3927) or loopback.
func IsNear(client netip.Addr) bool {
	return client.IsPrivate() || client.IsLinkLocalUnicast() || client.IsLoopback()
}

// Announced is the address of a passive port that the client is told. It is the local
// address of the control connection. For a client beyond a NAT (not near) it is the NAT's
// public IPv4 address; a public that is not valid stands for no NAT.
func Announced(local, public netip.Addr, near bool, port uint16) netip.AddrPort {
	if near || !public.IsValid() || !local.Is4() {
		return netip.AddrPortFrom(local, port)
	}
	return netip.AddrPortFrom(public, port)
}
