package conn

import (
	"errors"
	"net"
)

// recordHeader is the size of the header of a TLS record in bytes: type, version, and the
// length of the fragment (RFC 8446 §5.1).
const recordHeader = 5

// records is the connection beneath TLS where TLS may end before it does (CCC). A read
// stops at the end of a record: crypto/tls reads ahead, and commands in the clear that it
// has read behind the last record would be lost.
type records struct {
	net.Conn
	header [recordHeader]byte
	have   int    // bytes of the header that were read
	left   int    // bytes of the fragment that were not
	ending bool   // the client may go on in the clear without a close_notify
	clear  []byte // read in the clear
}

// NetConn is the connection beneath.
func (r *records) NetConn() net.Conn { return r.Conn }

// Read reads a part of a header or of a fragment.
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

// isRecordType says whether b begins a record (RFC 8446 §B.1) and not a command.
func isRecordType(b byte) bool { return b >= 20 && b <= 24 }

var errInTheClear = errors.New("the client goes on in the clear without close_notify")
