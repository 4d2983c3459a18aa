package runtimes

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/tests/script"
)

// hostile is the engine of tests/hostile, which does what its client says.
var hostile = sync.OnceValues(func() (string, error) {
	path := filepath.Join(temporary, "hostile.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-o", path, "wasiftp/tests/hostile/guest")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	out, err := build.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("building the hostile engine: %w\n%s", err, out)
	}
	return path, err
})

// A guest that fails or hangs ends its sessions, each with 421, and another guest takes
// its place.
func TestHostInCOutlivesItsGuests(t *testing.T) {
	t.Parallel()
	if why := made(hostInC)(); why != "" {
		t.Skip(why)
	}
	engine, err := hostile()
	require.NoError(t, err)
	at := networkOf(t, run(t, 1, hostInC, "--module", engine, "--root", t.TempDir(), "--listen", "127.0.0.1:0", "--user",
		"u:p:rw")).IPv4
	for _, order := range []string{"panic", "exit 1", "overflow", "hoard", "loop", "sleep 3600000000000", "spin 0 0 0 0"} {
		c, err := net.Dial("tcp", at.String())
		require.NoError(t, err)
		require.NoError(t, c.SetDeadline(time.Now().Add(script.Patience)))
		in := bufio.NewReader(c)
		_, err = in.ReadString('\n') // hello
		require.NoError(t, err, order)
		_, err = fmt.Fprintln(c, order)
		require.NoError(t, err)
		reply, err := script.ReadReply(in)
		require.NoError(t, err, order)
		assert.Equal(t, 421, reply.Code, order)
		require.NoError(t, c.Close())
	}
}
