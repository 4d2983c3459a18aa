package conn

import (
	"errors"
	"fmt"
	"io"
	"net"
)

// Closing is a connection that notes its end. Between two records crypto/tls takes
// that for the end of TLS, and an upload that somebody has cut there for complete.
type Closing struct {
	net.Conn
	Required bool // its end is none of TLS
	Ended    bool // it has ended
}

var errNoCloseNotify = fmt.Errorf("no close_notify: %w", io.ErrUnexpectedEOF)

// NetConn is the connection beneath.
func (c *Closing) NetConn() net.Conn { return c.Conn }

// Read notes the end.
func (c *Closing) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == io.EOF {
		if c.Ended = true; c.Required {
			err = errNoCloseNotify
		}
	}
	return n, err
}

// EndedEarly says whether a handshake failed because the client ended the
// connection in good order. What is read under TLS then is its end, too.
func (c *Closing) EndedEarly(err error) bool { return c.Ended && errors.Is(err, io.EOF) }
