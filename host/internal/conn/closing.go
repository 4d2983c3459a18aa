package conn

import (
	"errors"
	"fmt"
	"io"
	"net"
)

// Closing is a connection beneath TLS that notes when it ends (FIN). crypto/tls takes an
// end between two records for a close_notify, so an upload that somebody has cut off
// there would look complete.
type Closing struct {
	net.Conn
	Required bool // an end without close_notify is an error
	Ended    bool // the connection has ended

	records *[]byte // written and not yet sent; nil where each is sent at once
}

var errNoCloseNotify = fmt.Errorf("no close_notify: %w", io.ErrUnexpectedEOF)

// NetConn is the connection beneath.
func (c *Closing) NetConn() net.Conn { return c.Conn }

// Read implements [net.Conn].
func (c *Closing) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == io.EOF {
		if c.Ended = true; c.Required {
			err = errNoCloseNotify
		}
	}
	return n, err
}

// EndedEarly says whether err, from a handshake, means that the client ended the
// connection in good order. A read under TLS then meets that end, too.
func (c *Closing) EndedEarly(err error) bool { return c.Ended && errors.Is(err, io.EOF) }
