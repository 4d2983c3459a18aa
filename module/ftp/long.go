package ftp

import (
	"bytes"
	"net/netip"
)

// RFC 1639: addresses of any family, byte by byte, as they were before EPRT and EPSV.

// lprtVerb takes the address at which an active client listens.
func (s *session) lprtVerb(arg []byte) error { return s.setActive(arg, parseLongPort) }

// parseLongPort reads af,hal,h1,…,pal,p1,p2. Its error is a reply.
func parseLongPort(arg []byte) (netip.AddrPort, error) {
	var buf [21]byte // an address of IPv6 is the longest
	numbers := buf[:0]
	for more := true; more; {
		var number []byte
		number, arg, more = bytes.Cut(arg, []byte{','})
		n, ok := parseNumber(number, 255)
		if !ok || len(numbers) == cap(numbers) {
			return netip.AddrPort{}, replyBadArgument
		}
		numbers = append(numbers, byte(n))
	}
	size := 4
	switch numbers[0] {
	case 4:
	case 6:
		size = 16
	default:
		return netip.AddrPort{}, replyBadLongFamily
	}
	if len(numbers) != size+5 || numbers[1] != byte(size) || numbers[size+2] != 2 {
		return netip.AddrPort{}, replyBadArgument
	}
	addr, _ := netip.AddrFromSlice(numbers[2 : size+2])
	return netip.AddrPortFrom(addr, uint16(numbers[size+3])<<8|uint16(numbers[size+4])), nil
}

// lpsvVerb opens a listener of the control connection's family.
func (s *session) lpsvVerb([]byte) error {
	if s.extended {
		return replyOnlyEPSV
	}
	addr, err := s.listen(0)
	if err != nil {
		return err
	}
	ip, family := addr.Addr().Unmap(), int64(4)
	if ip.Is6() {
		family = 6
	}
	b := appendInt(append(s.e.scratch[:0], "228 Entering Long Passive Mode ("...), family)
	host := ip.AsSlice()
	b = appendInt(append(b, ','), int64(len(host)))
	for _, octet := range append(host, 2, byte(addr.Port()>>8), byte(addr.Port())) {
		b = appendInt(append(b, ','), int64(octet))
	}
	s.sendLine(append(b, ')'))
	return nil
}
