package tests

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
)

// The name of the client's program reaches the session, its events and the next login, cut off
// and without anything that a log or a terminal would take for its own.
func TestThreat22ClientProgram(t *testing.T) {
	t.Parallel()
	e, asked := &events{}, make(chan host.Login, 2)
	files := accounts(fsbridge.NewMemory())
	server, network := serve(t, host.Config{Observer: e, Authenticator: host.AuthenticatorFunc(
		func(ctx context.Context, l host.Login) (*host.Account, error) {
			asked <- l
			return files(ctx, l)
		})})
	c := connect(t, network)
	assert.Equal(t, 200, c.do("CLNT lftp/4.9.2"))
	require.Equal(t, 331, c.do("USER u"))
	require.Equal(t, 230, c.do("PASS p"))
	assert.Equal(t, "lftp/4.9.2", (<-asked).Program)
	assert.Equal(t, "lftp/4.9.2", e.of(host.LoggedIn)[0].Program)
	for _, given := range [][2]string{
		{"grün 日本", "grün 日本"},
		{"a\x1b[2Jb\t\x7f\u202e\xfe\"\\", "a?[2Jb????\"\\"},
		{strings.Repeat("é", 100), strings.Repeat("é", 64)},
		{"x" + strings.Repeat("é", 100), "x" + strings.Repeat("é", 63) + "?"},
	} {
		assert.Equal(t, 200, c.do("CLNT "+given[0]))
		assert.Equal(t, given[1], server.Sessions()[0].Program)
	}
	assert.Equal(t, 200, c.do("CLNT last"))
	assert.Equal(t, 200, c.do("CLNT"), "without a name the one before stays")
	c.do("QUIT")
	eventually(t, "the session is over", func() bool { return len(e.of(host.Disconnected)) == 1 })
	assert.Equal(t, "last", e.of(host.Disconnected)[0].Program)
}

// lftp tells its name by itself.
func TestClientLftpProgram(t *testing.T) {
	t.Parallel()
	s := newSite(t, "lftp", "lftp")
	e := &events{}
	_, network := serve(t, host.Config{Authenticator: accounts(fsbridge.NewMemory()), Observer: e})
	s.run("", "lftp", "-c", "set ftp:client lftp-of-the-test; open -u u,p ftp://"+network.IPv4.String()+"; ls; bye")
	eventually(t, "the session is over", func() bool { return len(e.of(host.Disconnected)) > 0 })
	assert.Equal(t, "lftp-of-the-test", e.of(host.Disconnected)[0].Program)
}

// A right that is added counts at the next command also for all that the engine decides by its
// own copy.
func TestAddedRightsCount(t *testing.T) {
	t.Parallel()
	server, network := serve(t, host.Config{Authenticator: accounts(fsbridge.NewMemory()), Allow: allowed})
	u := login(t, network, "u")
	require.Equal(t, 226, u.store("STOR part", "content"))
	c := login(t, network, "ro")
	live := server.Sessions()[1]
	perm := func() string {
		_, facts, _ := strings.Cut(c.say("MLST part").Text(), "perm=")
		perm, _, _ := strings.Cut(facts, ";")
		return perm
	}
	for range 5 {
		require.True(t, live.SetRights(host.ReadOnly))
		assert.Equal(t, 550, c.do("SITE WHO"))
		assert.Equal(t, "r", perm())
		features := c.say("FEAT").Text()
		assert.NotContains(t, features, "COMB")
		assert.NotContains(t, features, "MFF")

		require.True(t, live.SetRights(host.ReadWrite|host.RightAdmin))
		assert.Equal(t, 211, c.do("SITE WHO"))
		assert.Contains(t, perm(), "w")
		features = c.say("FEAT").Text()
		assert.Contains(t, features, "COMB")
		assert.Contains(t, features, "MFF")
	}
	assert.Equal(t, 250, c.do("COMB joined part"))
	assert.Equal(t, 213, c.do("MFF Modify=20200101000000; joined"))

	require.Equal(t, 331, c.do("USER ro"))
	assert.False(t, live.SetRights(host.ReadWrite), "it is logged out")
	require.Equal(t, 230, c.do("PASS p"))
	assert.Equal(t, 550, c.do("SITE WHO"), "the next login has rights of its own")
}

// SetAccount changes all that an account has, at the next command; what is under way goes on with
// the account before, which is closed when that is done.
func TestSetAccount(t *testing.T) {
	t.Parallel()
	before, after := fsbridge.NewMemory(), fsbridge.NewMemory()
	var closed [3]atomic.Int32
	closes := func(n int) func() error { return func() error { closed[n].Add(1); return nil } }
	server, network := serve(t, host.Config{Authenticator: host.AuthenticatorFunc(
		func(context.Context, host.Login) (*host.Account, error) {
			return &host.Account{FS: before, Rights: host.ReadWrite, MaxSessions: 1, Close: closes(0)}, nil
		})})
	c := login(t, network, "u")
	live := server.Sessions()[0]
	d := c.data()
	require.Equal(t, 150, c.do("STOR f"))
	rules, err := fsbridge.CompileRules([]fsbridge.Rule{{Pattern: "/in", Rights: host.ReadWrite}})
	require.NoError(t, err)
	require.NoError(t, live.SetAccount(&host.Account{FS: after, Rights: host.RightList, Rules: rules, Close: closes(1)}))
	io.WriteString(d, "content")
	d.Close()
	assert.Equal(t, 226, c.reply().Code)
	content, err := fs.ReadFile(before, "f")
	assert.NoError(t, err)
	assert.Equal(t, "content", string(content))
	eventually(t, "the account before is closed", func() bool { return closed[0].Load() == 1 })
	assert.Zero(t, closed[1].Load())

	_, code := c.get("RETR f")
	assert.Equal(t, 550, code)
	assert.Equal(t, 550, c.store("STOR f", "content"))
	require.NoError(t, after.Mkdir("in", nil))
	assert.Equal(t, 226, c.store("STOR in/g", "content"))
	assert.Contains(t, c.say("FEAT").Text(), "MFMT")
	content, err = fs.ReadFile(after, "in/g")
	assert.NoError(t, err)
	assert.Equal(t, "content", string(content))

	// The session still counts once, and the next one finds no room.
	other := connect(t, network)
	require.Equal(t, 331, other.do("USER u"))
	assert.Equal(t, 421, other.do("PASS p"))

	assert.ErrorContains(t, live.SetAccount(&host.Account{Name: "v", FS: after, Close: closes(2)}), `"v"`)
	assert.Error(t, live.SetAccount(nil))
	assert.Error(t, live.SetAccount(&host.Account{Close: closes(2)}))
	assert.ErrorContains(t, live.SetAccount(&host.Account{FS: after, Rates: host.Rates{Up: -1}, Close: closes(2)}), "Rates")
	eventually(t, "the accounts that were not taken are closed", func() bool { return closed[2].Load() == 3 })

	// Revoke finds the account that is in the place of the first.
	assert.Equal(t, 1, server.Revoke(func(account string) bool { return account == "u" }))
	assert.Equal(t, 421, c.reply().Code)
	eventually(t, "the session is over", func() bool { return len(server.Sessions()) == 0 && closed[1].Load() == 1 })
	assert.ErrorIs(t, live.SetAccount(&host.Account{FS: after, Close: closes(2)}), host.ErrNotLoggedIn)
	assert.ErrorIs(t, host.Session{}.SetAccount(&host.Account{FS: after, Close: closes(2)}), host.ErrNotLoggedIn)
	eventually(t, "it is closed", func() bool { return closed[2].Load() == 5 })
	login(t, network, "u").alive()
	assert.EqualValues(t, 1, closed[1].Load())
}

// While accounts change all the time, no command and no place is lost.
func TestSetAccountWhileBusy(t *testing.T) {
	t.Parallel()
	files := fsbridge.NewMemory()
	var open atomic.Int64
	account := func() *host.Account {
		open.Add(1)
		return &host.Account{FS: files, Rights: host.ReadWrite, MaxSessions: 1, Rates: host.Rates{Up: 1 << 30},
			Close: func() error { open.Add(-1); return nil }}
	}
	server, network := serve(t, host.Config{Authenticator: host.AuthenticatorFunc(
		func(context.Context, host.Login) (*host.Account, error) { return account(), nil })})
	for range 2 {
		c := login(t, network, "u")
		live := server.Sessions()[0]
		done := make(chan int)
		go func() {
			n := 0
			for { // it fails while too many wait to be closed
				err := live.SetAccount(account())
				if errors.Is(err, host.ErrNotLoggedIn) {
					break
				}
				if err == nil {
					n++
				}
			}
			done <- n
		}()
		for n := range 5 {
			require.Equal(t, 226, c.store(fmt.Sprintf("STOR f%d", n), "content"))
			_, code := c.get("NLST")
			require.Equal(t, 226, code)
		}
		require.Equal(t, 221, c.do("QUIT"))
		assert.NotZero(t, <-done)
		eventually(t, "all accounts are closed", func() bool { return open.Load() == 0 && len(server.Sessions()) == 0 })
	}
}
