package tests

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/tests/script"
)

// talk is a session in which a test says what it likes.
type talk struct {
	t       testing.TB
	network script.Network
	control script.Conn
	in      *bufio.Reader
}

// connect begins a session and reads the greeting.
func connect(t testing.TB, network script.Network) *talk {
	t.Helper()
	c := &talk{t: t, network: network}
	var err error
	c.control, err = network.Open(4)
	require.NoError(t, err)
	t.Cleanup(func() { c.control.Close() })
	c.in = bufio.NewReader(c.control)
	require.Equal(t, 220, c.reply().Code)
	return c
}

// login begins a session of an account.
func login(t testing.TB, network script.Network, user string) *talk {
	t.Helper()
	c := connect(t, network)
	require.Equal(t, 331, c.do("USER "+user))
	require.Equal(t, 230, c.do("PASS p"))
	require.Equal(t, 200, c.do("TYPE I"))
	return c
}

func (c *talk) send(text string) {
	c.t.Helper()
	_, err := io.WriteString(c.control, text)
	require.NoError(c.t, err)
}

func (c *talk) reply() script.Reply {
	c.t.Helper()
	r, err := script.ReadReply(c.in)
	require.NoError(c.t, err)
	return r
}

// say sends a line and reads its reply.
func (c *talk) say(line string) script.Reply {
	c.t.Helper()
	c.send(line + "\r\n")
	return c.reply()
}

// do sends a line and returns the code of its reply.
func (c *talk) do(line string) int {
	c.t.Helper()
	return c.say(line).Code
}

// port opens a passive port.
func (c *talk) port() netip.AddrPort {
	c.t.Helper()
	r := c.say("EPSV")
	require.Equal(c.t, 229, r.Code, r.Text())
	var port uint16
	_, err := fmt.Sscanf(r.Text(), "Entering Extended Passive Mode (|||%d|)", &port)
	require.NoError(c.t, err, r.Text())
	return netip.AddrPortFrom(c.network.IPv4.Addr(), port)
}

// data opens a passive data connection.
func (c *talk) data() script.Conn {
	c.t.Helper()
	d, err := c.network.Dial(c.control, c.port())
	require.NoError(c.t, err)
	c.t.Cleanup(func() { d.Close() })
	return d
}

// get downloads by a command, and returns the content and the code of the last reply.
func (c *talk) get(line string) ([]byte, int) {
	c.t.Helper()
	d := c.data()
	if code := c.do(line); code != 150 {
		return nil, code
	}
	content, err := io.ReadAll(d)
	require.NoError(c.t, err)
	return content, c.reply().Code
}

// store uploads by a command, and returns the code of the last reply.
func (c *talk) store(line, content string) int {
	c.t.Helper()
	d := c.data()
	if code := c.do(line); code != 150 {
		return code
	}
	_, err := io.WriteString(d, content)
	require.NoError(c.t, err)
	require.NoError(c.t, d.Close())
	return c.reply().Code
}

// ended waits until the server closes the control connection, whatever it says first.
func (c *talk) ended() {
	c.t.Helper()
	_, err := io.Copy(io.Discard, c.in)
	if err != nil {
		assert.True(c.t, script.IsReset(err), "%v", err)
	}
}

// alive checks that the session still answers.
func (c *talk) alive() {
	c.t.Helper()
	assert.Equal(c.t, 200, c.do("NOOP"))
}

// eventually waits for something that no reply tells.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	require.Eventually(t, is, script.Patience, 2*time.Millisecond, what)
}

// dialFrom connects from one of this machine's own addresses.
func dialFrom(from string, to netip.AddrPort) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: script.Patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", to.String())
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(script.Patience))
	return c.(*net.TCPConn), nil
}

func decimal(n int) string { return strconv.Itoa(n) }

// past is an old modification time.
var past = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
