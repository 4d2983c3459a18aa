package conn

import (
	"bytes"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/wasi"
)

// waitingOn makes a waiting connection, and returns the client's end too.
func waitingOn(t *testing.T) (*waiting, *net.TCPConn) {
	t.Helper()
	a, there := arrive(t, true)
	w, ok := a.Stream(pollFor(t), newTeller()).Waiting().(*waiting)
	require.True(t, ok)
	t.Cleanup(func() { w.Close() })
	assert.Equal(t, there.RemoteAddr(), w.LocalAddr())
	assert.Equal(t, there.LocalAddr(), w.RemoteAddr())
	return w, there
}

// It moves bytes both ways, and goes on as a connection of Go's once they are many.
func TestWaitingMoves(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, mostWaiting/2 - 1, mostWaiting, 20 * mostWaiting} {
		w, there := waitingOn(t)
		w.SetDeadline(time.Now().Add(time.Minute))
		want := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		go func() {
			there.Write(want)
			there.CloseWrite()
		}()
		got, err := io.ReadAll(w)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(want, got), "%d bytes of %d come, or others", len(got), size)
		go func() {
			w.Write(want)
			w.Close()
		}()
		got, err = io.ReadAll(there)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(want, got), "%d bytes of %d go, or others", len(got), size)
		assert.Equal(t, 2*size >= mostWaiting, w.conn != nil)
	}
}

func TestWaitingDeadlines(t *testing.T) {
	t.Parallel()
	w, there := waitingOn(t)
	read := func() error {
		_, err := w.Read(make([]byte, 10))
		return err
	}
	there.Write([]byte("unread"))
	w.SetReadDeadline(time.Unix(1, 0))
	assert.ErrorIs(t, read(), os.ErrDeadlineExceeded, "also if there are bytes")
	w.SetReadDeadline(time.Time{})
	assert.NoError(t, read())
	w.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	assert.ErrorIs(t, read(), os.ErrDeadlineExceeded)
	w.SetReadDeadline(time.Now().Add(time.Hour))
	waits := make(chan error)
	go func() { waits <- read() }()
	w.SetReadDeadline(time.Unix(1, 0))
	assert.ErrorIs(t, <-waits, os.ErrDeadlineExceeded, "of a read that waits")

	go func() {
		_, err := w.Write(make([]byte, 64<<20)) // more than the sockets hold
		waits <- err
	}()
	for ordinary := false; !ordinary; time.Sleep(time.Millisecond) {
		w.stream.mu.Lock()
		ordinary = w.conn != nil
		w.stream.mu.Unlock()
	}
	assert.ErrorIs(t, read(), os.ErrDeadlineExceeded, "it goes over to the connection of Go's")
	w.SetDeadline(time.Unix(1, 0))
	assert.ErrorIs(t, <-waits, os.ErrDeadlineExceeded)
}

func TestWaitingEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]struct {
		call func(*waiting)
		want error // of the client's read; nil is the end
	}{
		"closed":                {func(w *waiting) { w.Close() }, nil},
		"reset":                 {func(w *waiting) { Reset(w) }, syscall.ECONNRESET},
		"closed by the session": {func(w *waiting) { w.stream.Close(time.Minute, time.Minute) }, nil},
		"cut by the session":    {func(w *waiting) { w.stream.Cut("") }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, there := waitingOn(t)
			waits := make(chan error)
			go func() {
				_, err := w.Read(make([]byte, 1))
				waits <- err
			}()
			end.call(w)
			assert.Error(t, <-waits)
			_, err := w.Write([]byte("more"))
			assert.Error(t, err)
			_, err = io.ReadAll(there)
			assert.ErrorIs(t, err, end.want)
		})
	}
}

// A session may end, or be cut off, while its client shakes hands.
func TestSessionEndsDuringItsHandshake(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*Stream){
		"closed": func(s *Stream) { s.Close(time.Minute, time.Minute) },
		"cut":    func(s *Stream) { s.Cut("421 in the clear\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, g, there := directOn(t)
			upgrade(t, s)
			reply := make([]byte, 5)
			_, err := io.ReadFull(there, reply)
			require.NoError(t, err)
			n, errno := s.Read(make([]byte, 10))
			assert.True(t, n == 0 && errno == wasi.EAGAIN)
			end(s)
			<-g.closed
			rest, _ := io.ReadAll(there)
			assert.NotContains(t, string(rest), "clear")
		})
		t.Run(name+" before it", func(t *testing.T) {
			t.Parallel()
			s, g, _ := directOn(t)
			stuff(s)
			upgrade(t, s)
			end(s)
			<-g.closed
			ended := func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.upgrade == nil
			}
			require.Eventually(t, ended, 10*time.Second, time.Millisecond, "its goroutine waits for ever")
		})
	}
}

// stuff writes to a stream until it has no room, and returns how many bytes it took.
func stuff(s *Stream) (sent int) {
	for !s.Busy() {
		n, _ := s.Write(bytes.Repeat([]byte("x"), 1000))
		sent += n
	}
	return sent
}

// What a session is to say before the handshake is sent first, and what it says meanwhile is
// sent behind it.
func TestHandshakeBehindUnsentBytes(t *testing.T) {
	t.Parallel()
	s, g, there := directOn(t)
	sent := stuff(s)
	upgrade(t, s)
	n, errno := s.Write([]byte("behind"))
	require.True(t, n == 6 && errno == wasi.OK)
	before := make([]byte, sent+5)
	_, err := io.ReadFull(there, before)
	require.NoError(t, err)
	assert.Equal(t, sent, bytes.Count(before, []byte("x")))
	assert.Equal(t, "234\r\n", string(before[sent:]))
	client := clientOn(t, there)
	got := make([]byte, 6)
	_, err = io.ReadFull(client, got)
	assert.True(t, err == nil && string(got) == "behind", "%q, %v", got, err)
	s.Close(time.Minute, time.Minute)
	there.Close()
	<-g.closed
}
