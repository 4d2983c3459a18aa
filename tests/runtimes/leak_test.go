//go:build linux

package runtimes

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/tests/script"
)

// However sessions end, the server keeps nothing of theirs.
func TestSessionsLeaveNothing(t *testing.T) {
	const sessions = `
== Done
login
epsv
> RETR a
< 150
receive "hello"
< 226
> QUIT
< 221
end
== Gone in the midst of an upload
login
epsv
> STOR b
connect
< 150
write "half"
drop
== Gone in the midst of a download
login
epsv
> TYPE I
< 200
> RETR large
< 150
receive-some
drop
== Gone with ports that nobody used, and one that somebody did
login
epsv
epsv
connect
drop
`
	eachTarget(t, func(t *testing.T, to target) {
		root := t.TempDir()
		world := to.serve(t, root)
		if !world.Has("ports") {
			t.Skip("this runtime closes connections when it likes")
		}
		require.NoError(t, world.WriteFile("a", []byte("hello"), time.Now()))
		require.NoError(t, world.WriteFile("large", script.Bytes(8<<20), time.Now()))
		converse(t, world, sessions)
		leavesNothing(t, root, func() { converse(t, world, sessions) })
		leavesNothing(t, root, func() { converse(t, clinging{world, t}, sessions) })
	})
}

// clinging is a world whose clients never close a data connection of theirs.
type clinging struct {
	script.World
	t *testing.T
}

type unclosed struct{ script.Conn }

func (unclosed) Close() error { return nil }

func (c clinging) Dial(control script.Conn, to netip.AddrPort) (script.Conn, error) {
	conn, err := c.World.Dial(control, to)
	if err == nil {
		c.t.Cleanup(func() { conn.Close() })
	}
	return unclosed{conn}, err
}

// leavesNothing does something often. A file that is kept shows at once; of other
// descriptors a few come and go, such as those of spare ports.
func leavesNothing(t *testing.T, root string, do func()) {
	t.Helper()
	const rounds, few = 50, 10
	before := len(descriptors(t))
	for range rounds {
		do()
	}
	if !assert.Eventually(t, func() bool {
		after := descriptors(t)
		return len(after) < before+few && !slices.ContainsFunc(after, func(to string) bool { return strings.HasPrefix(to, root+"/") })
	}, script.Patience, 20*time.Millisecond) {
		t.Logf("there were %d descriptors before; now these are open: %q", before, descriptors(t))
	}
}

// descriptors are those of the test's server, each by what it leads to.
func descriptors(t *testing.T) []string {
	t.Helper()
	processesMutex.Lock()
	process := processes[t.Name()]
	processesMutex.Unlock()
	folder := fmt.Sprintf("/proc/%d/fd/", process.Pid)
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	var open []string
	for _, entry := range entries {
		if to, err := os.Readlink(folder + entry.Name()); err == nil { // else it was closed meanwhile
			open = append(open, to)
		}
	}
	return open
}
