package main

import (
	"encoding/binary"
	"net/netip"
)

// addressSize is the size of WAMR's record of an address and a port, in bytes.
const addressSize = 24

// The kinds of address; sock_open takes them as families.
const (
	kindIPv4 = 0
	kindIPv6 = 1
)

func kindOf(a netip.Addr) uint32 {
	if a.Is4() {
		return kindIPv4
	}
	return kindIPv6
}

// putAddress makes a record. Its numbers are little-endian, also the eight that make up an
// IPv6 address.
//
//	0 u32 kind · 4 IPv4: 4 bytes, u16 port · 4 IPv6: eight u16, u16 port
func putAddress(a netip.AddrPort) (b [addressSize]byte) {
	binary.LittleEndian.PutUint32(b[:], kindOf(a.Addr()))
	if a.Addr().Is4() {
		v4 := a.Addr().As4()
		copy(b[4:], v4[:])
		binary.LittleEndian.PutUint16(b[8:], a.Port())
		return b
	}
	v6 := a.Addr().As16()
	for i := 0; i < len(v6); i += 2 {
		b[4+i], b[5+i] = v6[i+1], v6[i]
	}
	binary.LittleEndian.PutUint16(b[20:], a.Port())
	return b
}

// getAddress reads a record. It unmaps an IPv4 address that is mapped into IPv6.
func getAddress(b [addressSize]byte) netip.AddrPort {
	if binary.LittleEndian.Uint32(b[:]) == kindIPv4 {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.LittleEndian.Uint16(b[8:]))
	}
	var v6 [16]byte
	for i := 0; i < len(v6); i += 2 {
		v6[i], v6[i+1] = b[5+i], b[4+i]
	}
	return netip.AddrPortFrom(netip.AddrFrom16(v6).Unmap(), binary.LittleEndian.Uint16(b[20:]))
}
