package tests

import (
	"context"
	"io"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

// hung is a storage whose folder "hung" is on a disk that hangs until gate is
// closed. The files "part" there can be opened and read up to their middle.
type hung struct {
	*fsbridge.Memory
	gate     chan struct{}
	hanging  atomic.Int32
	mostEver atomic.Int32
}

func newHung(t testing.TB) *hung {
	h := &hung{Memory: fsbridge.NewMemory(), gate: make(chan struct{})}
	require.NoError(t, h.Memory.Mkdir("hung", nil))
	for _, name := range []string{"hung/file", "hung/part", "fine"} {
		require.NoError(t, putFile(h.Memory, name, script.Bytes(4096), past))
	}
	return h
}

// hang waits as long as the disk hangs.
func (h *hung) hang() {
	now := h.hanging.Add(1)
	for most := h.mostEver.Load(); now > most && !h.mostEver.CompareAndSwap(most, now); most = h.mostEver.Load() {
	}
	<-h.gate
	h.hanging.Add(-1)
}

func (h *hung) Stat(name string) (fs.FileInfo, error) {
	if strings.HasPrefix(name, "hung/") && !strings.HasSuffix(name, "/part") {
		h.hang()
	}
	return h.Memory.Stat(name)
}

func (h *hung) Open(name string) (fs.File, error) {
	file, err := h.Memory.Open(name)
	if err == nil && strings.HasPrefix(name, "hung/") {
		if !strings.HasSuffix(name, "/part") {
			h.hang()
		}
		return &hungFile{file, h, 0}, nil
	}
	return file, err
}

type hungFile struct {
	fs.File
	disk *hung
	read int
}

func (f *hungFile) Read(p []byte) (int, error) {
	if f.read >= 2048 {
		f.disk.hang()
	}
	n, err := f.File.Read(p[:min(len(p), 1024)])
	f.read += n
	return n, err
}

// serveHung serves a hung storage to u, ro and anonymous, with so many threads.
func serveHung(t testing.TB, threads int) (*hung, *host.Server, script.Network, *events) {
	t.Helper()
	disk := newHung(t)
	seen := &events{}
	server, network := serve(t, host.Config{Authenticator: accounts(disk), Observer: seen, Limits: host.Limits{Threads: threads}})
	release := context.AfterFunc(t.Context(), func() { close(disk.gate) }) // before the server is closed
	t.Cleanup(func() { release() })
	return disk, server, network, seen
}

// served checks that an account gets whatever it asks for.
func served(t testing.TB, network script.Network, user string) {
	t.Helper()
	c := login(t, network, user)
	for range 3 {
		assert.Equal(t, 213, c.do("SIZE fine"))
		got, code := c.get("RETR fine")
		assert.Equal(t, 226, code)
		assert.Equal(t, script.Bytes(4096), got)
		_, code = c.get("NLST")
		assert.Equal(t, 226, code)
	}
	assert.Equal(t, 221, c.do("QUIT"))
}

// TestThreat44HungDisk: however many sessions of an account use a disk that hangs, and
// whatever they do next, few calls hang, and other accounts are served.
func TestThreat44HungDisk(t *testing.T) {
	t.Parallel()
	for what, ask := range map[string]func(c *talk){
		"described": func(c *talk) { c.send("SIZE hung/file\r\n") },
		"opened": func(c *talk) {
			c.data()
			c.send("RETR hung/file\r\n")
		},
		"read": func(c *talk) {
			c.data()
			c.send("RETR hung/part\r\n")
		},
		"hashed": func(c *talk) { c.send("HASH hung/part\r\n") },
		"listed": func(c *talk) { c.data(); c.send("LIST hung/file\r\n") },
		"given up": func(c *talk) {
			d := c.data()
			if c.do("RETR hung/part") == 150 {
				io.ReadFull(d, make([]byte, 2048))
				c.send("ABOR\r\nPASV\r\nRETR hung/part\r\nABOR\r\nSIZE fine\r\n")
			}
		},
		"hung up":     func(c *talk) { c.send("SIZE hung/file\r\n"); c.control.Close() },
		"many at all": func(c *talk) { c.send(strings.Repeat("SIZE hung/file\r\n", 30)) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			const threads = 16
			disk, _, network, _ := serveHung(t, threads)
			for range 50 {
				ask(login(t, network, "u"))
			}
			eventually(t, "no call hangs", func() bool { return disk.hanging.Load() > 0 })
			served(t, network, "ro")
			served(t, network, "anonymous")
			assert.Less(t, int(disk.mostEver.Load()), threads, "calls that hang")
		})
	}
}

// TestThreat44HungAfterQuick: a disk that was quick so far, and then hangs, stops nobody else.
func TestThreat44HungAfterQuick(t *testing.T) {
	t.Parallel()
	disk, _, network, _ := serveHung(t, 64)
	var sessions []*talk
	for range 8 {
		c := login(t, network, "u")
		for range 10 {
			require.Equal(t, 213, c.do("SIZE fine"))
		}
		sessions = append(sessions, c)
	}
	for i, c := range sessions {
		c.send("SIZE hung/file\r\n")
		eventually(t, "no call hangs", func() bool { return int(disk.hanging.Load()) > i })
		served(t, network, "ro")
	}
}

// TestThreat44GivingUp: while the disk hangs, transfers are given up and sessions
// end.
func TestThreat44GivingUp(t *testing.T) {
	t.Parallel()
	disk, _, network, seen := serveHung(t, 16)
	var sessions []*talk
	for range 3 {
		c := login(t, network, "u")
		d := c.data()
		require.Equal(t, 150, c.do("RETR hung/part"))
		_, err := io.ReadFull(d, make([]byte, 2048))
		require.NoError(t, err)
		sessions = append(sessions, c)
	}
	eventually(t, "no call hangs", func() bool { return disk.hanging.Load() == 3 })
	assert.Equal(t, 426, sessions[0].do("ABOR"))
	assert.Equal(t, 226, sessions[0].reply().Code)
	sessions[0].alive()
	sessions[0].port() // which needs nothing of the disk
	sessions[1].control.Close()
	eventually(t, "the session goes on", func() bool { return len(seen.of(host.Disconnected)) == 1 })
	assert.Equal(t, 211, sessions[2].say("STAT").Code)
}

// TestThreat44TooManyTransfers: a transfer that gets no thread is refused with 450,
// before a 150 announces its data connection.
func TestThreat44TooManyTransfers(t *testing.T) {
	t.Parallel()
	_, _, network, _ := serveHung(t, 8) // half of which are for what is open
	refused := 0
	for range 4 {
		c := login(t, network, "u")
		c.data()
		switch r := c.say("RETR hung/part"); r.Code {
		case 150:
		case 450:
			refused++
			c.alive()
		default:
			t.Errorf("%d %s", r.Code, r.Text())
		}
	}
	assert.Equal(t, 1, refused)
	served(t, network, "ro")
}

// TestThreat44WaitsInTurn: a call that waits for a thread gets one once one is free.
func TestThreat44WaitsInTurn(t *testing.T) {
	t.Parallel()
	disk := newHung(t)
	_, network := serve(t, host.Config{Authenticator: accounts(disk), Limits: host.Limits{Threads: 8}})
	var sessions []*talk
	for range 20 {
		c := login(t, network, "u")
		c.send("SIZE hung/file\r\n")
		sessions = append(sessions, c)
	}
	eventually(t, "no call hangs", func() bool { return disk.hanging.Load() > 0 })
	close(disk.gate)
	for _, c := range sessions {
		assert.Equal(t, 213, c.reply().Code)
	}
	assert.Less(t, int(disk.mostEver.Load()), 4, "calls that hang")
}

// TestThreat44HungAuthenticator: an authenticator that hangs for one user stops only the
// logins of that user.
func TestThreat44HungAuthenticator(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	disk := newHung(t)
	_, network := serve(t, host.Config{
		Authenticator: host.AuthenticatorFunc(func(ctx context.Context, login host.Login) (*host.Account, error) {
			if login.User == "u" {
				<-gate
			}
			return accounts(disk)(ctx, login)
		}),
		Limits: host.Limits{Threads: 16},
	})
	release := context.AfterFunc(t.Context(), func() { close(gate) })
	t.Cleanup(func() { release() })
	before := login(t, network, "ro")
	for range 30 {
		c := connect(t, network)
		require.Equal(t, 331, c.do("USER u"))
		c.send("PASS p\r\n")
	}
	assert.Equal(t, 213, before.do("SIZE fine"))
	served(t, network, "ro")
}

// TestThreat44Closing: Close returns, although a disk hangs.
func TestThreat44Closing(t *testing.T) {
	t.Parallel()
	disk, server, network, _ := serveHung(t, 16)
	for range 20 {
		login(t, network, "u").send("SIZE hung/file\r\n")
	}
	eventually(t, "no call hangs", func() bool { return disk.hanging.Load() > 0 })
	closed := make(chan error, 1)
	go func() { closed <- server.Close() }()
	select {
	case err := <-closed:
		assert.NoError(t, err)
	case <-time.After(script.Patience):
		t.Error("it does not return")
	}
}
