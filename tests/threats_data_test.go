package tests

import (
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

// observed is a server on a tree in memory with the file secret, and the server's events.
func observed(t testing.TB, config host.Config) (script.Network, *fsbridge.Memory, *events) {
	t.Helper()
	files, seen := fsbridge.NewMemory(), &events{}
	config.Authenticator, config.Observer = accounts(files), seen
	_, network := serve(t, config)
	require.NoError(t, putFile(files, "secret", []byte("the secret"), past))
	return network, files, seen
}

// stolen is what a connection got; a thief must get nothing.
func stolen(c io.Reader) string {
	b, _ := io.ReadAll(c)
	return string(b)
}

func TestThreat05DataConnectionTheftFromAnotherAddress(t *testing.T) {
	t.Parallel()
	network, _, seen := observed(t, host.Config{})
	c := login(t, network, "u")
	for _, active := range []bool{false, true} {
		port := c.port()
		thief, err := dialFrom("127.0.0.2", port)
		if err != nil {
			t.Skipf("no second loopback address here: %v", err)
		}
		if active { // after the verb as well as before it
			require.NoError(t, thief.CloseWrite())
		}
		assert.Empty(t, stolen(thief))
		d, err := network.Dial(c.control, port)
		require.NoError(t, err, "the client's own port is gone")
		require.Equal(t, 150, c.do("RETR secret"))
		late, err := dialFrom("127.0.0.2", port)
		if err == nil {
			assert.Empty(t, stolen(late))
		}
		assert.Equal(t, "the secret", stolen(d))
		require.Equal(t, 226, c.reply().Code)
	}
	refused := seen.of(host.DataRefused)
	require.NotEmpty(t, refused)
	assert.Equal(t, netip.MustParseAddr("127.0.0.2"), refused[0].Data.Addr())
}

func TestThreat05DataConnectionTheftFromTheSameAddress(t *testing.T) {
	t.Parallel()
	network, files, _ := observed(t, host.Config{})
	c, other := login(t, network, "u"), login(t, network, "u")
	for _, verb := range []string{"RETR secret", "STOR secret"} {
		port := c.port()
		thief, err := network.Dial(other.control, port)
		require.NoError(t, err)
		_, err = io.WriteString(thief, "forged")
		require.NoError(t, err)
		d, err := network.Dial(c.control, port)
		require.NoError(t, err)
		// The port closes once two connections have come: then the server has seen both.
		eventually(t, "the port stays open", func() bool {
			third, err := net.Dial("tcp", port.String())
			if err == nil {
				third.Close()
			}
			return err != nil
		})
		require.Equal(t, 150, c.do(verb))
		require.Equal(t, 425, c.reply().Code)
		assert.Empty(t, stolen(thief))
		assert.Empty(t, stolen(d))
	}
	content, err := files.Open("secret")
	require.NoError(t, err)
	assert.Equal(t, "the secret", stolen(content))
	got, code := c.get("RETR secret")
	assert.Equal(t, 226, code)
	assert.Equal(t, "the secret", string(got))
}

// A port opened in one session must not serve another's transfer.
func TestThreat05PortsBelongToTheirSession(t *testing.T) {
	t.Parallel()
	network, _, _ := observed(t, host.Config{})
	c, other := login(t, network, "u"), login(t, network, "u")
	d := c.data()
	assert.Equal(t, 425, other.do("RETR secret"))
	require.Equal(t, 150, c.do("RETR secret"))
	assert.Equal(t, "the secret", stolen(d))
}

func TestThreat07Bounce(t *testing.T) {
	t.Parallel()
	network, _, seen := observed(t, host.Config{})
	// Somebody listens at an address that is not the client's: if the server
	// ever dials it, the connection is seen.
	victim, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skipf("no second loopback address here: %v", err)
	}
	defer victim.Close()
	dialled := make(chan net.Addr, 1)
	go func() {
		if conn, err := victim.Accept(); err == nil {
			dialled <- conn.RemoteAddr()
		}
	}()
	port := address(victim).Port()
	high, low := decimal(int(port>>8)), decimal(int(port&255))
	at := decimal(int(port))
	c := login(t, network, "u")
	for _, line := range []string{
		"PORT 127,0,0,2," + high + "," + low,
		"PORT 0,0,0,0," + high + "," + low,
		"PORT 255,255,255,255," + high + "," + low,
		"PORT 169,254,169,254,0,80",
		"PORT 127,0,0,1,0,22",
		"PORT 127,0,0,1,3,255",
		"PORT 127,0,0,1,0,0",
		"PORT 0177,0,0,2," + high + "," + low,
		"PORT 127,0,0,02," + high + "," + low,
		"PORT 383,256,256,258," + high + "," + low,
		"PORT 4294967423,0,0,2," + high + "," + low,
		"PORT 127,0,0,2," + high + "," + low + ",0",
		"PORT +127,0,0,2," + high + "," + low,
		"PORT 127,0,0,0x2," + high + "," + low,
		"EPRT |1|127.0.0.2|" + at + "|",
		"EPRT |1|0.0.0.0|" + at + "|",
		"EPRT |1|127.2|" + at + "|",
		"EPRT |1|2130706434|" + at + "|",
		"EPRT |1|127.0.0.02|" + at + "|",
		"EPRT |1|127.0.0.1|22|",
		"EPRT |1|127.0.0.1|1023|",
		"EPRT |2|::1|" + at + "|",
		"EPRT |2|::ffff:127.0.0.2|" + at + "|",
		"EPRT |2|::ffff:127.0.0.1|" + at + "|",
		"EPRT |2|fe80::1%lo|" + at + "|",
		"EPRT |1|localhost|" + at + "|",
		"EPRT |1|127.0.0.2|0" + at + "|",
		"EPRT |1|127.0.0.2|" + decimal(int(port)+65536) + "|",
		"EPRT |1|127.0.0.2|-1|",
	} {
		code := c.do(line)
		assert.Contains(t, []int{500, 501, 504, 522}, code, line)
		// Nothing was prepared: the verb has nowhere to go.
		assert.Equal(t, 425, c.do("RETR secret"), line)
	}
	// If the server had dialled somebody, it would have before this transfer.
	got, _ := c.get("RETR secret")
	assert.Equal(t, "the secret", string(got))
	select {
	case from := <-dialled:
		t.Errorf("the server dialled from %v", from)
	default:
	}
	assert.Empty(t, seen.of(host.DataRefused), "the engine let an address through to the host")
}

// AllowForeignDataAddress allows another address than the client's, but not the low
// ports.
func TestThreat07BounceWhenAllowed(t *testing.T) {
	t.Parallel()
	network, _, _ := observed(t, host.Config{AllowForeignDataAddress: true})
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skipf("no second loopback address here: %v", err)
	}
	defer l.Close()
	port := address(l).Port()
	c := login(t, network, "u")
	require.Equal(t, 200, c.do("PORT 127,0,0,2,"+decimal(int(port>>8))+","+decimal(int(port&255))))
	require.Equal(t, 150, c.do("RETR secret"))
	d, err := l.Accept()
	require.NoError(t, err)
	assert.Equal(t, "the secret", stolen(d))
	assert.Equal(t, 226, c.reply().Code)
	assert.Contains(t, []int{500, 501, 504}, c.do("PORT 127,0,0,2,0,80"))
}

func TestThreat08EPSVAllIsNotForgotten(t *testing.T) {
	t.Parallel()
	network, _, _ := observed(t, host.Config{})
	c := login(t, network, "u")
	refused := func() {
		t.Helper()
		for _, line := range []string{"PASV", "PORT 127,0,0,1,200,1", "EPRT |1|127.0.0.1|51201|"} {
			assert.Equal(t, 503, c.do(line), line)
		}
	}
	require.Equal(t, 200, c.do("EPSV ALL"))
	refused()
	d := c.data()
	require.Equal(t, 150, c.do("STOR up"))
	require.Equal(t, 426, c.do("ABOR"))
	require.Equal(t, 226, c.reply().Code)
	assert.Empty(t, stolen(d))
	refused()
	assert.Equal(t, 425, c.do("RETR secret"))
	refused()
	// Nor does a new login bring the others back (RFC 2428 §4: for the session).
	require.Equal(t, 331, c.do("USER u"))
	require.Equal(t, 230, c.do("PASS p"))
	refused()
	got, code := c.get("RETR secret")
	assert.Equal(t, 226, code)
	assert.Equal(t, "the secret", string(got))
}
