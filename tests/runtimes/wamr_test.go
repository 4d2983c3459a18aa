package runtimes

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/tests/script"
)

// iwasm is WAMR's program, and hostInC the host of host/examples/c.
const (
	iwasm   = "../iwasm/build/iwasm"
	hostInC = "../../host/examples/c/build/wasiftpc"
)

// made says why a program that make wamr builds cannot be run here, "" if it can.
func made(path string) func() string {
	return func() string {
		if _, err := os.Stat(path); err != nil {
			return "there is no " + filepath.Base(path) + "; make wamr builds it"
		}
		return ""
	}
}

// listening are addresses to listen at, one of each family that this machine has.
func listening() []string {
	if script.HasIPv6() {
		return []string{"127.0.0.1:0", "[::1]:0"}
	}
	return []string{"127.0.0.1:0"}
}

func startIwasm(t testing.TB, root string) script.Network {
	t.Helper()
	listen := "WASIFTP_LISTEN=" + strings.Join(listening(), ",")
	args := append([]string{"--addr-pool=127.0.0.0/8,::1/128", "--map-dir=/::" + root}, namesOf("--env=", listen)...)
	command := exec.Command(iwasm, append(args, module(t, "wamr"))...)
	return networkOf(t, runCommand(t, len(listening()), withEnvironment(command, listen)))
}

func startHostInC(t testing.TB, root string) script.Network {
	t.Helper()
	args := []string{"--module", "../../host/wasiftp.wasm", "--root", root, "--anonymous", "ro", "--user", "u:p:rw",
		"--user", "ro:p:ro"}
	for _, at := range listening() {
		args = append(args, "--listen", at)
	}
	return networkOf(t, run(t, len(listening()), hostInC, args...))
}

// iwasm does not ignore SIGPIPE, and a module cannot: a reply to a client that has
// gone would end the server.
func TestWAMROutlivesClientsThatGo(t *testing.T) {
	t.Parallel()
	for _, to := range targets {
		if to.name != "wamr" {
			continue
		}
		to.here(t)
		network := to.start(t, t.TempDir())
		for range 200 {
			c, err := net.Dial("tcp", network.IPv4.String())
			require.NoError(t, err, "the server has ended")
			fmt.Fprint(c, strings.Repeat("HELP\r\n", 20))
			require.NoError(t, c.Close())
		}
		c, err := network.Open(4)
		require.NoError(t, err)
		defer c.Close()
		greeting := make([]byte, 3)
		_, err = c.Read(greeting)
		require.NoError(t, err)
		assert.Equal(t, "220", string(greeting))
	}
}
