package tests

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

// stuff sends commands and reads no replies until the server takes no more, and then
// shuts down its side of the connection.
func stuff(t testing.TB, network script.Network) *net.TCPConn {
	t.Helper()
	conn, err := dialFrom("127.0.0.1", network.IPv4)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetReadBuffer(4096))
	help := []byte(strings.Repeat("HELP\r\n", 1000))
	for {
		conn.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		if _, err := conn.Write(help); err != nil {
			break
		}
	}
	require.NoError(t, conn.CloseWrite())
	return conn
}

// A client that reads no replies keeps its connection for a while, and its place as long.
func TestThreat34UnreadReplies(t *testing.T) {
	t.Parallel()
	limits := host.Limits{Sessions: 2, SessionsPerAddress: 2, IdleTime: 2 * time.Second}
	network, _, seen := observed(t, host.Config{Limits: limits})
	for range 2 {
		stuff(t, network)
	}
	eventually(t, "the sessions are over", func() bool { return len(seen.of(host.Disconnected)) == 2 })
	_, code := open(t, network)
	assert.Equal(t, 421, code, "a connection is held that no place stands for")
	eventually(t, "no place comes back", func() bool {
		c, code := open(t, network)
		c.control.Close()
		return code == 220
	})
}

// A client that reads late, but reads, gets all replies, the one to QUIT included.
func TestThreat34LateReaderHearsGoodbye(t *testing.T) {
	t.Parallel()
	network, _, _ := observed(t, host.Config{})
	c := connect(t, network)
	const n = 2000
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c.control, strings.Repeat("HELP\r\n", n)+"QUIT\r\n")
		sent <- err
	}()
	slow := bufio.NewReaderSize(&drip{c.control}, 16)
	var last string
	for {
		line, err := slow.ReadString('\n')
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
		last = line
	}
	require.NoError(t, <-sent)
	assert.Equal(t, "221 Goodbye.\r\n", last)
}

// drip reads a little at a time.
type drip struct{ io.Reader }

func (d *drip) Read(p []byte) (int, error) { return d.Reader.Read(p[:min(len(p), 4096)]) }

// watched is an endless file system that counts how often its directories are read.
type watched struct {
	endless
	reads *atomic.Int64
}

func (w watched) Open(name string) (fs.File, error) {
	f, err := w.endless.Open(name)
	if d, ok := f.(*endlessDir); ok {
		return watchedDir{d, w.reads}, nil
	}
	return f, err
}

type watchedDir struct {
	*endlessDir
	reads *atomic.Int64
}

func (d watchedDir) ReadDir(n int) ([]fs.DirEntry, error) {
	d.reads.Add(1)
	return d.endlessDir.ReadDir(n)
}

// rest waits until no directory is read any more: a listing has got stuck.
func (w watched) rest() {
	for last := int64(-1); last != w.reads.Load(); {
		last = w.reads.Load()
		time.Sleep(100 * time.Millisecond)
	}
}

// Unread listings give a session no more connections than it may have. The test counts
// this process's descriptors, and so runs alone.
func TestThreat34UnreadListings(t *testing.T) {
	files := watched{endless{1 << 30}, new(atomic.Int64)}
	network := serveFiles(t, files)
	c := login(t, network, "u")
	const rounds = 24
	before, refused := descriptors(t), 0
	for range rounds {
		d, err := dialFrom("127.0.0.1", c.port())
		require.NoError(t, err)
		defer d.Close()
		require.NoError(t, d.SetReadBuffer(4096))
		code := c.do("NLST many")
		if code == 150 {
			files.rest()
			code = c.do("ABOR")
			c.reply()
		}
		if code != 426 {
			require.Equal(t, 425, code)
			refused++
		}
	}
	assert.Positive(t, refused)
	assert.LessOrEqual(t, descriptors(t)-before-rounds, 16+2)
	c.alive()
}

// Clients that are refused hold few descriptors.
func TestThreat34TurnedAway(t *testing.T) {
	network, _, seen := observed(t, host.Config{Limits: host.Limits{Sessions: 1}})
	login(t, network, "u")
	before := descriptors(t)
	const n = 300
	var clients []io.Reader
	for range n {
		c, err := network.Open(4)
		require.NoError(t, err)
		defer c.Close()
		clients = append(clients, c)
	}
	eventually(t, "not all are refused", func() bool { return len(seen.of(host.Refused)) == n })
	assert.LessOrEqual(t, descriptors(t)-before-n, 64+4)
	for _, c := range clients {
		text, err := io.ReadAll(c)
		assert.NoError(t, err)
		assert.True(t, strings.HasPrefix(string(text), "421 "), "%q", text)
	}
}

// strangers opens connections from several addresses of this machine and sends nothing.
// It returns the connections that are greeted.
func strangers(t *testing.T, network script.Network, addresses, each int) (greeted []net.Conn) {
	t.Helper()
	for i := range addresses * each {
		c, err := dialFrom(fmt.Sprintf("127.0.36.%d", 1+i%addresses), network.IPv4)
		if err != nil {
			t.Skipf("there are no further loopback addresses here: %v", err)
		}
		t.Cleanup(func() { c.Close() })
		code := make([]byte, 3)
		_, err = io.ReadFull(c, code)
		require.NoError(t, err)
		if string(code) == "220" {
			greeted = append(greeted, c)
		}
	}
	return greeted
}

// Silent strangers who have taken all places give way to somebody from elsewhere, who
// then stays.
func TestThreat36StrangersGiveWay(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]host.Limits{
		"sessions":  {Sessions: 200, SessionsPerAddress: 100},
		"strangers": {Sessions: 1000, SessionsPerAddress: 100, StrangersStart: 20, Strangers: 60},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			network, _, seen := observed(t, host.Config{Limits: limits})
			greeted := strangers(t, network, 10, 50)
			require.NotEmpty(t, greeted)
			var users []*talk
			for range 5 {
				users = append(users, login(t, network, "u"))
			}
			strangers(t, network, 10, 5)
			for _, c := range users {
				c.alive()
			}
			for _, e := range seen.of(host.Disconnected) {
				assert.NotEqual(t, "127.0.0.1", e.Client.Addr().String())
				assert.Error(t, e.Err)
			}
			for _, e := range seen.of(host.Refused) {
				assert.ErrorContains(t, e.Err, "too many sessions")
			}
		})
	}
}

// A session that has logged out is a stranger again.
func TestThreat36LoggedOutAreStrangers(t *testing.T) {
	t.Parallel()
	network, _, _ := observed(t, host.Config{Limits: host.Limits{Strangers: 2}})
	var out []*talk
	for range 3 {
		out = append(out, login(t, network, "anonymous"))
	}
	require.Equal(t, 220, out[0].do("REIN"))
	require.Equal(t, 331, out[1].do("USER u"))
	out[2].send("REIN\r\n")
	r, err := script.ReadReply(out[2].in)
	assert.True(t, err != nil || r.Code == 421, "%v", r)
	out[2].ended()
	require.Equal(t, 230, out[1].do("PASS p"))
	_, code := open(t, network)
	assert.Equal(t, 220, code)
}

// A session's instance is made when its client speaks, and obeys the client's first
// commands once.
func TestThreat36InstanceOnDemand(t *testing.T) {
	t.Parallel()
	for _, sessions := range []int{1, 2} {
		t.Run(decimal(sessions), func(t *testing.T) {
			t.Parallel()
			_, network := serve(t, host.Config{
				Authenticator: accounts(fsbridge.NewMemory()), SessionsPerInstance: sessions, Greeting: "Say something.",
				Limits: host.Limits{LoginTime: 5 * time.Second},
			})
			var silent []*talk
			for range 3 {
				silent = append(silent, connect(t, network))
			}
			c := connect(t, network)
			c.send("NOOP\r\nFEAT\r\n")
			require.Equal(t, 200, c.reply().Code)
			require.Equal(t, 211, c.reply().Code)
			require.Equal(t, 331, c.do("USER u"))
			require.Equal(t, 230, c.do("PASS p"))
			require.Equal(t, "Say something.", c.say("REIN").Text())
			require.Equal(t, 331, c.do("USER u"))
			require.Equal(t, 230, c.do("PASS p"))
			for _, s := range silent {
				require.Equal(t, 421, s.reply().Code)
				s.ended()
			}
			c.alive()
		})
	}
}

// Whenever the server stops, every client's connection ends, and the server does.
func TestShutdownWhileClientsCome(t *testing.T) {
	t.Parallel()
	for round := range 12 {
		server, network := serve(t, host.Config{
			Authenticator: accounts(fsbridge.NewMemory()), SessionsPerInstance: round % 3, Limits: host.Limits{Sessions: 50},
		})
		var clients sync.WaitGroup
		begun := make(chan struct{}, 1000)
		stop := make(chan struct{})
		for range 4 {
			clients.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					c, err := net.Dial("tcp", network.IPv4.String())
					if err != nil {
						continue
					}
					c.SetDeadline(time.Now().Add(script.Patience))
					select {
					case begun <- struct{}{}:
					default:
					}
					clients.Go(func() {
						defer c.Close()
						if round%2 == 1 {
							io.WriteString(c, "NOOP\r\n")
						}
						if _, err := io.Copy(io.Discard, c); err != nil && !script.IsReset(err) {
							t.Errorf("a session does not end: %v", err)
						}
					})
				}
			})
		}
		for range 10 * (1 + round%2) {
			<-begun
		}
		ctx, cancel := context.WithTimeout(t.Context(), script.Patience)
		assert.NoError(t, server.Shutdown(ctx))
		cancel()
		close(stop)
		clients.Wait()
	}
}

// The last reply of a server that shuts down reaches a client that reads, and a client
// that does not read cannot keep the server up.
func TestShutdownWithUnreadReplies(t *testing.T) {
	t.Parallel()
	limits := host.Limits{IdleTime: 300 * time.Millisecond, StallTime: time.Second}
	server, network := serve(t, host.Config{Authenticator: accounts(fsbridge.NewMemory()), Limits: limits})
	stuff(t, network)
	c := connect(t, network)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, server.Shutdown(ctx))
	require.Equal(t, 421, c.reply().Code)
	c.ended()
}
