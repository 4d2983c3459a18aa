package conn

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Accepted sockets have the options of Go's, and keep urgent data in the stream.
func TestArrivalsHaveTheirOptions(t *testing.T) {
	t.Parallel()
	for _, ours := range []bool{true, false} {
		a, _ := arrive(t, ours)
		s := a.Stream(pollFor(t), newTeller())
		for _, option := range [][2]int{
			{unix.IPPROTO_TCP, unix.TCP_NODELAY}, {unix.SOL_SOCKET, unix.SO_KEEPALIVE}, {unix.SOL_SOCKET, unix.SO_OOBINLINE},
		} {
			value, err := unix.GetsockoptInt(int(s.direct.(*polled).fd), option[0], option[1])
			assert.True(t, value == 1 && err == nil, "option %v is %d, %v", option, value, err)
		}
		every, err := unix.GetsockoptInt(int(s.direct.(*polled).fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)
		assert.True(t, every == 15 && err == nil, "%d s, %v", every, err)
		s.Cut("")
	}
}

// An arrival that gets no stream can be closed, cut with a reply, or used as one of Go's.
func TestArrivalsEnd(t *testing.T) {
	t.Parallel()
	for _, ours := range []bool{true, false} {
		a, there := arrive(t, ours)
		a.Close()
		said, err := io.ReadAll(there)
		assert.True(t, len(said) == 0 && err == nil, "%q, %v", said, err)

		a, there = arrive(t, ours)
		a.Cut("421 Full.\r\n")
		said, err = io.ReadAll(there)
		assert.True(t, string(said) == "421 Full.\r\n" && err == nil, "%q, %v", said, err)

		a, there = arrive(t, ours)
		c := a.Ordinary()
		c.Write([]byte("hello"))
		c.Close()
		said, err = io.ReadAll(there)
		assert.True(t, string(said) == "hello" && err == nil, "%q, %v", said, err)
	}
}

// The listener is one like Go's for others than [Accept].
func TestListenTCP(t *testing.T) {
	t.Parallel()
	l, err := ListenTCP("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	there, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer there.Close()
	here, err := l.Accept()
	require.NoError(t, err)
	assert.Equal(t, there.LocalAddr().String(), here.RemoteAddr().String())
	here.Close()

	waits := make(chan error)
	go func() {
		_, err := Accept(l)
		waits <- err
	}()
	select {
	case err := <-waits:
		t.Fatalf("nobody came, but Accept returns %v", err)
	case <-time.After(10 * time.Millisecond):
	}
	require.NoError(t, l.Close())
	assert.ErrorIs(t, <-waits, net.ErrClosed)
	assert.ErrorIs(t, l.Close(), net.ErrClosed)
	_, err = net.Dial("tcp", l.Addr().String())
	assert.Error(t, err, "its port is still open")
	for _, wrong := range []string{"127.0.0.1:99999", "nowhere"} {
		_, err = ListenTCP("tcp", wrong)
		assert.Error(t, err)
	}
	_, err = ListenTCP("unix", t.TempDir()+"/socket")
	assert.Error(t, err)
}
