package ftp

import "net/netip"

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

// dataConnection is a session's: what its client has asked for, and what there is.
type dataConnection struct {
	extended bool // EPSV ALL was said
	data     dataState
	listener Handle
	conn     Handle
	active   netip.AddrPort
	joins    bool // on the next one we are the TLS client (CPSV)
}

// needData tells what a transfer still needs before it can begin, nil for nothing.
func (s *session) needData() error {
	switch {
	case s.e.config.Require == RequireTransfer && !s.protected:
		return replyNeedProtection
	case s.data == dataNone:
		return replyNeedData
	}
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
	if s.protection.joins || s.dataConnection.joins {
		err = s.e.tlsJoiner.JoinTLS(s.conn)
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

// dataFailed ends a transfer, if there is one, for want of a data connection.
func (s *session) dataFailed(err error) {
	if s.transfer.state == transferIdle {
		s.dropData()
		return
	}
	s.finish(replyToData(err))
}

// dropData closes all there is of a data connection.
func (s *session) dropData() {
	if s.listener != 0 {
		s.e.world.Close(s.listener)
	}
	if s.conn != 0 {
		s.e.world.Close(s.conn)
	}
	s.dataConnection = dataConnection{extended: s.extended}
}
