package tests

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

// pipes is a network in memory.
type pipes struct {
	mu       sync.Mutex
	ports    map[int]*pipePort
	last     int
	requests []host.DataRequest
}

func (p *pipes) listen() *pipePort {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	l := &pipePort{number: p.last, arrived: make(chan net.Conn, 8), closed: make(chan struct{})}
	if p.ports == nil {
		p.ports = map[int]*pipePort{}
	}
	p.ports[p.last] = l
	return l
}

func (p *pipes) listenData(_ context.Context, of host.DataRequest) (net.Listener, error) {
	l := p.listen()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = append(p.requests, of)
	return l, nil
}

func (p *pipes) dial(t testing.TB, port int) net.Conn {
	t.Helper()
	p.mu.Lock()
	l := p.ports[port]
	p.mu.Unlock()
	require.NotNil(t, l)
	here, there := net.Pipe()
	here.SetDeadline(time.Now().Add(script.Patience))
	t.Cleanup(func() { here.Close() })
	l.arrived <- there
	return here
}

type pipePort struct {
	number  int
	arrived chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

var errPipeClosed = errors.New("the port is closed") // not net.ErrClosed, on purpose

func (l *pipePort) Accept() (net.Conn, error) {
	select {
	case c := <-l.arrived:
		return c, nil
	case <-l.closed:
		return nil, errPipeClosed
	}
}

func (l *pipePort) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipePort) Addr() net.Addr { return &net.TCPAddr{Port: l.number} }

// chat is a session over any connection.
type chat struct {
	t       testing.TB
	control net.Conn
	in      *bufio.Reader
}

func chatOver(t testing.TB, c net.Conn) *chat {
	t.Helper()
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(script.Patience))
	talk := &chat{t, c, bufio.NewReader(c)}
	require.Equal(t, 220, talk.reply().Code)
	return talk
}

func (c *chat) reply() script.Reply {
	c.t.Helper()
	r, err := script.ReadReply(c.in)
	require.NoError(c.t, err)
	return r
}

func (c *chat) say(line string) script.Reply {
	c.t.Helper()
	_, err := io.WriteString(c.control, line+"\r\n")
	require.NoError(c.t, err)
	return c.reply()
}

func (c *chat) login() *chat {
	c.t.Helper()
	require.Equal(c.t, 331, c.say("USER u").Code)
	require.Equal(c.t, 230, c.say("PASS p").Code)
	require.Equal(c.t, 200, c.say("TYPE I").Code)
	return c
}

func (c *chat) port() (port int) {
	c.t.Helper()
	r := c.say("EPSV")
	require.Equal(c.t, 229, r.Code, r.Text())
	_, err := fmt.Sscanf(r.Text(), "Entering Extended Passive Mode (|||%d|)", &port)
	require.NoError(c.t, err)
	return port
}

func withSecret(t testing.TB) *fsbridge.Memory {
	files := fsbridge.NewMemory()
	require.NoError(t, putFile(files, "secret", []byte("the secret"), past))
	return files
}

// All of a session can be in memory, also under TLS.
func TestListenDataInMemory(t *testing.T) {
	t.Parallel()
	network, seen := &pipes{}, &events{}
	server, _ := serve(t, host.Config{Authenticator: accounts(withSecret(t)), Observer: seen, ListenData: network.listenData,
		TLS: host.TLS{Config: serverTLS()}})
	control := network.listen()
	go server.Serve(control)
	for range 2 {
		c := chatOver(t, network.dial(t, control.number)).login()
		for _, verb := range []string{"RETR secret", "LIST", "NLST", "MLSD"} {
			data := network.dial(t, c.port())
			require.Equal(t, 150, c.say(verb).Code)
			assert.Contains(t, stolen(data), "secret", verb)
			require.Equal(t, 226, c.reply().Code)
		}
		data := network.dial(t, c.port())
		require.Equal(t, 150, c.say("STOR new").Code)
		io.WriteString(data, "uploaded")
		data.Close()
		require.Equal(t, 226, c.reply().Code)
		assert.Equal(t, "8", c.say("SIZE new").Text())

		require.Equal(t, 234, c.say("AUTH TLS").Code)
		secure := tls.Client(c.control, &tls.Config{InsecureSkipVerify: true})
		c.control, c.in = secure, bufio.NewReader(secure)
		c.login()
		require.Equal(t, 200, c.say("PBSZ 0").Code)
		require.Equal(t, 200, c.say("PROT P").Code)
		data = network.dial(t, c.port())
		io.WriteString(c.control, "RETR secret\r\n")
		protected := tls.Client(data, &tls.Config{InsecureSkipVerify: true})
		require.NoError(t, protected.Handshake())
		require.Equal(t, 150, c.reply().Code)
		assert.Equal(t, "the secret", stolen(protected))
		require.Equal(t, 226, c.reply().Code)

		assert.Equal(t, 425, c.say("PASV").Code, "there is no address to announce")
		c.say("PORT 127,0,0,1,200,200")
		assert.Contains(t, []int{425, 500, 501, 503}, c.say("RETR secret").Code)
		require.Equal(t, 221, c.say("QUIT").Code)
	}
	of := network.requests[0]
	assert.Equal(t, "u", of.User)
	assert.EqualValues(t, 1, of.Session)
	assert.False(t, of.Client.IsValid() || of.Server.IsValid())
	assert.Equal(t, "pipe", of.Remote.Network())
	for port, l := range network.ports {
		if l != control {
			eventually(t, fmt.Sprint("the end of port ", port), func() bool {
				select {
				case <-l.closed:
					return true
				default:
					return false
				}
			})
		}
	}
}

// unixListener serves at a Unix socket.
func unixListener(t testing.TB, server *host.Server) net.Conn {
	t.Helper()
	at := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", at)
	if err != nil {
		t.Skip(err)
	}
	go server.Serve(l)
	c, err := net.Dial("unix", at)
	require.NoError(t, err)
	return c
}

// A session at a Unix socket has data connections where ListenData says.
func TestListenDataForAUnixSocket(t *testing.T) {
	t.Parallel()
	remotes := make(chan net.Addr, 8)
	server, _ := serve(t, host.Config{Authenticator: accounts(withSecret(t)),
		ListenData: func(_ context.Context, of host.DataRequest) (net.Listener, error) {
			remotes <- of.Local
			return net.Listen("tcp", "127.0.0.1:0")
		}})
	c := chatOver(t, unixListener(t, server)).login()
	for _, line := range []string{"EPSV", "EPSV 1", "EPSV 2"} {
		r := c.say(line)
		require.Equal(t, 229, r.Code, "%s: %s", line, r.Text())
		assert.Equal(t, "unix", (<-remotes).Network())
		var port uint16
		fmt.Sscanf(r.Text(), "Entering Extended Passive Mode (|||%d|)", &port)
		data, err := dialFrom("127.0.0.1", netip.AddrPortFrom(loopback[0].Addr(), port))
		require.NoError(t, err)
		require.Equal(t, 150, c.say("RETR secret").Code)
		assert.Equal(t, "the secret", stolen(data))
		require.Equal(t, 226, c.reply().Code)
	}
}

// Without ListenData such a session has no data connections, and is told so.
func TestUnixSocketWithoutListenData(t *testing.T) {
	t.Parallel()
	server, _ := serve(t, host.Config{Authenticator: accounts(withSecret(t))})
	c := chatOver(t, unixListener(t, server)).login()
	for _, line := range []string{"EPSV", "PASV", "LPSV", "LIST", "RETR secret"} {
		assert.Equal(t, 425, c.say(line).Code, line)
	}
	c.say("PORT 127,0,0,1,200,200")
	assert.NotEqual(t, 150, c.say("LIST").Code)
	assert.Equal(t, "10", c.say("SIZE secret").Text())
	require.Equal(t, 221, c.say("QUIT").Code)
}

// What ListenData does wrong costs one reply.
func TestListenDataFaults(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	answers := map[string]func() (net.Listener, error){
		"error":       func() (net.Listener, error) { return nil, errors.New("no port") },
		"EAGAIN":      func() (net.Listener, error) { return nil, os.NewSyscallError("listen", syscall.EAGAIN) },
		"nothing":     func() (net.Listener, error) { return nil, nil },
		"panic":       func() (net.Listener, error) { panic("listening") },
		"no port":     func() (net.Listener, error) { return (&pipes{last: -1}).listen(), nil },
		"not TCP":     func() (net.Listener, error) { return net.Listen("unix", filepath.Join(t.TempDir(), "s")) },
		"a nil inner": func() (net.Listener, error) { return nilListener{}, nil },
	}
	var answer func() (net.Listener, error)
	var mu sync.Mutex
	_, network := serve(t, host.Config{Authenticator: accounts(withSecret(t)),
		ListenData: func(ctx context.Context, _ host.DataRequest) (net.Listener, error) {
			mu.Lock()
			now := answer
			mu.Unlock()
			return now()
		}})
	t.Cleanup(func() { close(gate) }) // before the server is closed
	c := login(t, network, "u")
	for name, wrong := range answers {
		mu.Lock()
		answer = wrong
		mu.Unlock()
		assert.Equal(t, 425, c.do("EPSV"), name)
	}
	// One that hangs holds up its own session only.
	mu.Lock()
	answer = func() (net.Listener, error) { <-gate; return nil, errors.New("too late") }
	mu.Unlock()
	c.send("EPSV\r\n")
	other := login(t, network, "u")
	other.alive()
}

// nilListener panics in every method.
type nilListener struct{ net.Listener }

// Where the control connection has an address, a data connection of another is refused as
// ever, and active ones are refused altogether.
func TestListenDataOfOthers(t *testing.T) {
	t.Parallel()
	network, _, seen := observed(t, host.Config{
		ListenData: func(_ context.Context, of host.DataRequest) (net.Listener, error) {
			if of.Client.Addr().String() != "127.0.0.1" || of.Remote.String() != of.Client.String() ||
				of.Local.String() != of.Server.String() {
				return nil, fmt.Errorf("wrong ends: %+v", of)
			}
			l, err := net.Listen("tcp4", "127.0.0.1:0")
			return foreignListener{l}, err
		}})
	c := login(t, network, "u")
	at := c.port()
	thief, err := dialFrom("127.0.0.2", at)
	require.NoError(t, err)
	assert.Empty(t, stolen(thief))
	eventually(t, "the refusal", func() bool { return len(seen.of(host.DataRefused)) == 1 })
	data, err := dialFrom("127.0.0.1", at)
	require.NoError(t, err)
	require.Equal(t, 150, c.do("RETR secret"))
	assert.Equal(t, "the secret", stolen(data))
	require.Equal(t, 226, c.reply().Code)

	require.Equal(t, 200, c.do("EPRT |1|127.0.0.1|40000|"))
	require.Equal(t, 150, c.do("RETR secret"))
	assert.Equal(t, 425, c.reply().Code)
	assert.Len(t, seen.of(host.DataRefused), 2)
}

// DialData makes active data connections. The address is the client's by then, whatever it asked
// for; what DialData does wrong costs one reply.
func TestDialData(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []netip.AddrPort
	dial := func(ctx context.Context, of host.DataRequest, to netip.AddrPort) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, to)
		switch {
		case of.User != "u" || of.Remote == nil || of.Client.Addr() != to.Addr():
			return nil, fmt.Errorf("the request is %+v", of)
		case len(asked) == 1:
			return nil, nil
		case len(asked) == 2:
			panic("no network")
		case len(asked) == 3:
			return nil, syscall.EACCES
		}
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", to.String())
		return wrapped{c}, err
	}
	_, network := serve(t, host.Config{Authenticator: accounts(withSecret(t)), DialData: dial})
	c := login(t, network, "u")
	at, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { at.Close() })
	to := at.Addr().(*net.TCPAddr).AddrPort()
	assert.Equal(t, 5, c.do("EPRT |1|192.0.2.1|40000|")/100, "another host's")
	for range 3 {
		require.Equal(t, 200, c.do(fmt.Sprintf("EPRT |1|127.0.0.1|%d|", to.Port())))
		require.Equal(t, 150, c.do("RETR secret"))
		assert.Equal(t, 425, c.reply().Code)
	}
	require.Equal(t, 200, c.do(fmt.Sprintf("EPRT |1|127.0.0.1|%d|", to.Port())))
	require.Equal(t, 150, c.do("RETR secret"))
	data, err := at.Accept()
	require.NoError(t, err)
	content, err := io.ReadAll(data)
	assert.NoError(t, err)
	assert.NotEmpty(t, content)
	assert.Equal(t, 226, c.reply().Code)
	mu.Lock()
	defer mu.Unlock()
	assert.Equal(t, []netip.AddrPort{to, to, to, to}, asked)
}

// wrapped is a connection of an embedder's own type.
type wrapped struct{ net.Conn }
