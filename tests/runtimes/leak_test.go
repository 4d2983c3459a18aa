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
== Aborted
login
epsv
> TYPE I
< 200
> RETR large
< 150
receive-some
> ABOR
< 426
< 226
> QUIT
< 221
end
== Gone in the midst of a compressed download
needs deflate
login
> MODE Z
< 200
epsv
> TYPE I
< 200
> RETR large
< 150
receive-some
drop
== Gone in the midst of a compressed upload
needs deflate
login
> MODE Z
< 200
epsv
> STOR b
connect
< 150
write "\x78\x9c"
drop
== Gone before a hash
login
>> "HASH large\r\n"
drop
== Gone before a listing
login
epsv
connect
>> "MLSD\r\n"
drop
== Gone before a connection that the client takes, and one that nobody does
login
port
>> "RETR large\r\n"
drop
== Gone with ports that nobody used, and one that somebody did
login
epsv
epsv
connect
drop
`
	const closing = `
== Gone with the data connection first
needs deflate
login
> MODE Z
< 200
epsv
> TYPE I
< 200
> RETR large
< 150
receive-some
close
< 426
drop
`
	eachTarget(t, func(t *testing.T, to target) {
		root := t.TempDir()
		world := to.serve(t, root)
		require.NoError(t, world.WriteFile("a", []byte("hello"), time.Now()))
		require.NoError(t, world.WriteFile("large", script.Bytes(8<<20), time.Now()))
		can := func(text string) []script.Case {
			return slices.DeleteFunc(parse(t, text), func(c script.Case) bool {
				return slices.ContainsFunc(c.Needs, func(need string) bool { return !world.Has(need) })
			})
		}
		clingers := &clinging{Folder: world}
		t.Cleanup(clingers.leave)
		hold(t, clingers, can(sessions))
		if !world.Has("ports") {
			t.Skip("this runtime closes connections when it likes")
		}
		leavesNothing(t, root, func() { hold(t, world, can(sessions+closing)) })
		leavesNothing(t, root, func() {
			hold(t, clingers, can(sessions))
			if !world.Has("break") {
				clingers.leave()
			}
		})
	})
}

// clinging is a world whose clients keep their data connections open until leave, and
// read nothing more from them.
type clinging struct {
	script.Folder
	kept []script.Conn
}

type unclosed struct{ script.Conn }

func (unclosed) Close() error { return nil }

func (c *clinging) Dial(control script.Conn, to netip.AddrPort) (script.Conn, error) {
	conn, err := c.Folder.Dial(control, to)
	if err == nil {
		c.kept = append(c.kept, conn)
	}
	return unclosed{conn}, err
}

func (c *clinging) leave() {
	for _, conn := range c.kept {
		conn.Close()
	}
	c.kept = nil
}

// leavesNothing calls do often, and checks that the server has no more descriptors than
// before. No file may stay open; of the others a few come and go, such as those of spare
// ports.
func leavesNothing(t *testing.T, root string, do func()) {
	t.Helper()
	const rounds, few = 25, 10
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

// descriptors are the targets of the open descriptors of the test's server.
func descriptors(t *testing.T) []string {
	t.Helper()
	process := processOf(t)
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
