package conn

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/pires/go-proxyproto"
)

// Proxied is a connection that a proxy has made for a client. It begins with a header of the
// PROXY protocol, version 1 or 2, which names the client.
type Proxied struct {
	arrival *Arrival
	conn    net.Conn
}

// What is wrong with a header. The texts have nothing of the peer's: they are counted in logs.
var (
	errNoHeader    = errors.New("the connection of a proxy does not begin with a PROXY header")
	errHeaderLate  = errors.New("the PROXY header did not come in time")
	errHeaderEnds  = errors.New("the connection ended before the PROXY header did")
	errBadHeader   = errors.New("the PROXY header is malformed or too long")
	errNoAddresses = errors.New("the PROXY header names no TCP addresses")
)

// Proxied is the arrival as a connection of a proxy. Only that is to be used from then on.
func (a *Arrival) Proxied() *Proxied {
	p := &Proxied{arrival: a, conn: a.Ordinary()}
	a.conn, a.direct = p.conn, nil
	return p
}

// Header waits for the header, but not longer than within. It returns the arrival, whose
// From and To are then those that the header names. It keeps them if the proxy connects on
// its own behalf, for a health check. No byte behind the header is read. After an error the
// connection is closed.
func (p *Proxied) Header(within time.Duration) (*Arrival, error) {
	timer := time.AfterFunc(within, p.Close) // a deadline might mean nothing to an embedder's connection
	header, err := readHeader(p.conn)
	if !timer.Stop() {
		return nil, errHeaderLate
	}
	if err == nil {
		err = p.arrival.introduce(header)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p.arrival, nil
}

// Close closes the connection. Any goroutine may call it, and Header then returns.
func (p *Proxied) Close() { closeSoon(p.conn) }

const (
	shortestHeader = len("PROXY UNKNOWN\r\n") // of both versions
	longestLine    = 107                      // a header of version 1
	fixedPart      = 16                       // bytes of version 2 that end in the number of those that follow
	mostFollowing  = 4 << 10
)

// readHeader reads a header and not a byte more, so that the system's socket has all that
// follows.
func readHeader(from io.Reader) ([]byte, error) {
	b := make([]byte, shortestHeader, longestLine)
	if _, err := io.ReadFull(from, b); err != nil {
		return nil, errHeaderEnds
	}
	switch {
	case bytes.HasPrefix(b, proxyproto.SIGV1):
		return readLine(from, b)
	case bytes.HasPrefix(b, proxyproto.SIGV2):
		return readBlock(from, b)
	}
	return nil, errNoHeader
}

// readLine reads on to the end of a header of version 1.
func readLine(from io.Reader, b []byte) ([]byte, error) {
	for !bytes.HasSuffix(b, []byte("\r\n")) {
		if len(b) == longestLine {
			return nil, errBadHeader
		}
		b = append(b, 0)
		if _, err := io.ReadFull(from, b[len(b)-1:]); err != nil {
			return nil, errHeaderEnds
		}
	}
	return b, nil
}

// readBlock reads on to the end of a header of version 2.
func readBlock(from io.Reader, b []byte) ([]byte, error) {
	b = append(b, 0)
	if _, err := io.ReadFull(from, b[fixedPart-1:]); err != nil {
		return nil, errHeaderEnds
	}
	following := binary.BigEndian.Uint16(b[fixedPart-2:])
	if following > mostFollowing {
		return nil, errBadHeader
	}
	b = append(b, make([]byte, following)...)
	if _, err := io.ReadFull(from, b[fixedPart:]); err != nil {
		return nil, errHeaderEnds
	}
	return b, nil
}

// introduce takes the addresses of a header.
func (a *Arrival) introduce(header []byte) error {
	h, err := proxyproto.Read(bufio.NewReader(bytes.NewReader(header)))
	if err != nil {
		return errBadHeader
	}
	if h.Command.IsLocal() {
		return nil
	}
	from, to := Addr(h.SourceAddr), Addr(h.DestinationAddr)
	if !isMachine(from.Addr()) || !isMachine(to.Addr()) || from.Addr().Is4() != to.Addr().Is4() {
		return errNoAddresses
	}
	a.behind = a.To
	a.From, a.To = from, to
	return nil
}

// isMachine reports whether an address can be that of one end of a connection.
func isMachine(a netip.Addr) bool { return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() }

// Behind is the address of ours that a proxy has connected to; not valid without a proxy.
func (a *Arrival) Behind() netip.AddrPort { return a.behind }
