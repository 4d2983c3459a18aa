package standalone

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/module/ftp"
)

// fake is a Network in memory, whose other end the test has.
type fake struct {
	last    Socket
	sockets map[Socket]any // *fakeListener or *fakeConn
	dialled []netip.AddrPort
	broken  bool  // Accept fails
	refusal error // of Connected, nil for none
	pending int   // how many times Connected says ErrAgain before
}

type fakeListener struct {
	at    netip.AddrPort
	queue []*fakeConn
}

type fakeConn struct {
	local, peer        netip.AddrPort
	toServer, toClient bytes.Buffer
	ended              bool // by the client
	closed, reset      bool // by the server
}

func (f *fake) insert(v any) Socket {
	f.last++
	f.sockets[f.last] = v
	return f.last
}

func (f *fake) Listen(at netip.AddrPort) (Socket, netip.AddrPort, error) {
	if at.Port() == 0 {
		at = netip.AddrPortFrom(at.Addr(), 60000+uint16(f.last))
	}
	for _, v := range f.sockets {
		if l, ok := v.(*fakeListener); ok && l.at == at {
			return 0, at, ftp.ErrTooMany
		}
	}
	return f.insert(&fakeListener{at: at}), at, nil
}

func (f *fake) Accept(s Socket) (Socket, netip.AddrPort, netip.AddrPort, error) {
	l := f.sockets[s].(*fakeListener)
	switch {
	case f.broken:
		return 0, netip.AddrPort{}, netip.AddrPort{}, ftp.ErrTooMany
	case len(l.queue) == 0:
		return 0, netip.AddrPort{}, netip.AddrPort{}, ftp.ErrAgain
	}
	c := l.queue[0]
	l.queue = l.queue[1:]
	return f.insert(c), c.local, c.peer, nil
}

func (f *fake) Dial(to netip.AddrPort) (Socket, error) {
	f.dialled = append(f.dialled, to)
	return f.insert(&fakeConn{}), nil
}

func (f *fake) Connected(Socket) error {
	if f.pending > 0 {
		f.pending--
		return ftp.ErrAgain
	}
	return f.refusal
}

func (f *fake) Read(s Socket, p []byte) (int, error) {
	c := f.sockets[s].(*fakeConn)
	if c.toServer.Len() == 0 && !c.ended {
		return 0, ftp.ErrAgain
	}
	n, _ := c.toServer.Read(p)
	return n, nil
}

func (f *fake) Write(s Socket, p []byte) (int, error) {
	return f.sockets[s].(*fakeConn).toClient.Write(p)
}

func (f *fake) Close(s Socket, reset bool) {
	if c, ok := f.sockets[s].(*fakeConn); ok {
		c.closed, c.reset = true, reset
	}
	delete(f.sockets, s)
}

func (f *fake) Wait(list []Interest, _ int64) {
	for i := range list {
		switch v := f.sockets[list[i].Socket].(type) {
		case *fakeListener:
			list[i].Ready = len(v.queue) > 0
		case *fakeConn:
			list[i].Ready = list[i].Readable && (v.toServer.Len() > 0 || v.ended) || list[i].Writable
		}
	}
}

var (
	serverAddress = netip.MustParseAddrPort("192.0.2.1:2121")
	clientAddress = netip.MustParseAddrPort("192.0.2.7:40000")
)

// server is a world behind a fake network, on a folder of its own.
type server struct {
	*world
	*fake
	t    testing.TB
	root string
}

// newServer starts a server with settings in the form NAME=VALUE, without WASIFTP_. Unless
// these name others, user u with password p may do everything.
func newServer(t testing.TB, environment ...string) *server {
	t.Helper()
	environ := []string{"WASIFTP_USERS=u:p:rw", "WASIFTP_LISTEN=" + serverAddress.String()}
	for _, e := range environment {
		environ = append(environ, "WASIFTP_"+e) // the last one counts
	}
	settings, err := ReadSettings(environ)
	require.NoError(t, err)
	s := &server{t: t, root: t.TempDir(), fake: &fake{sockets: map[Socket]any{}}}
	dir, err := fsbridge.OpenDir(s.root, fsbridge.DirOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { dir.Close() })
	s.world = newWorld(s.fake, settings, dir)
	_, err = s.start()
	require.NoError(t, err)
	return s
}

// turn steps the server until it has surely nothing left to do.
func (s *server) turn() {
	for range 20 {
		s.step()
	}
}

// connect makes a connection to a listener from an address.
func (s *server) connect(to, from netip.AddrPort) *fakeConn {
	for _, v := range s.sockets {
		if l, ok := v.(*fakeListener); ok && l.at == to {
			c := &fakeConn{local: to, peer: from}
			l.queue = append(l.queue, c)
			s.turn()
			return c
		}
	}
	return nil
}

// login opens a session of a user with password p.
func (s *server) login(user string) *fakeConn {
	c := s.connect(serverAddress, clientAddress)
	s.say(c, "USER "+user)
	require.Contains(s.t, s.say(c, "PASS p"), "230 ")
	return c
}

// say sends a line and returns all replies to it.
func (s *server) say(c *fakeConn, line string) string {
	c.toClient.Reset()
	c.toServer.WriteString(line + "\r\n")
	s.turn()
	return c.toClient.String()
}

func (s *server) put(name, content string) {
	s.t.Helper()
	require.NoError(s.t, os.WriteFile(filepath.Join(s.root, name), []byte(content), 0o644))
}

func (s *server) content(name string) string {
	b, err := os.ReadFile(filepath.Join(s.root, name))
	require.NoError(s.t, err)
	return string(b)
}
