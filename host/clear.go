package host

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"wasiftp/wasi"
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

// stopTLS ends TLS on the control connection (RFC 4217 §6, CCC).
func (s *session) stopTLS(reply []byte) wasi.Errno {
	config := &s.server.config
	if !config.Allow.CCC || config.TLS.Require >= TLSForControl {
		return wasi.EACCES
	}
	s.host = s.at() // which only the handshake may have told
	return s.stream.upgradeTo(&upgrade{reply: slices.Clone(reply), lenient: config.TLS.Close != RequireClose})
}

// politeTime is how long the client may take to end TLS before we do: lftp reads
// our end together with the reply and takes it for that of the connection, and
// curl waits for ours.
const politeTime = 500 * time.Millisecond

// stopTLS ends TLS on both sides. What the client sends under it before its
// close_notify is forgotten. The result is what it has said in the clear already,
// where that is tolerated.
func (u *upgrade) stopTLS(conn *tls.Conn) (net.Conn, []byte, error) {
	under := conn.NetConn().(*records)
	under.ending = u.lenient
	conn.SetReadDeadline(time.Now().Add(politeTime))
	_, err := io.Copy(io.Discard, conn)
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		if err := conn.CloseWrite(); err != nil {
			return nil, nil, err
		}
		conn.SetReadDeadline(time.Now().Add(handshakeTime))
		_, err = io.Copy(io.Discard, conn)
	}
	if err != nil && err != errInTheClear {
		return nil, nil, err
	}
	return under.Conn, under.clear, nil
}
