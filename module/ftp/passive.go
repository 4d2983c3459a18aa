package ftp

import "bytes"

// pasvVerb opens a listener for IPv4 (RFC 959 §4.1.2).
func (s *session) pasvVerb([]byte) error {
	if s.extended {
		return replyOnlyEPSV
	}
	if !s.e.world.LocalAddress(s.handle).Addr().Unmap().Is4() {
		return replyUseEPSV
	}
	addr, err := s.listen(4)
	if err != nil {
		return err
	}
	ip := addr.Addr().Unmap()
	if !ip.Is4() {
		s.dropData()
		return replyUseEPSV
	}
	// There must be no other comma in the text: clients look for the first digit
	// or the first comma (RFC 1123 §4.1.2.6).
	b := append(s.e.scratch[:0], "227 Entering Passive Mode ("...)
	for _, octet := range ip.As4() {
		b = append(appendInt(b, int64(octet)), ',')
	}
	b = append(appendInt(b, int64(addr.Port()>>8)), ',')
	b = appendInt(b, int64(addr.Port()&0xff))
	s.sendLine(append(b, ")."...))
	return nil
}

// epsvVerb opens a listener for any family (RFC 2428 §3).
func (s *session) epsvVerb(arg []byte) error {
	family := 0
	arg = bytes.TrimRight(arg, " ")
	switch {
	case len(arg) == 0:
	case string(arg) == "1":
		family = 4
	case string(arg) == "2":
		family = 6
	case isWord(arg, "ALL"):
		s.extended = true
		return replyEPSVAll
	default:
		return replyBadFamily
	}
	addr, err := s.listen(family)
	if err != nil {
		return err
	}
	b := appendInt(append(s.e.scratch[:0], "229 Entering Extended Passive Mode (|||"...), int64(addr.Port()))
	s.sendLine(append(b, "|)"...))
	return nil
}
