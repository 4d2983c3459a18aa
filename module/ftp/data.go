package ftp

import "net/netip"

// dataState is how far a data connection has come.
type dataState uint8

const (
	dataNone      dataState = iota
	dataPassive             // listener waits for the client
	dataActive              // the client listens at active
	dataDialing             // conn is being connected
	dataConnected           // conn is connected
	dataSecuring            // conn goes through the TLS handshake
	dataOpen                // conn is ready for a transfer
)

// dataConnection is a session's data connection: how the client wants it, and how far
// it has come.
type dataConnection struct {
	extended bool // EPSV ALL was said
	data     dataState
	listener Handle
	conn     Handle
	active   netip.AddrPort
	joins    bool // CPSV was said: on this data connection we are the TLS client
}

// needData is the reply to a transfer that cannot begin before PROT P, or before a command
// like PASV or PORT; nil if it can.
func (s *session) needData() error {
	switch {
	case s.e.config.Require == RequireTransfer && !s.protected:
		return replyNeedProtection
	case s.data == dataNone:
		return replyNeedData
	}
	return nil
}

// listen drops the data connection and opens a listener for the next one. family is that
// of [Sockets]; the error is a reply, or ErrAgain.
func (s *session) listen(family int) (netip.AddrPort, error) {
	s.dropData()
	listener, addr, err := s.e.world.Listen(s.handle, family)
	switch {
	case err == nil:
		s.listener, s.data = listener, dataPassive
		return addr, nil
	case err == ErrAgain:
		return addr, err
	case err == ErrUnsupported && s.e.world.LocalAddress(s.handle).Addr().IsUnspecified():
		return addr, replyNoNetwork
	case family > 0 && (err == ErrName || err == ErrUnsupported):
		// The reply names the family that the control connection has (RFC 2428 §3).
		if family == 6 {
			return addr, replyOnlyIPv4
		}
		return addr, replyOnlyIPv6
	}
	return addr, replyNoPort
}

// connect sets up the data connection. It returns ErrAgain until the transfer can use it.
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

// secureData begins TLS on the data connection after PROT P. It returns ErrAgain then.
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

// dataReady handles EventWritable for the data connection: dialling or the TLS handshake
// has ended, with err, or there is room again.
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

// dataFailed drops a data connection that could not be set up, and ends the transfer, if
// there is one.
func (s *session) dataFailed(err error) {
	if s.transfer.state == transferIdle {
		s.dropData()
		return
	}
	s.finish(replyToData(err))
}

// dropData closes the data connection and its listener.
func (s *session) dropData() {
	if s.listener != 0 {
		s.e.world.Close(s.listener)
	}
	if s.conn != 0 {
		s.e.world.Close(s.conn)
	}
	s.dataConnection = dataConnection{extended: s.extended}
}
