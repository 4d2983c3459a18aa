//go:build linux

package runtimes

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/tests/script"
)

// However sessions end, the server keeps nothing of theirs.
func TestSessionsLeaveNothing(t *testing.T) {
	const rounds, sessions = 50, `
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
		world := to.serve(t, t.TempDir())
		if !world.Has("ports") {
			t.Skip("this runtime closes connections when it likes")
		}
		require.NoError(t, world.WriteFile("a", []byte("hello"), time.Now()))
		require.NoError(t, world.WriteFile("large", script.Bytes(8<<20), time.Now()))
		converse(t, world, sessions)
		before := descriptors(t)
		for range rounds {
			converse(t, world, sessions)
		}
		assert.Eventually(t, func() bool { return descriptors(t) <= before }, script.Patience, 20*time.Millisecond,
			"there were %d descriptors before", before)
	})
}

// descriptors is how many the test's server holds.
func descriptors(t *testing.T) int {
	t.Helper()
	processesMutex.Lock()
	process := processes[t.Name()]
	processesMutex.Unlock()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", process.Pid))
	require.NoError(t, err)
	return len(entries)
}
