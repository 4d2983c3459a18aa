package ftp

import (
	"bytes"
	"net/netip"
)

// lowPort is the first port that is not reserved for the system's services,
// where a server must never be sent (RFC 2577 §3).
const lowPort = 1024

// portVerb says where an active client waits (RFC 959 §4.1.2).
func (s *session) portVerb(arg []byte) error {
	if s.extended {
		return replyOnlyEPSV
	}
	addr, ok := parsePort(arg)
	if !ok {
		return replyBadArgument
	}
	return s.setActive(addr)
}

// eprtVerb says the same for any family (RFC 2428 §2).
func (s *session) eprtVerb(arg []byte) error {
	if s.extended {
		return replyOnlyEPSV
	}
	addr, err := parseExtendedPort(arg)
	if err != nil {
		return err
	}
	return s.setActive(addr)
}

// setActive accepts only an address that the client itself is at: otherwise the
// server could be made to connect anywhere (CVE-1999-0017).
func (s *session) setActive(addr netip.AddrPort) error {
	peer := s.e.world.PeerAddress(s.handle).Addr().Unmap().WithZone("")
	if addr.Port() < lowPort || addr.Addr() != peer && !s.e.config.AllowForeignData {
		return replyIllegalPort
	}
	s.dropData()
	s.active, s.data = addr, dataActive
	return replyActive
}

// parsePort reads PORT's h1,h2,h3,h4,p1,p2. What is not plainly that is refused:
// a leading zero would be octal to some readers and decimal to others.
func parsePort(arg []byte) (netip.AddrPort, bool) {
	var octets [6]byte
	for i := range octets {
		number, rest, more := bytes.Cut(arg, []byte{','})
		n, ok := parseNumber(number, 255)
		if !ok || more != (i < len(octets)-1) {
			return netip.AddrPort{}, false
		}
		octets[i], arg = byte(n), rest
	}
	addr := netip.AddrFrom4([4]byte(octets[:4]))
	return netip.AddrPortFrom(addr, uint16(octets[4])<<8|uint16(octets[5])), true
}

// parseExtendedPort reads EPRT's |family|address|port|, with any delimiter. The
// error is the reply to one that is wrong.
func parseExtendedPort(arg []byte) (netip.AddrPort, error) {
	if len(arg) == 0 || arg[0] <= ' ' || arg[0] > '~' {
		return netip.AddrPort{}, replyBadArgument
	}
	parts := bytes.SplitN(arg, arg[:1], 6)
	if len(parts) != 5 || len(parts[4]) != 0 {
		return netip.AddrPort{}, replyBadArgument
	}
	family, ok := parseNumber(parts[1], 1<<16)
	if !ok {
		return netip.AddrPort{}, replyBadArgument
	}
	if family != 1 && family != 2 {
		return netip.AddrPort{}, replyBadFamily
	}
	port, ok := parseNumber(parts[3], 65535)
	if !ok {
		return netip.AddrPort{}, replyBadArgument
	}
	addr, err := netip.ParseAddr(string(parts[2]))
	if err != nil || addr.Zone() != "" || addr.Is4In6() || addr.Is4() != (family == 1) {
		return netip.AddrPort{}, replyBadArgument
	}
	return netip.AddrPortFrom(addr, uint16(port)), nil
}
