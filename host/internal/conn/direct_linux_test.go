package conn

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"wasiftp/wasi"
)

// teller is an Owner that sends the events to a channel.
type teller struct {
	events chan uint16
	closed chan struct{}
}

func newTeller() *teller { return &teller{make(chan uint16, 100), make(chan struct{})} }

func (t *teller) Post(kind uint16) { t.events <- kind }
func (*teller) Parts(*Stream)      {}
func (*teller) Lingers(*Stream)    {}
func (t *teller) Closed(*Stream)   { close(t.closed) }

// arrive connects a client to a listener of ListenTCP, or of Go's.
func arrive(t testing.TB, ours bool) (*Arrival, *net.TCPConn) {
	t.Helper()
	listen := net.Listen
	if ours {
		listen = ListenTCP
	}
	l, err := listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	there, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { there.Close() })
	a, err := Accept(l)
	require.NoError(t, err)
	require.Equal(t, there.LocalAddr().String(), a.From.String())
	require.Equal(t, there.RemoteAddr().String(), a.To.String())
	require.Nil(t, a.Foreign())
	a.Control()
	return a, there.(*net.TCPConn)
}

// directOn makes a stream on a direct socket, and returns the client's end too.
func directOn(t *testing.T) (*Stream, *teller, *net.TCPConn) {
	t.Helper()
	a, there := arrive(t, true)
	g := newTeller()
	s := a.Stream(pollFor(t), g)
	require.NotNil(t, s.direct)
	s.Receive()
	return s, g, there
}

// get reads from a stream until it has n bytes or meets the end.
func (t *teller) get(s *Stream, n int) (got []byte, end wasi.Errno) {
	buf := make([]byte, 7)
	for len(got) < n {
		took, errno := s.Read(buf)
		switch got = append(got, buf[:took]...); {
		case errno == wasi.EAGAIN:
			<-t.events
		case errno != wasi.OK || took == 0:
			return got, errno
		}
	}
	return got, wasi.OK
}

func TestDirectReads(t *testing.T) {
	t.Parallel()
	s, g, client := directOn(t)
	for _, said := range []string{"USER anonymous\r\n", "X", "a line that is longer than the buffer of the guest\r\n"} {
		client.Write([]byte(said))
		got, _ := g.get(s, len(said))
		assert.Equal(t, said, string(got))
	}
	client.Write([]byte("QUIT"))
	client.CloseWrite()
	got, errno := g.get(s, 5)
	assert.Equal(t, "QUIT", string(got))
	assert.Equal(t, wasi.OK, errno)
	s.AwaitOver(0)
	s.Close(time.Minute, time.Minute)
	<-g.closed
	_, err := client.Read(make([]byte, 1))
	assert.Equal(t, io.EOF, err)
}

// A read ends before an urgent byte, and another begins there.
func TestDirectReadsBehindUrgentBytes(t *testing.T) {
	t.Parallel()
	s, g, client := directOn(t)
	raw, err := client.SyscallConn()
	require.NoError(t, err)
	raw.Control(func(fd uintptr) {
		unix.Write(int(fd), []byte("\xff\xf4"))
		unix.Send(int(fd), []byte("\xf2"), unix.MSG_OOB)
		unix.Write(int(fd), []byte("ABOR\r\n"))
	})
	got, _ := g.get(s, 9)
	assert.Equal(t, "\xff\xf4\xf2ABOR\r\n", string(got))
}

// A client that hung up behind a command is told of, though nobody reads the command.
func TestDirectHangup(t *testing.T) {
	t.Parallel()
	s, g, client := directOn(t)
	client.Write([]byte("NOOP\r\n"))
	client.Close()
	for kind := range g.events {
		if kind == wasi.EventHangup {
			break
		}
		assert.EqualValues(t, wasi.EventReadable, kind)
	}
	s.AwaitOver(0)
}

func TestDirectReset(t *testing.T) {
	t.Parallel()
	s, g, client := directOn(t)
	client.SetLinger(0)
	client.Close()
	_, errno := g.get(s, 1)
	assert.Equal(t, wasi.ECONNRESET, errno)
	_, errno = s.Write([]byte("221 Goodbye.\r\n"))
	assert.NotEqual(t, wasi.OK, errno)
	s.Close(time.Minute, time.Minute)
	<-g.closed
}

// A slow client gets everything, and the guest hears when there is room.
func TestDirectWrites(t *testing.T) {
	t.Parallel()
	s, g, client := directOn(t)
	p := text(20 << 20)
	got := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(client)
		got <- all
	}()
	for sent := 0; sent < len(p); {
		n, errno := s.Write(p[sent:])
		if sent += n; errno == wasi.EAGAIN {
			assert.EqualValues(t, wasi.EventWritable, <-g.events)
		}
	}
	s.Close(time.Minute, time.Minute)
	assert.True(t, bytes.Equal(p, <-got))
}

// Close waits for the client's FIN, and drops what it sends before. It doesn't wait for ever.
func TestDirectLingers(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*net.TCPConn){
		"FIN":   func(c *net.TCPConn) { c.Write(text(100_000)); c.Close() },
		"RST":   func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
		"never": func(*net.TCPConn) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, g, client := directOn(t)
			client.Write([]byte("unread"))
			assert.EqualValues(t, wasi.EventReadable, <-g.events)
			s.Write([]byte("221 Goodbye.\r\n"))
			s.Close(time.Minute, time.Minute)
			reply, err := io.ReadAll(client)
			assert.Equal(t, "221 Goodbye.\r\n", string(reply))
			assert.NoError(t, err)
			leave(client)
			<-g.closed
		})
	}
}

// Cut tells the client, and the guest.
func TestDirectCut(t *testing.T) {
	t.Parallel()
	s, g, client := directOn(t)
	s.Cut("421 Enough.\r\n")
	<-g.closed
	reply, _ := io.ReadAll(client)
	assert.Equal(t, "421 Enough.\r\n", string(reply))
	_, errno := g.get(s, 1)
	assert.NotEqual(t, wasi.OK, errno)
	s.Close(time.Minute, time.Minute)
}

// A stream that is taken from its poll goes on: nothing is lost.
func TestDirectBecomesOrdinary(t *testing.T) {
	t.Parallel()
	s, g, client := directOn(t)
	p := text(10 << 20)
	sent := 0
	for {
		n, errno := s.Write(p[sent:])
		if sent += n; errno == wasi.EAGAIN {
			break
		}
	}
	client.Write([]byte("NOOP\r\n"))
	assert.IsType(t, &net.TCPConn{}, s.Ordinary())
	got := make([]byte, sent)
	_, err := io.ReadFull(client, got)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(p[:sent], got))
	line, _ := g.get(s, 6)
	assert.Equal(t, "NOOP\r\n", string(line))
	s.Close(time.Minute, time.Minute)
}

// A poll ends with its last socket.
func TestPollEnds(t *testing.T) {
	t.Parallel()
	a, there := arrive(t, false)
	p, g := NewPoll(), newTeller()
	s := a.Stream(p, g)
	s.Receive()
	p.End()
	there.Write([]byte("x"))
	assert.EqualValues(t, wasi.EventReadable, <-g.events)
	s.Cut("")
	<-g.closed
	for { // the goroutine of End closes the poll's file
		if _, err := p.epoll.Load().file.Stat(); err != nil {
			return
		}
	}
}

// Wake ends a Wait whenever it comes, and so does the time.
func TestPollWakes(t *testing.T) {
	t.Parallel()
	here, _ := tcpPair(t)
	for name, p := range map[string]*Poll{"without sockets": NewPoll(), "with one": NewPoll()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "with one" {
				New(here, p, newTeller()).Receive()
				p.Look()
			}
			p.Wait(time.Now().Add(time.Microsecond))
			p.Wake()
			p.Wait(time.Time{})
			p.Wake()
			p.Look()
			turns, turned := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(turned)
				for range turns {
					p.Wait(time.Time{})
					turned <- struct{}{}
				}
			}()
			for range 10_000 {
				turns <- struct{}{}
				p.Wake()
				<-turned
			}
			close(turns)
			<-turned
		})
	}
}

func BenchmarkDirectRead(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	client, err := net.Dial("tcp", l.Addr().String())
	require.NoError(b, err)
	here, err := l.Accept()
	require.NoError(b, err)
	p, g := NewPoll(), newTeller()
	s := New(here, p, g)
	s.Receive()
	line, buf := []byte("NOOP\r\n"), make([]byte, 512)
	b.ReportAllocs()
	for b.Loop() {
		client.Write(line)
		for {
			p.Wait(time.Time{})
			if len(g.events) > 0 {
				<-g.events
				break
			}
		}
		s.Read(buf)
		s.Write(line)
		client.Read(buf)
	}
}
