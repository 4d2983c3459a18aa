package ftp

import (
	"bytes"
	"net/netip"
)

// lowPort is the first port that is not reserved for the system's services,
// where a server must never be sent (RFC 2577 §3).
const lowPort = 1024

// portVerb takes the address at which an active client listens (RFC 959 §4.1.2).
func (s *session) portVerb(arg []byte) error { return s.setActive(arg, parsePort) }

// eprtVerb does so for an address of either family (RFC 2428 §2).
func (s *session) eprtVerb(arg []byte) error { return s.setActive(arg, parseExtendedPort) }

// setActive takes the address that parse reads, if it is the client's own: otherwise the
// server could be made to connect anywhere (CVE-1999-0017).
func (s *session) setActive(arg []byte, parse func([]byte) (netip.AddrPort, error)) error {
	if s.extended {
		return replyOnlyEPSV
	}
	addr, err := parse(arg)
	if err != nil {
		return err
	}
	peer := s.e.world.PeerAddress(s.handle).Addr().Unmap().WithZone("")
	if addr.Port() < lowPort || addr.Addr() != peer && !s.e.config.AllowForeignData {
		return replyIllegalPort
	}
	s.dropData()
	s.active, s.data = addr, dataActive
	return replyActive
}

// parsePort reads PORT's h1,h2,h3,h4,p1,p2; its error is a reply. Numbers with leading
// zeros are refused: some programs read them as octal, others as decimal.
func parsePort(arg []byte) (netip.AddrPort, error) {
	var octets [6]byte
	for i := range octets {
		number, rest, more := bytes.Cut(arg, []byte{','})
		n, ok := parseNumber(number, 255)
		if !ok || more != (i < len(octets)-1) {
			return netip.AddrPort{}, replyBadArgument
		}
		octets[i], arg = byte(n), rest
	}
	addr := netip.AddrFrom4([4]byte(octets[:4]))
	return netip.AddrPortFrom(addr, uint16(octets[4])<<8|uint16(octets[5])), nil
}

// parseExtendedPort reads EPRT's |family|address|port|, with any delimiter. Its error
// is a reply.
func parseExtendedPort(arg []byte) (netip.AddrPort, error) {
	if len(arg) == 0 || arg[0] <= ' ' || arg[0] > '~' {
		return netip.AddrPort{}, replyBadArgument
	}
	parts := bytes.SplitN(arg, arg[:1], 6)
	if len(parts) != 5 || len(parts[4]) != 0 {
		return netip.AddrPort{}, replyBadArgument
	}
	family, familyOK := parseNumber(parts[1], 1<<16)
	if familyOK && family != 1 && family != 2 {
		return netip.AddrPort{}, replyBadFamily
	}
	port, portOK := parseNumber(parts[3], 65535)
	addr, err := netip.ParseAddr(string(parts[2]))
	if !familyOK || !portOK || err != nil || addr.Zone() != "" || addr.Is4In6() || addr.Is4() != (family == 1) {
		return netip.AddrPort{}, replyBadArgument
	}
	return netip.AddrPortFrom(addr, uint16(port)), nil
}
