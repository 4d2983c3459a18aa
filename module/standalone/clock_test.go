package standalone

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestClockSetLater: if the clock is set after the start, LIST shows the time of day or the
// year by the new time.
func TestClockSetLater(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	const away = 10 * 365 * 24 * time.Hour
	for name, at := range map[string]time.Time{"new": time.Now().Add(away - time.Hour), "old": time.Now().Add(-time.Hour)} {
		s.put(name, "")
		require.NoError(t, os.Chtimes(filepath.Join(s.root, name), at, at))
	}
	c := s.login("u")
	list := func() string {
		at, reply := s.passive(c)
		require.True(t, at.IsValid(), reply)
		data := s.connect(at, clientAddress)
		require.Contains(t, s.say(c, "LIST"), "226 ")
		return data.toClient.String()
	}
	assert.Regexp(t, `(?s) \d\d\d\d new\r.* \d\d:\d\d old\r`, list())
	s.wall = func() time.Time { return time.Now().Add(away) }
	assert.Regexp(t, `(?s) \d\d:\d\d new\r.* \d\d\d\d old\r`, list())
	s.wall = time.Now
	assert.Regexp(t, `(?s) \d\d\d\d new\r.* \d\d:\d\d old\r`, list())
}

func TestEnter(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.put("file", "")
	require.NoError(t, os.Mkdir(filepath.Join(s.root, "dir"), 0o755))
	c := s.login("u")
	assert.Contains(t, s.say(c, "CWD file"), "550 Not a directory.")
	assert.Contains(t, s.say(c, "CWD none"), "550 No such file")
	assert.Contains(t, s.say(c, "CWD dir"), "250 ")
	assert.Contains(t, s.say(c, "CDUP"), "250 ")
}
