package tests

import (
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
)

// inNetwork is set in the environment of a process that runs in a network of its own.
const inNetwork = "WASIFTP_TEST_IN_NETWORK"

// TestLinkLocalClients: a client at a link-local address gets data connections, passive
// and active.
func TestLinkLocalClients(t *testing.T) {
	if os.Getenv(inNetwork) == "" {
		t.Parallel()
		again := exec.Command(os.Args[0], "-test.run=^TestLinkLocalClients$", "-test.v")
		again.Env = append(os.Environ(), inNetwork+"=1")
		again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		said, err := again.CombinedOutput()
		if exit, ended := err.(*exec.ExitError); err != nil && !ended {
			t.Skipf("no network of one's own: %v", err)
		} else if ended && exit.ExitCode() == skipped {
			t.Skipf("no link can be made: %s", said)
		}
		require.NoError(t, err, "%s", said)
		return
	}
	for _, line := range []string{"link set lo up", "link add link0 type veth peer name link1", "link set link1 up",
		"link set link0 up", "addr add fe80::1/64 dev link0 nodad"} {
		if said, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			os.Stdout.Write(append(said, err.Error()...))
			os.Exit(skipped)
		}
	}
	files := fsbridge.NewMemory()
	require.NoError(t, putFile(files, "hello", []byte("hello"), past))
	server, err := host.New(host.Config{Authenticator: accounts(files)})
	require.NoError(t, err)
	defer server.Close()
	var config net.ListenConfig
	config.SetMultipathTCP(false) // addresses of Multipath TCP have no zone
	control, err := config.Listen(t.Context(), "tcp", "[fe80::1%link0]:0")
	require.NoError(t, err)
	go server.Serve(control)

	conn, err := net.Dial("tcp", control.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	c := textproto.NewConn(conn)
	say := func(code int, line string) string {
		require.NoError(t, c.PrintfLine("%s", line))
		_, text, err := c.ReadResponse(code)
		require.NoError(t, err, line)
		return text
	}
	_, _, err = c.ReadResponse(220)
	require.NoError(t, err)
	say(331, "USER u")
	say(230, "PASS p")

	arrives := func(data net.Conn) {
		content, err := io.ReadAll(data)
		require.NoError(t, err)
		assert.Equal(t, "hello", string(content))
		_, _, err = c.ReadResponse(226)
		require.NoError(t, err)
	}
	say(200, "TYPE I")
	_, port, _ := strings.Cut(say(229, "EPSV"), "(|||")
	data, err := net.Dial("tcp", net.JoinHostPort("fe80::1%link0", strings.Trim(port, "|).")))
	require.NoError(t, err)
	data.SetDeadline(time.Now().Add(time.Minute))
	say(150, "RETR hello")
	arrives(data)

	l, err := config.Listen(t.Context(), "tcp", "[fe80::1%link0]:0")
	require.NoError(t, err)
	defer l.Close()
	l.(*net.TCPListener).SetDeadline(time.Now().Add(time.Minute))
	at := l.Addr().(*net.TCPAddr).AddrPort()
	say(200, "EPRT |2|"+at.Addr().WithZone("").String()+"|"+strconv.Itoa(int(at.Port()))+"|")
	say(150, "RETR hello")
	data, err = l.Accept()
	require.NoError(t, err)
	arrives(data)
	assert.Equal(t, netip.MustParseAddr("fe80::1%link0"), data.RemoteAddr().(*net.TCPAddr).AddrPort().Addr())
}

// skipped is the exit code of a process that cannot make a link.
const skipped = 77
