package tests

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
)

// people is an authenticator whose accounts can be removed.
type people struct {
	host.Authenticator
	mu     sync.Mutex
	gone   map[string]bool
	opened atomic.Int32
	closed atomic.Int32
	fault  error // of Close
}

func (p *people) Authenticate(ctx context.Context, l host.Login) (*host.Account, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone[l.User] {
		return nil, host.ErrDenied
	}
	account, err := p.Authenticator.Authenticate(ctx, l)
	if err == nil {
		p.opened.Add(1)
		account.Close = func() error { p.closed.Add(1); return p.fault }
	}
	return account, err
}

func (p *people) remove(server *host.Server, user string) int {
	p.mu.Lock()
	p.gone[user] = true
	p.mu.Unlock()
	return server.Revoke(func(account string) bool { return account == user })
}

func newPeople(files fs.FS) *people {
	return &people{Authenticator: accounts(files), gone: map[string]bool{}}
}

// A revoked account's sessions end once they are idle, all others go on.
func TestRevoke(t *testing.T) {
	t.Parallel()
	files := fsbridge.NewMemory()
	p := newPeople(files)
	server, network := serve(t, host.Config{Authenticator: p, Instances: 2, SessionsPerInstance: 2})
	idle, busy, other, stranger := login(t, network, "u"), login(t, network, "u"), login(t, network, "ro"), connect(t, network)
	d := busy.data()
	require.Equal(t, 150, busy.do("STOR up"))
	assert.Zero(t, server.Revoke(func(account string) bool { return account == "nobody" }))
	idle.alive()

	assert.Equal(t, 2, p.remove(server, "u"))
	assert.Zero(t, server.Revoke(func(account string) bool { return account == "u" }), "they are revoked already")
	assert.Equal(t, 421, idle.reply().Code)
	idle.ended()
	io.WriteString(d, "content")
	require.NoError(t, d.Close())
	assert.Equal(t, 226, busy.reply().Code)
	assert.Equal(t, 421, busy.reply().Code)
	busy.ended()
	content, err := fs.ReadFile(files, "up")
	assert.NoError(t, err)
	assert.Equal(t, "content", string(content))
	other.alive()
	assert.Equal(t, 331, stranger.do("USER u"))
	assert.Equal(t, 530, stranger.do("PASS p"))
	eventually(t, "the accounts are closed", func() bool { return p.closed.Load() == 2 })
}

// Each login's account is closed once, however it ends.
func TestAccountIsClosed(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*talk){
		"QUIT":   func(c *talk) { c.do("QUIT") },
		"REIN":   func(c *talk) { c.do("REIN") },
		"USER":   func(c *talk) { c.do("USER ro") },
		"hangup": func(c *talk) { c.control.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeople(fsbridge.NewMemory())
			p.fault = errors.New("it does not close")
			_, network := serve(t, host.Config{Authenticator: p})
			c := login(t, network, "u")
			require.Zero(t, p.closed.Load())
			end(c)
			eventually(t, "the account is closed", func() bool { return p.closed.Load() == 1 })
			c.control.Close()
			login(t, network, "u")
			assert.EqualValues(t, 1, p.closed.Load())
			assert.EqualValues(t, 2, p.opened.Load())
		})
	}
}

// A new login closes the account before; the end of the server closes all.
func TestAccountIsClosedByTheNext(t *testing.T) {
	t.Parallel()
	p := newPeople(fsbridge.NewMemory())
	server, network := serve(t, host.Config{Authenticator: p})
	c := login(t, network, "u")
	for range 5 {
		require.Equal(t, 331, c.do("USER ro"))
		require.Equal(t, 230, c.do("PASS p"))
	}
	eventually(t, "the accounts before are closed", func() bool { return p.closed.Load() == 5 })
	require.NoError(t, server.Close())
	assert.EqualValues(t, 6, p.closed.Load())
}

// An account is closed if its login is refused because the account has no session left.
func TestFullAccountIsClosed(t *testing.T) {
	t.Parallel()
	p := newPeople(fsbridge.NewMemory())
	single := func(ctx context.Context, l host.Login) (*host.Account, error) {
		account, err := p.Authenticate(ctx, l)
		if err == nil {
			account.MaxSessions = 1
		}
		return account, err
	}
	_, network := serve(t, host.Config{Authenticator: host.AuthenticatorFunc(single)})
	login(t, network, "u")
	c := connect(t, network)
	require.Equal(t, 331, c.do("USER u"))
	require.Equal(t, 421, c.do("PASS p"))
	eventually(t, "the account is closed", func() bool { return p.closed.Load() == 1 })
}

// REIN waits for the upload before it: nothing of that is lost.
func TestUploadBeforeREIN(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	opened := func(ctx context.Context, l host.Login) (*host.Account, error) {
		dir, err := fsbridge.OpenDir(root, fsbridge.DirOptions{Atomic: true})
		if err != nil {
			return nil, err
		}
		account, err := accounts(dir)(ctx, l)
		if err != nil {
			return nil, errors.Join(err, dir.Close())
		}
		account.Close = dir.Close
		return account, nil
	}
	_, network := serve(t, host.Config{Authenticator: host.AuthenticatorFunc(opened)})
	c := login(t, network, "u")
	for range 20 {
		d := c.data()
		require.Equal(t, 150, c.do("STOR up"))
		c.send("REIN\r\n")
		io.WriteString(d, "content")
		require.NoError(t, d.Close())
		assert.Equal(t, 226, c.reply().Code)
		assert.Equal(t, 220, c.reply().Code)
		require.Equal(t, 331, c.do("USER u"))
		require.Equal(t, 230, c.do("PASS p"))
		assert.Equal(t, 213, c.do("SIZE up"))
		assert.Equal(t, 250, c.do("DELE up"))
	}
}
