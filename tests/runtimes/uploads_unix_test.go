//go:build unix

package runtimes

import (
	"net/textproto"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"wasiftp/tests/script"
)

// An upload replaces a file only once a byte has come, and leaves no new file if none
// has.
func TestUploadsOfNothing(t *testing.T) {
	eachTarget(t, func(t *testing.T, to target) {
		world := to.serve(t, t.TempDir())
		require.NoError(t, world.WriteFile("old", []byte("as it was"), time.Now()))
		c := login(t, world.Network, "u")
		for _, connected := range []bool{false, true} {
			for _, command := range []string{"STOR old", "STOR new", "APPE new", "STOU new"} {
				at := port(t, c, world.Network)
				if connected {
					dialFrom(t, "127.0.0.1", at)
				}
				say(t, c, 150, command)
				require.NoError(t, c.PrintfLine("ABOR"))
				for code := 0; code != 226; { // 226 says that the upload has ended
					var err error
					code, _, err = c.ReadResponse(0)
					require.True(t, err == nil || code == 426 || code == 425, "%v", err)
				}
				say(t, c, 550, "SIZE new")
				same(t, []byte("as it was"), filepath.Join(world.Root, "old"))
			}
		}
	})
}

// The control connection of a client that dies ends before its data connection. An upload
// that has brought nothing until then replaces nothing.
func TestNothingOfTheDeadIsCommitted(t *testing.T) {
	eachTarget(t, func(t *testing.T, to target) {
		world := to.serve(t, t.TempDir())
		host := processOf(t)
		require.NoError(t, world.WriteFile("old", []byte("as it was"), time.Now()))
		for _, name := range []string{"old", "new"} {
			control := dialFrom(t, "127.0.0.1", world.IPv4)
			c := textproto.NewConn(control)
			_, _, err := c.ReadResponse(220)
			require.NoError(t, err)
			say(t, c, 331, "USER u")
			say(t, c, 230, "PASS p")
			data := dialFrom(t, "127.0.0.1", port(t, c, world.Network))
			say(t, c, 150, "STOR "+name)
			require.NoError(t, host.Signal(syscall.SIGSTOP))
			require.NoError(t, control.Close())
			require.NoError(t, data.Close())
			require.NoError(t, host.Signal(syscall.SIGCONT))
		}
		c := login(t, world.Network, "u")
		for _, name := range []string{"old", "new"} {
			require.Eventually(t, func() bool { // the upload has ended when another one is taken
				port(t, c, world.Network)
				require.NoError(t, c.PrintfLine("APPE %s", name))
				code, _, _ := c.ReadResponse(0)
				if code == 150 {
					require.NoError(t, c.PrintfLine("ABOR"))
					for code != 226 {
						code, _, _ = c.ReadResponse(0)
					}
				}
				return code == 226
			}, script.Patience, time.Millisecond)
		}
		say(t, c, 550, "SIZE new")
		same(t, []byte("as it was"), filepath.Join(world.Root, "old"))
	})
}
