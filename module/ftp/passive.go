package ftp

import (
	"bytes"
	"net/netip"
)

// dataState is what there is of a data connection.
type dataState uint8

const (
	dataNone      dataState = iota
	dataPassive             // listener waits for the client
	dataActive              // active says where the client waits
	dataDialing             // conn is being connected
	dataConnected           // conn is connected
	dataSecuring            // conn goes through the TLS handshake
	dataOpen                // conn can be used
)

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
	b := append(s.e.scratch[:0], "229 Entering Extended Passive Mode (|||"...)
	b = appendInt(b, int64(addr.Port()))
	s.sendLine(append(b, "|)"...))
	return nil
}

// listen opens a listener in the place of whatever there was of a data
// connection. The error is a reply, or ErrAgain.
func (s *session) listen(family int) (netip.AddrPort, error) {
	s.dropData()
	listener, addr, err := s.e.world.Listen(s.handle, family)
	switch {
	case err == nil:
		s.listener, s.data = listener, dataPassive
		return addr, nil
	case err == ErrAgain:
		return addr, err
	case family > 0 && (err == ErrName || err == ErrUnsupported):
		return addr, otherFamily(family)
	}
	return addr, replyNoPort
}

// otherFamily refuses a family that the control connection does not have, and names
// the one that it has (RFC 2428 §3).
func otherFamily(family int) error {
	if family == 6 {
		return replyOnlyIPv4
	}
	return replyOnlyIPv6
}

// dropData closes all there is of a data connection.
func (s *session) dropData() {
	if s.listener != 0 {
		s.e.world.Close(s.listener)
	}
	if s.conn != 0 {
		s.e.world.Close(s.conn)
	}
	s.listener, s.conn, s.data, s.joinsOnce = 0, 0, dataNone, false
}

// connect brings the data connection about. It returns ErrAgain while that has
// to be waited for.
func (s *session) connect() error {
	switch s.data {
	case dataPassive:
		conn, err := s.e.world.Accept(s.listener)
		if err != nil {
			return err
		}
		s.e.world.Close(s.listener)
		s.listener, s.conn = 0, conn
		return s.secureData()
	case dataActive:
		conn, err := s.e.world.Dial(s.handle, s.active)
		if err != nil {
			return err
		}
		s.conn, s.data = conn, dataDialing
		return ErrAgain
	case dataDialing, dataSecuring:
		return ErrAgain
	case dataConnected:
		return s.secureData()
	case dataOpen:
		return nil
	}
	return ErrRefused
}

// secureData protects the data connection, if that was asked for.
func (s *session) secureData() error {
	if !s.protected {
		s.data = dataOpen
		return nil
	}
	s.data = dataSecuring
	var err error
	if s.joins || s.joinsOnce {
		err = s.e.joiner.JoinTLS(s.conn)
	} else {
		err = s.e.world.StartTLS(s.conn, nil)
	}
	if err != nil {
		return ErrSecurity
	}
	return ErrAgain
}

// dataReady is told that the data connection has room, or how dialling or its
// TLS handshake went.
func (s *session) dataReady(err error) {
	switch {
	case s.data != dataDialing && s.data != dataSecuring:
	case err != nil:
		s.dataFailed(err)
	case s.data == dataDialing:
		s.data = dataConnected
	default:
		s.data = dataOpen
	}
}
