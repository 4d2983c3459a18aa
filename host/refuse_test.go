package host

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/host/internal/conn"
	"wasiftp/wasi"
)

// speaker is a session with a client.
func speaker(t *testing.T) (*session, net.Conn) {
	t.Helper()
	here, there := net.Pipe()
	t.Cleanup(func() { there.Close() })
	sh := newStill(t, Config{})
	p := sh.seat()
	s := &session{shard: sh, server: sh.server, config: sh.server.current(), seat: p, handle: 7}
	s.stream = conn.New(here, nil, &link{shard: sh, seat: p})
	t.Cleanup(func() { s.stream.Close(0, 0) })
	return s, there
}

// A verdict takes the place of the next reply, if that has the code of the refusal; else the
// engine's reply is sent, and later ones too.
func TestVerdictReplacesOneReply(t *testing.T) {
	t.Parallel()
	const denied, busy = "550 Permission denied.\r\n", "450 File is busy.\r\n"
	for said, want := range map[string]string{
		denied: "553 Mine.\r\n", denied + denied: "553 Mine.\r\n" + denied, busy: busy, busy + denied: busy + denied,
		"200 OK.\r\n": "200 OK.\r\n", "550-a\r\n": "550-a\r\n", "55": "55", "": "",
	} {
		s, client := speaker(t)
		s.verdict = Refuse(553, "Mine.").(*refusal).verdict()
		n, errno := s.say([]byte(said))
		assert.Equal(t, len(said), n, said)
		assert.Equal(t, wasi.OK, errno, said)
		s.say([]byte("end"))
		s.speak()
		got := make([]byte, len(want)+3)
		_, err := io.ReadFull(client, got)
		require.NoError(t, err)
		assert.Equal(t, want+"end", string(got), said)
		assert.Nil(t, s.verdict)
	}
}

// A verdict for which the client has no room is sent in pieces, and the engine says its reply
// again until all of it is.
func TestVerdictWithoutRoom(t *testing.T) {
	t.Parallel()
	const denied = "550 Permission denied.\r\n"
	s, client := speaker(t)
	filler := strings.Repeat("x", conn.MaxUnsent-5)
	_, errno := s.stream.Write([]byte(filler))
	require.Equal(t, wasi.OK, errno)
	s.verdict = Refuse(553, "Mine.").(*refusal).verdict()
	n, errno := s.say([]byte(denied))
	require.Zero(t, n)
	require.Equal(t, wasi.EAGAIN, errno)
	got := make([]byte, len(filler)+len("553 Mine.\r\n"))
	done := make(chan error)
	go func() { _, err := io.ReadFull(client, got); done <- err }()
	for errno == wasi.EAGAIN {
		s.shard.turn()
		n, errno = s.say([]byte(denied))
	}
	assert.Equal(t, len(denied), n)
	require.NoError(t, <-done)
	assert.Equal(t, filler+"553 Mine.\r\n", string(got))
}

// strangeError has methods that panic.
type strangeError struct{}

func (strangeError) Error() string { return "strange" }
func (strangeError) As(any) bool   { panic("As") }

func TestRefusalsAndErrnos(t *testing.T) {
	t.Parallel()
	for code := 400; code < 600; code++ {
		r := Refuse(code, "x").(*refusal)
		assert.Contains(t, engineCodes, r.errno())
		assert.Equal(t, byte('0'+code/100), engineCodes[r.errno()][0], "%d: of the same severity", code)
	}
	assert.Equal(t, wasi.EIO, failed(strangeError{}).errno)
	assert.Nil(t, failed(strangeError{}).refused)
	assert.Equal(t, answer{}, failed(nil))
	assert.Equal(t, "é", replyText(strings.Repeat("é", 300), "")[:2])
	assert.Len(t, replyText("x"+strings.Repeat("é", 300), ""), 399)
}
