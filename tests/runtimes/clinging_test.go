//go:build linux

package runtimes

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/tests/script"
)

// TestClientsThatCling: a client that gives up downloads but keeps their connections open
// harms at most others at the same address, and only while it keeps the connections.
func TestClientsThatCling(t *testing.T) {
	eachTarget(t, func(t *testing.T, to target) {
		world := to.serve(t, t.TempDir())
		require.NoError(t, world.WriteFile("large", script.Bytes(32<<20), time.Now()))
		const here, elsewhere = "127.0.0.1", "127.0.0.2"
		var kept []net.Conn
		for range 40 {
			c, err := loginFrom(t, here, world.Network, "u")
			if err != nil {
				require.False(t, world.Has("break"), "turned away: %v", err)
				break
			}
			say(t, c, 200, "TYPE I")
			kept = append(kept, dialFrom(t, here, port(t, c, world.Network)))
			say(t, c, 150, "RETR large")
			for before, now := "", say(t, c, 211, "STAT"); now != before; { // until it stands still
				before, now = now, say(t, c, 211, "STAT")
			}
			say(t, c, 426, "ABOR")
			_, _, err = c.ReadResponse(226)
			require.NoError(t, err)
			say(t, c, 221, "QUIT")
		}
		c, err := loginFrom(t, elsewhere, world.Network, "u")
		require.NoError(t, err, "others are not served")
		say(t, c, 200, "NOOP")
		for _, conn := range kept {
			conn.Close()
		}
		assert.Eventually(t, func() bool {
			_, err := loginFrom(t, here, world.Network, "u")
			return err == nil
		}, script.Patience, 20*time.Millisecond)
	})
}
