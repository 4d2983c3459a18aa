package host

import (
	"bufio"
	"context"
	"io"
	"io/fs"
	"net"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/wasi"
)

// TestTellClock: an engine is told the wall clock at its start, and when that has been set.
func TestTellClock(t *testing.T) {
	t.Parallel()
	sh := newStill(t, Config{})
	now := int64(1000 * time.Hour)
	for i, c := range []struct {
		away time.Duration
		told bool
	}{
		{0, true}, {0, false}, {900 * time.Millisecond, false}, {-900 * time.Millisecond, false}, {1100 * time.Millisecond, true},
		{time.Second, false}, {200 * time.Millisecond, false}, {50 * 365 * 24 * time.Hour, true}, {50 * 365 * 24 * time.Hour, false},
		{0, true}, {-2000 * time.Hour, true}, {-2000 * time.Hour, false},
	} {
		now += int64(time.Minute)
		wall := now + int64(c.away)
		sh.events = []wasi.Event{{Kind: wasi.EventOpen}}
		sh.tellClock(now, wall)
		want := []wasi.Event{{Kind: wasi.EventOpen}}
		if c.told {
			want = append([]wasi.Event{{Kind: wasi.EventClock, Value: uint64(wall)}}, want...)
		}
		assert.Equal(t, want, sh.events, "%d: %v", i, c.away)
	}
}

// TestClockSetLater: when the wall clock is set after the start, LIST takes files of today
// as such, and SITE WHO tells by the new clock when sessions began.
func TestClockSetLater(t *testing.T) {
	t.Parallel()
	const away = 10 * 365 * 24 * time.Hour
	files := fstest.MapFS{
		"new": {ModTime: time.Now().Add(away - time.Hour)},
		"old": {ModTime: time.Now().Add(-time.Hour)},
	}
	server, err := New(Config{Authenticator: AuthenticatorFunc(func(context.Context, Login) (*Account, error) {
		return &Account{FS: fs.FS(files), Rights: ReadOnly | RightAdmin}, nil
	})})
	require.NoError(t, err)
	defer server.Close()
	var off atomic.Int64
	server.wall = func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go server.Serve(l)
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	c := textproto.NewConn(conn)
	say := func(code int, line string) string {
		require.NoError(t, c.PrintfLine("%s", line))
		_, text, err := c.ReadResponse(code)
		require.NoError(t, err, line)
		return text
	}
	list := func() string {
		reply := say(229, "EPSV")
		port := strings.Trim(reply[strings.Index(reply, "(|||")+4:], "|).")
		data, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
		require.NoError(t, err)
		defer data.Close()
		say(150, "LIST")
		text, err := io.ReadAll(bufio.NewReader(data))
		require.NoError(t, err)
		_, _, err = c.ReadResponse(226)
		require.NoError(t, err)
		return string(text)
	}
	_, _, err = c.ReadResponse(220)
	require.NoError(t, err)
	say(331, "USER u")
	say(230, "PASS p")
	assert.Regexp(t, ` \d\d\d\d new\r`, list())
	assert.Regexp(t, ` \d\d:\d\d old\r`, list())
	assert.Contains(t, say(211, "SITE WHO"), time.Now().UTC().Format("since 2006-"))
	off.Store(int64(away))
	assert.Regexp(t, ` \d\d:\d\d new\r`, list())
	assert.Regexp(t, ` \d\d\d\d old\r`, list())
	assert.Contains(t, say(211, "SITE WHO"), time.Now().Add(away).UTC().Format("since 2006-"))
}
