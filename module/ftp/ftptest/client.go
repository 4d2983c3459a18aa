package ftptest

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"wasiftp/module/ftp"
)

// Client is the client's end of a control connection.
type Client struct {
	w *World
	s *session

	// Handle is the session's.
	Handle ftp.Handle
}

// Data is the client's end of a data connection.
type Data struct{ conn *conn }

// Listener is where an active client waits for data connections.
type Listener struct {
	Addr  netip.AddrPort
	queue []*Data
}

// Connect makes a control connection. It does not run the engine.
func (w *World) Connect() *Client {
	s := &session{conn: &conn{w: w, wantRead: true}, server: w.Server, peer: w.Peer, began: w.Now}
	s.handle = w.newHandle(s)
	s.owner = s.handle
	w.sessions = append(w.sessions, s)
	w.event(ftp.EventOpen, s.handle, 0, nil, 0)
	return &Client{w: w, s: s, Handle: s.handle}
}

// LoginAs makes a control connection and logs in.
func (w *World) LoginAs(user, password string) *Client {
	c := w.Connect()
	w.Run()
	c.Reply()
	c.Do("USER " + user)
	c.Do("PASS " + password)
	return c
}

// Send sends bytes. It does not run the engine.
func (c *Client) Send(text string) { c.s.send(text) }

// Do sends a line, runs the engine and returns the next reply.
func (c *Client) Do(line string) string {
	c.Send(line + "\r\n")
	c.w.Run()
	return c.Reply()
}

// Code is the code of the reply that Do returns.
func (c *Client) Code(line string) string {
	reply := c.Do(line)
	return reply[:min(3, len(reply))]
}

// Reply takes the next whole reply, of one line or several, without its last line end; ""
// if there is none. It reads from the connection, and so makes room.
func (c *Client) Reply() string {
	text := string(c.s.toClient)
	end := 0
	for code := ""; ; {
		i := strings.Index(text[end:], "\r\n")
		if i < 0 {
			return ""
		}
		line := text[end : end+i]
		end += i + 2
		if code == "" && len(line) > 3 && line[3] == '-' {
			code = line[:3] + " "
			continue
		}
		if code == "" || strings.HasPrefix(line, code) {
			break
		}
	}
	c.s.toClient = slices.Delete(c.s.toClient, 0, end)
	c.s.read()
	return text[:end-2]
}

// Codes takes the codes of all whole replies.
func (c *Client) Codes() string {
	var codes []string
	for {
		reply := c.Reply()
		if reply == "" {
			return strings.Join(codes, " ")
		}
		codes = append(codes, reply[:min(3, len(reply))])
	}
}

// Writes is how many writes of the server have sent bytes since the last call.
func (c *Client) Writes() int {
	n := c.s.writes
	c.s.writes = 0
	return n
}

// Take takes all bytes that came, whole replies or not.
func (c *Client) Take() string { return c.s.take() }

// Closed reports whether the server has closed the control connection.
func (c *Client) Closed() bool { return c.s.serverClosed }

// Hang closes the client's sending side; the client still reads.
func (c *Client) Hang() { c.s.hang(false) }

// Drop breaks the connection off.
func (c *Client) Drop() { c.s.hang(true) }

// Vanish is Hang, and tells the engine even if it has not read all that was sent.
func (c *Client) Vanish() {
	c.s.hang(false)
	c.w.event(ftp.EventHangup, c.Handle, c.Handle, nil, 0)
}

func (c *conn) hang(gone bool) {
	c.clientClosed = true
	c.clientGone = c.clientGone || gone
	c.sent()
	if gone {
		c.read()
	}
}

var (
	passiveReply  = regexp.MustCompile(`^227 .*\((\d+),(\d+),(\d+),(\d+),(\d+),(\d+)\)`)
	extendedReply = regexp.MustCompile(`^229 .*\(\|\|\|(\d+)\|\)`)
)

// Passive sends PASV or EPSV and returns the address of the port that the server opened;
// the zero value if it opened none.
func (c *Client) Passive(verb string) netip.AddrPort {
	reply := c.Do(verb)
	if m := extendedReply.FindStringSubmatch(reply); m != nil {
		port, _ := strconv.Atoi(m[1])
		return netip.AddrPortFrom(c.s.server.Addr(), uint16(port))
	}
	m := passiveReply.FindStringSubmatch(reply)
	if m == nil {
		return netip.AddrPort{}
	}
	high, _ := strconv.Atoi(m[5])
	low, _ := strconv.Atoi(m[6])
	return netip.AddrPortFrom(netip.MustParseAddr(strings.Join(m[1:5], ".")), uint16(high<<8|low))
}

// DialData connects to a passive data port. It is nil if nobody listens there.
func (w *World) DialData(to netip.AddrPort) *Data {
	for h, v := range w.handles {
		l, ok := v.(*listener)
		if !ok || l.addr != to {
			continue
		}
		c := &conn{w: w, owner: l.owner}
		l.queue = append(l.queue, c)
		w.event(ftp.EventReadable, l.owner, h, nil, 0)
		return &Data{c}
	}
	return nil
}

// DialLast connects to the passive data port that was opened last.
func (w *World) DialLast() *Data {
	return w.DialData(netip.AddrPortFrom(w.Server.Addr(), w.port))
}

// Listen waits for data connections at the client's address and a port.
func (c *Client) Listen(port uint16) *Listener {
	l := &Listener{Addr: netip.AddrPortFrom(c.s.peer.Addr(), port)}
	c.w.waiting[l.Addr] = l
	return l
}

// PortCommand is the PORT command for an address.
func PortCommand(addr netip.AddrPort) string {
	a := addr.Addr().As4()
	return fmt.Sprintf("PORT %d,%d,%d,%d,%d,%d", a[0], a[1], a[2], a[3], addr.Port()>>8, addr.Port()&0xff)
}

// Accept takes the next data connection. It is nil if there is none.
func (l *Listener) Accept() *Data {
	if len(l.queue) == 0 {
		return nil
	}
	d := l.queue[0]
	l.queue = l.queue[1:]
	return d
}

// Write sends bytes on the data connection.
func (d *Data) Write(text string) { d.conn.send(text) }

// Read takes all bytes that came on the data connection.
func (d *Data) Read() string { return d.conn.take() }

// Close ends the client's sending side, which ends an upload.
func (d *Data) Close() { d.conn.hang(false) }

// Drop breaks the data connection off.
func (d *Data) Drop() { d.conn.hang(true) }

// Closed reports whether the server has closed the data connection.
func (d *Data) Closed() bool { return d.conn.serverClosed }

// Reset reports whether the server broke the data connection off.
func (d *Data) Reset() bool { return d.conn.reset }

// Get carries out a command that sends data to the client, over a passive data connection.
// It returns the data and the codes of all replies.
func (c *Client) Get(command string) (content, codes string) {
	d := c.w.DialData(c.Passive("PASV"))
	if d == nil {
		return "", "425"
	}
	c.Send(command + "\r\n")
	c.w.Run()
	var b strings.Builder
	for {
		part := d.Read()
		c.w.Run()
		if part == "" {
			break
		}
		b.WriteString(part)
	}
	return b.String(), c.Codes()
}

// Upload sends a file with a transfer command over a passive data connection, and returns
// the codes of all replies.
func (c *Client) Upload(command, content string) (codes string) {
	d := c.w.DialData(c.Passive("PASV"))
	if d == nil {
		return "425"
	}
	c.Send(command + "\r\n")
	c.w.Run()
	d.Write(content)
	d.Close()
	c.w.Run()
	return c.Codes()
}
