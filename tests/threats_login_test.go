package tests

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

// asked is an authenticator that remembers all logins.
type asked struct {
	mu     sync.Mutex
	logins []host.Login
	answer func(host.Login) (*host.Account, error)
}

func (a *asked) Authenticate(_ context.Context, login host.Login) (*host.Account, error) {
	a.mu.Lock()
	a.logins = append(a.logins, login)
	a.mu.Unlock()
	return a.answer(login)
}

func (a *asked) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.logins)
}

func TestThreat15LoginLogic(t *testing.T) {
	t.Parallel()
	files := fsbridge.NewMemory()
	everyone := &asked{answer: func(login host.Login) (*host.Account, error) {
		return accounts(files)(t.Context(), login)
	}}
	_, network := serve(t, host.Config{Authenticator: everyone})
	for _, said := range []struct {
		lines []string
		code  int // of the last
		asks  int
	}{
		{[]string{"USER"}, 501, 0},
		{[]string{"USER "}, 501, 0},
		{[]string{"PASS p"}, 503, 0},
		{[]string{"PASS"}, 503, 0},
		{[]string{"USER u\x00", "PASS p"}, 503, 0},
		{[]string{"USER u", "PASS p\x00"}, 501, 0},
		{[]string{"USER u", "PASS p\x00x"}, 501, 0},
		{[]string{"USER u", "PASS"}, 530, 1},
		{[]string{"USER u", "PASS "}, 530, 1},
		{[]string{"USER u", "PASS *"}, 530, 1},
		{[]string{"USER u", "PASS !"}, 530, 1},
		{[]string{"USER *", "PASS p"}, 530, 1},
		{[]string{"USER U", "PASS p"}, 530, 1},
		{[]string{"USER nobody", "USER u", "PASS p"}, 230, 1},
		{[]string{"USER u", "USER nobody", "PASS p"}, 530, 1},
		{[]string{"USER u", "PASS p", "PASS p"}, 503, 1},
		{[]string{"USER u", "PASS p", "USER ro", "PWD"}, 530, 1},
		{[]string{"USER u", "PASS p", "USER nobody", "PASS p", "PWD"}, 530, 2},
		{[]string{"USER u", "PASS wrong", "PASS p"}, 503, 1},
		{[]string{"USER u", "PASS p", "REIN", "PASS p"}, 503, 1},
		{[]string{"USER u", "REIN", "PASS p"}, 503, 0},
		{[]string{"USER u", "ACCT p", "PWD"}, 530, 0},
	} {
		before := everyone.count()
		c := connect(t, network)
		code := 0
		for _, line := range said.lines {
			code = c.do(line)
		}
		assert.Equal(t, said.code, code, "%q", said.lines)
		assert.Equal(t, said.asks, everyone.count()-before, "how often %q asked the authenticator", said.lines)
		c.control.Close()
	}
}

// A fault of an embedder's authenticator lets nobody in.
func TestThreat15AuthenticatorFaults(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(host.Login) (*host.Account, error){
		"no account and no error": func(host.Login) (*host.Account, error) { return nil, nil },
		"an account and an error": func(host.Login) (*host.Account, error) {
			return &host.Account{FS: fsbridge.NewMemory(), Rights: host.ReadWrite}, io.ErrUnexpectedEOF
		},
		"no files": func(host.Login) (*host.Account, error) { return &host.Account{Rights: host.ReadWrite}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, network := serve(t, host.Config{Authenticator: &asked{answer: answer}})
			c := connect(t, network)
			require.Equal(t, 331, c.do("USER u"))
			assert.GreaterOrEqual(t, c.do("PASS p"), 400)
			assert.Equal(t, 530, c.do("LIST"))
		})
	}
	_, network := serve(t, host.Config{})
	c := connect(t, network)
	require.Equal(t, 331, c.do("USER u"))
	assert.Equal(t, 530, c.do("PASS p"), "a server without an authenticator lets somebody in")
}

func TestThreat33FailedLoginsAreCounted(t *testing.T) {
	t.Parallel()
	network, _, seen := observed(t, host.Config{Limits: host.Limits{LoginFailures: 4}})
	c := connect(t, network)
	fail := func(user string) int {
		t.Helper()
		require.Equal(t, 331, c.do("USER "+user))
		return c.do("PASS wrong")
	}
	assert.Equal(t, 530, fail("u"))
	require.Equal(t, 220, c.do("REIN"))
	assert.Equal(t, 530, fail("nobody"))
	// A login in between does not begin the count anew, or guessing costs nothing.
	require.Equal(t, 331, c.do("USER u"))
	require.Equal(t, 230, c.do("PASS p"))
	assert.Equal(t, 530, fail("ro"))
	assert.Equal(t, 421, fail("u"))
	c.ended()
	assert.Len(t, seen.of(host.LoginFailed), 4)
}

// open begins a session that the server may refuse, and returns the code of the first
// reply.
func open(t testing.TB, network script.Network) (*talk, int) {
	t.Helper()
	control, err := network.Open(4)
	require.NoError(t, err)
	t.Cleanup(func() { control.Close() })
	c := &talk{t: t, network: network, control: control, in: bufio.NewReader(control)}
	return c, c.reply().Code
}

func TestThreat33SessionsAreCounted(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]host.Limits{
		"in all":      {Sessions: 3},
		"per address": {SessionsPerAddress: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			network, _, seen := observed(t, host.Config{Limits: limits})
			for range 3 {
				var in []*talk
				for range 20 { // a storm
					c, code := open(t, network)
					if code == 220 {
						in = append(in, c)
						continue
					}
					assert.Equal(t, 421, code)
					c.ended()
				}
				require.Len(t, in, 3)
				for i, c := range in {
					switch i { // REIN and failed logins change nothing
					case 0:
						require.Equal(t, 220, c.do("REIN"))
					case 1:
						require.Equal(t, 331, c.do("USER nobody"))
						require.Equal(t, 530, c.do("PASS p"))
					}
				}
				_, code := open(t, network)
				assert.Equal(t, 421, code)
				ends := len(seen.of(host.Disconnected))
				for _, c := range in {
					c.control.Close()
				}
				eventually(t, "sessions do not end", func() bool { return len(seen.of(host.Disconnected)) == ends+3 })
			}
		})
	}
}

func TestThreat33AccountsAreCounted(t *testing.T) {
	t.Parallel()
	files := fsbridge.NewMemory()
	_, network := serve(t, host.Config{Authenticator: host.AuthenticatorFunc(
		func(_ context.Context, login host.Login) (*host.Account, error) {
			if login.Password.Reveal() != "p" {
				return nil, host.ErrDenied
			}
			return &host.Account{Name: login.User, FS: files, Rights: host.ReadOnly, MaxSessions: 2}, nil
		})})
	enter := func(c *talk, user, password string) int {
		t.Helper()
		require.Equal(t, 331, c.do("USER "+user))
		return c.do("PASS " + password)
	}
	one, two := connect(t, network), connect(t, network)
	require.Equal(t, 230, enter(one, "u", "p"))
	require.Equal(t, 230, enter(two, "u", "p"))
	for range 3 {
		c := connect(t, network)
		assert.Equal(t, 421, enter(c, "u", "p"))
		c.ended()
	}
	// To log in again in the same session takes no second place.
	require.Equal(t, 230, enter(one, "u", "p"))
	require.Equal(t, 230, enter(one, "u", "p"))
	// REIN, another USER and a failed login give the place back, once.
	for _, leave := range []func(){
		func() { require.Equal(t, 220, one.do("REIN")) },
		func() { require.Equal(t, 331, one.do("USER other")) },
		func() { require.Equal(t, 530, enter(one, "u", "wrong")) },
	} {
		leave()
		c := connect(t, network)
		require.Equal(t, 230, enter(c, "u", "p"))
		full := connect(t, network)
		assert.Equal(t, 421, enter(full, "u", "p"))
		require.Equal(t, 220, c.do("REIN"))
		require.Equal(t, 230, enter(one, "u", "p"))
	}
}

func TestThreat33LoginTimeIsNotRenewed(t *testing.T) {
	t.Parallel()
	network, _, _ := observed(t, host.Config{Limits: host.Limits{LoginTime: 300 * time.Millisecond}})
	c := connect(t, network)
	began := time.Now()
	for { // commands, REIN and new user names do not count as a login
		c.send("USER u\r\nREIN\r\nNOOP\r\n")
		for range 3 {
			r, err := script.ReadReply(c.in)
			if err != nil || r.Code == 421 {
				assert.Less(t, time.Since(began), 10*time.Second)
				return
			}
		}
		require.Less(t, time.Since(began), script.Patience, "the time to log in is without end")
	}
}

// With too many logins at once, a client hears 421, and not that its password is wrong.
func TestThreat35PasswordsThatNobodyLookedAt(t *testing.T) {
	t.Parallel()
	busy := host.AuthenticatorFunc(func(context.Context, host.Login) (*host.Account, error) {
		return nil, fmt.Errorf("%w: 256 wait", host.ErrBusy)
	})
	_, network := serve(t, host.Config{Authenticator: busy})
	c := connect(t, network)
	require.Equal(t, 331, c.do("USER u"))
	assert.Equal(t, 421, c.do("PASS p"))
}
