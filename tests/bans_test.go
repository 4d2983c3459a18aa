package tests

import (
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/host/bans"
)

// Guesses in forty sessions at once come to an end with the ban, and so do the sessions. The
// real user logs in from elsewhere at once; from here he is let in again when the ban is
// cleared.
func TestThreat33ParallelGuessesAreBanned(t *testing.T) {
	t.Parallel()
	const after = 6
	files, seen := fsbridge.NewMemory(), &events{}
	server, network := serve(t, host.Config{
		Authenticator: accounts(files), Observer: seen, Bans: bans.Policy{After: after, Time: time.Hour},
	})
	var tried, refused atomic.Int32
	var all sync.WaitGroup
	for range 40 {
		c, code := open(t, network)
		require.Equal(t, 220, code)
		all.Go(func() {
			c.do("USER u")
			tried.Add(1)
			reply := fullText(c.say("PASS wrong"))
			if strings.HasPrefix(reply, "421") {
				assert.Contains(t, reply, "Too many logins from your address have failed")
				refused.Add(1)
			}
		})
	}
	all.Wait()
	assert.EqualValues(t, 40-after-1, refused.Load(), "of %d", tried.Load())
	require.Len(t, seen.of(host.Banned), 1)
	ban := seen.of(host.Banned)[0].Ban
	assert.Equal(t, after+1, ban.Failures)
	assert.InDelta(t, time.Minute, time.Until(ban.Until), float64(10*time.Second), "loopback is banned for a minute at most")
	_, code := open(t, network)
	assert.Equal(t, 421, code)
	assert.Empty(t, seen.of(host.Refused), "there is one event for a ban, not one for each connection")

	if elsewhere := network; runtime.GOOS == "linux" { // others have one loopback address
		elsewhere.Client = netip.MustParseAddr("127.0.0.77")
		began := time.Now()
		c, code := open(t, elsewhere)
		require.Equal(t, 220, code)
		require.Equal(t, 331, c.do("USER u"))
		assert.Equal(t, 230, c.do("PASS p"))
		assert.Less(t, time.Since(began), 5*time.Second)
	}
	assert.Equal(t, 1, server.Bans().Clear(netip.MustParsePrefix("127.0.0.0/8")))
	c := connect(t, network)
	require.Equal(t, 331, c.do("USER u"))
	assert.Equal(t, 230, c.do("PASS p"))
}

// Networks that are denied, and connections that come too fast, get 421, and an event each.
func TestThreat33ListsAndRate(t *testing.T) {
	t.Parallel()
	network, _, seen := observed(t, host.Config{Bans: bans.Policy{Deny: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}})
	_, code := open(t, network)
	assert.Equal(t, 421, code)
	require.Len(t, seen.of(host.Refused), 1)
	assert.Equal(t, bans.ErrNotAllowed, seen.of(host.Refused)[0].Err)

	network, _, seen = observed(t, host.Config{Bans: bans.Policy{Rate: 1}})
	for _, want := range []int{220, 421} {
		_, code := open(t, network)
		assert.Equal(t, want, code)
	}
	assert.Equal(t, bans.ErrTooQuick, seen.of(host.Refused)[0].Err)
}
