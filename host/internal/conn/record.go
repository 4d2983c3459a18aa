package conn

import (
	"errors"
	"net"
)

// recordHeader is how long the header of a TLS record is: a type, a version, and
// the length of what follows (RFC 8446 §5.1).
const recordHeader = 5

// records is a control connection whose TLS may end before it does (CCC). It
// reads no further than the present record: crypto/tls reads ahead, and what it
// holds behind the last record would be lost.
type records struct {
	net.Conn
	header [recordHeader]byte
	have   int  // bytes of the header
	left   int  // bytes of the record behind its header
	ending bool // whoever goes on in the clear now is done with TLS
	clear  []byte
}

// NetConn is the connection underneath.
func (r *records) NetConn() net.Conn { return r.Conn }

// Read reads a part of a header or of what follows it.
func (r *records) Read(p []byte) (int, error) {
	if r.left > 0 {
		n, err := r.Conn.Read(p[:min(len(p), r.left)])
		r.left -= n
		return n, err
	}
	n, err := r.Conn.Read(p[:min(len(p), recordHeader-r.have)])
	copy(r.header[r.have:], p[:n])
	r.have += n
	if r.ending && r.have > 0 && !isRecordType(r.header[0]) {
		r.clear = r.header[:r.have]
		return 0, errInTheClear
	}
	if r.have == recordHeader {
		r.have, r.left = 0, int(r.header[3])<<8|int(r.header[4])
	}
	return n, err
}

// isRecordType tells the first byte of a record from that of a command.
func isRecordType(b byte) bool { return b >= 20 && b <= 24 }

var errInTheClear = errors.New("the client goes on in the clear without close_notify")
