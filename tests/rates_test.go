package tests

import (
	"bytes"
	"context"
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

// throttled serves a folder with file, at the rates of limits and of each account.
func throttled(t *testing.T, limits host.Limits, account host.Account, content []byte) script.Network {
	dir, err := fsbridge.OpenDir(t.TempDir(), fsbridge.DirOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { dir.Close() })
	upload, err := dir.Create("file", 0, 0, nil)
	require.NoError(t, err)
	upload.Write(content)
	require.NoError(t, upload.Commit())
	_, network := serve(t, host.Config{Limits: limits, Authenticator: host.AuthenticatorFunc(
		func(context.Context, host.Login) (*host.Account, error) {
			own := account
			own.FS, own.Rights = dir, host.ReadWrite
			return &own, nil
		})})
	return network
}

// slow checks how long moving n bytes took at a rate per second. A tenth of a second's bytes,
// or 4 KiB, go at once, and the last piece is not waited for.
func slow(t *testing.T, took time.Duration, n, rate int) {
	t.Helper()
	free := 2 * max(rate/10, 4<<10)
	assert.GreaterOrEqual(t, took, time.Duration(n-free)*time.Second/time.Duration(rate), "it was too fast")
}

func TestRates(t *testing.T) {
	t.Parallel()
	const rate, size = 100 << 10, 60 << 10
	content := bytes.Repeat([]byte("0123456789abcde\n"), size/16)
	both := host.Rates{Up: rate, Down: rate}
	for name, where := range map[string]struct {
		limits  host.Limits
		account host.Account
	}{
		"the server":                 {limits: host.Limits{Rates: both}},
		"each session":               {limits: host.Limits{RatesPerSession: both}},
		"an account":                 {account: host.Account{Rates: both}},
		"each session of an account": {account: host.Account{RatesPerSession: both}},
		"the lowest of all": {limits: host.Limits{Rates: host.Rates{Up: 1 << 40, Down: 1 << 40}, RatesPerSession: both},
			account: host.Account{RatesPerSession: host.Rates{Up: 2 * rate, Down: 2 * rate}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := login(t, throttled(t, where.limits, where.account, content), "u")
			for _, mode := range []string{"TYPE I", "TYPE A"} {
				require.Equal(t, 200, c.do(mode))
				began := time.Now()
				got, code := c.get("RETR file")
				assert.Equal(t, 226, code)
				assert.GreaterOrEqual(t, len(got), size)
				slow(t, time.Since(began), size, rate)
				began = time.Now()
				assert.Equal(t, 226, c.store("STOR new", string(content)))
				slow(t, time.Since(began), size, rate)
			}
		})
	}
}

// Small files, which the shard moves itself otherwise, pay as well.
func TestRatesOfSmallFiles(t *testing.T) {
	t.Parallel()
	const rate, size, times = 20 << 10, 1 << 10, 20
	c := login(t, throttled(t, host.Limits{}, host.Account{Rates: host.Rates{Up: rate, Down: rate}}, make([]byte, size)), "u")
	began := time.Now()
	for range times {
		_, code := c.get("RETR file")
		require.Equal(t, 226, code)
	}
	slow(t, time.Since(began), times*size, rate)
	began = time.Now()
	for range times {
		require.Equal(t, 226, c.store("STOR file", strings.Repeat("x", size)))
	}
	slow(t, time.Since(began), times*size, rate)
}

// A client that logs in anew for each file is not faster.
func TestRatesOutliveSessions(t *testing.T) {
	t.Parallel()
	const rate, size, times = 10 << 10, 4 << 10, 4
	network := throttled(t, host.Limits{}, host.Account{Rates: host.Rates{Down: rate}}, make([]byte, size))
	began := time.Now()
	for range times {
		c := login(t, network, "u")
		_, code := c.get("RETR file")
		require.Equal(t, 226, code)
		c.do("QUIT")
	}
	slow(t, time.Since(began), times*size, rate)
}

// A transfer that only waits for its turn does not count as stalled.
func TestThrottledIsNotStalled(t *testing.T) {
	t.Parallel()
	const rate, size = 4 << 10, 12 << 10
	limits := host.Limits{StallTime: 400 * time.Millisecond, RatesPerSession: host.Rates{Down: rate}}
	c := login(t, throttled(t, limits, host.Account{}, make([]byte, size)), "u")
	began := time.Now()
	got, code := c.get("RETR file")
	assert.Equal(t, 226, code)
	assert.Len(t, got, size)
	slow(t, time.Since(began), size, rate)
}

// ABOR and the end of the session do not wait until a throttled transfer may go on.
func TestThrottledIsAborted(t *testing.T) {
	t.Parallel()
	network := throttled(t, host.Limits{}, host.Account{RatesPerSession: host.Rates{Up: 1, Down: 1}}, make([]byte, 1<<20))
	c := login(t, network, "u")
	for _, line := range []string{"RETR file", "STOR new"} {
		d := c.data()
		require.Equal(t, 150, c.do(line))
		if line == "STOR new" {
			d.Write(make([]byte, 1<<20))
		} else {
			d.Read(make([]byte, 1))
		}
		began := time.Now()
		assert.Equal(t, 426, c.do("ABOR"))
		assert.Equal(t, 226, c.reply().Code)
		assert.Less(t, time.Since(began), script.Patience)
		d.Close()
	}
}

func TestRatesUnderTLS(t *testing.T) {
	t.Parallel()
	const rate, size = 100 << 10, 60 << 10
	files := fsbridge.NewMemory()
	_, network := serve(t, host.Config{Authenticator: accounts(files), TLS: host.TLS{Config: serverTLS()},
		Limits: host.Limits{RatesPerSession: host.Rates{Up: rate, Down: rate}}})
	c := loginTLS(t, network, clientTLS(tls.VersionTLS13))
	began := time.Now()
	require.Equal(t, 226, c.store("STOR file", strings.Repeat("x", size)))
	slow(t, time.Since(began), size, rate)
	began = time.Now()
	_, code := c.get("RETR file")
	assert.Equal(t, 226, code)
	slow(t, time.Since(began), size, rate)
}

// MODE Z pays for the bytes of the file.
func TestRatesOfModeZ(t *testing.T) {
	t.Parallel()
	const rate, size = 100 << 10, 60 << 10
	c := login(t, throttled(t, host.Limits{}, host.Account{Rates: host.Rates{Up: rate, Down: rate}}, make([]byte, size)), "u")
	require.Equal(t, 200, c.do("MODE Z"))
	began := time.Now()
	packed, code := c.get("RETR file")
	assert.Equal(t, 226, code)
	slow(t, time.Since(began), size, rate)
	began = time.Now()
	assert.Equal(t, 226, c.store("STOR new", string(packed)))
	slow(t, time.Since(began), size, rate)
}

func TestNegativeRates(t *testing.T) {
	t.Parallel()
	_, err := host.New(host.Config{Limits: host.Limits{Rates: host.Rates{Up: -1}, RatesPerSession: host.Rates{Down: -2}}})
	assert.ErrorContains(t, err, "Limits.Rates.Up is -1; it must not be negative")
	assert.ErrorContains(t, err, "Limits.RatesPerSession.Down is -2; it must not be negative")
	c := connect(t, throttled(t, host.Limits{}, host.Account{Rates: host.Rates{Up: -1}}, nil))
	c.do("USER u")
	assert.Equal(t, 530, c.do("PASS p"))
}
