//go:build unix

package tests

import (
	"net"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Opening a FIFO waits for its other end, and reading a device may never end.
func TestThreat11SpecialFiles(t *testing.T) {
	world := dirPlace(t).(folder)
	require.NoError(t, syscall.Mkfifo(filepath.Join(world.Root, "fifo"), 0o666))
	// The name of a socket must be short, which a test's folder is not.
	t.Chdir(world.Root)
	socket, err := net.Listen("unix", "socket")
	require.NoError(t, err)
	defer socket.Close()
	names := []string{"fifo", "socket"}
	// Only root may make a device: 1, 5 is /dev/zero.
	if err := syscall.Mknod(filepath.Join(world.Root, "zero"), syscall.S_IFCHR|0o666, 1<<8|5); err == nil {
		names = append(names, "zero")
	}
	c := login(t, world.Network, "u")
	for _, name := range names {
		for _, verb := range []string{"RETR", "STOR", "APPE"} {
			c.port()
			code := c.do(verb + " " + name)
			assert.GreaterOrEqual(t, code, 500, "%s %s", verb, name)
		}
		require.Equal(t, 350, c.do("REST 1"))
		assert.GreaterOrEqual(t, c.do("STOR "+name), 500, name)
		assert.Equal(t, 550, c.do("SIZE "+name), name)
		listing, code := c.get("LIST")
		assert.Equal(t, 226, code)
		assert.Contains(t, string(listing), " "+name+"\r\n")
	}
	c.alive()
}
