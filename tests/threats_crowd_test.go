package tests

import (
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

// crowd is many sessions of anonymous readers and one session of u, all in one instance.
type crowd struct {
	t       testing.TB
	seen    *events
	network script.Network
	other   *talk
	members []*talk
}

func gather(t testing.TB, files fs.FS, members int) *crowd {
	t.Helper()
	c := &crowd{t: t, seen: &events{}}
	_, c.network = serve(t, host.Config{
		Authenticator: accounts(files), Observer: c.seen, Instances: 1, Limits: host.Limits{SessionsPerAddress: members + 1},
	})
	c.other = login(t, c.network, "u")
	c.members = make([]*talk, members)
	var busy sync.WaitGroup
	for i := range c.members {
		busy.Go(func() { c.members[i] = login(t, c.network, "anonymous") })
	}
	busy.Wait()
	return c
}

// all makes all members do something at once, while the other session says NOOP again and
// again. It returns the longest time that a NOOP took.
func (c *crowd) all(do func(*talk)) (longest time.Duration) {
	c.t.Helper()
	var busy sync.WaitGroup
	for _, member := range c.members {
		busy.Go(func() { do(member) })
	}
	done := make(chan struct{})
	go func() {
		busy.Wait()
		close(done)
	}()
	for over := false; !over; {
		began := time.Now()
		c.other.alive()
		longest = max(longest, time.Since(began))
		select {
		case <-done:
			over = true
		default:
		}
	}
	return longest
}

// unharmed checks that no session has ended.
func (c *crowd) unharmed() {
	c.t.Helper()
	for _, member := range c.members {
		member.alive()
	}
	c.other.alive()
	assert.Empty(c.t, c.seen.of(host.Disconnected))
}

// TestThreat35Patterns: a crowd with costly patterns hurts nobody.
func TestThreat35Patterns(t *testing.T) {
	t.Parallel()
	files := fsbridge.NewMemory()
	for i := range 300 {
		require.NoError(t, putFile(files, strings.Repeat("a", 200)+decimal(1000+i), nil, past))
	}
	c := gather(t, files, 50)
	for pattern, codes := range map[string]string{
		"*" + strings.Repeat("[", 3900):        "501",
		"*" + strings.Repeat("[", 500) + "b":   "226 451",
		"*[" + strings.Repeat("c", 500) + "]b": "226 451",
		"*" + strings.Repeat("a", 150) + "b":   "226 451",
	} {
		longest := c.all(func(member *talk) {
			_, code := member.get("NLST " + pattern)
			assert.Contains(t, codes, decimal(code), "%.10s", pattern)
		})
		assert.Less(t, longest, 10*time.Second, "%.10s", pattern)
	}
	c.unharmed()
}

// TestThreat35LongNames: a crowd that reads nothing of its long listings hurts nobody.
func TestThreat35LongNames(t *testing.T) {
	t.Parallel()
	files := fsbridge.NewMemory()
	require.NoError(t, files.Mkdir("long", nil))
	for i := range 3000 {
		require.NoError(t, putFile(files, "file"+decimal(i), nil, past))
		require.NoError(t, putFile(files, "long/"+strings.Repeat("n", 240)+decimal(i), nil, past))
	}
	c := gather(t, files, 100)
	for _, command := range []string{"NLST " + strings.Repeat("./", 2000), "LIST -S long"} {
		longest := c.all(func(member *talk) {
			member.data()
			assert.Equal(t, 150, member.do(command))
		})
		assert.Less(t, longest, 10*time.Second, "%.10s", command)
		c.all(func(member *talk) {
			member.send("ABOR\r\nPWD\r\n")
			for code := 0; code != 257; code = member.reply().Code {
			}
		})
		c.unharmed()
	}
}
