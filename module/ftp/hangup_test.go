package ftp_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"wasiftp/module/ftp"
)

// TestHangUpInUpload: the end of the control connection is an abort, but for a
// client that has said QUIT (RFC 959 §4.1.1).
func TestHangUpInUpload(t *testing.T) {
	eachDTP(t, func(t *testing.T, newWorld worldMaker) {
		for lines, committed := range map[string]bool{
			"": false, "NOOP\r\n": false, "PWD\r\n": false, "PWD\r\nQUI": false,
			"QUIT\r\n": true, "PWD\r\nquit\r\nNOOP\r\n": true,
		} {
			for _, dataFirst := range []bool{false, true} {
				w, c := newWorld.login(t)
				d := w.DialData(c.Passive("EPSV"))
				assert.Equal(t, "150", c.Code("STOR new"))
				d.Write("content")
				w.Run()
				c.Send(lines)
				if dataFirst {
					d.Close()
				}
				c.Hang()
				if !dataFirst {
					w.Run()
					d.Close()
				}
				w.Run()
				content, ok := w.Content("new")
				assert.Equal(t, committed, ok, "%q, %v", lines, dataFirst)
				assert.Equal(t, committed, content == "content", "%q, %v", lines, dataFirst)
				assert.True(t, c.Closed())
			}
		}
	})
}

// TestVanishedClient: EventHangup ends a session that has unread commands, at once if it
// waits, else after the commands.
func TestVanishedClient(t *testing.T) {
	t.Parallel()
	unread := strings.Repeat("NOOP\r\n", 2000)
	w, c := login(t)
	c.Passive("EPSV")
	c.Send("STOR new\r\n" + unread)
	w.Run()
	assert.False(t, c.Closed())
	c.Vanish()
	w.Run()
	assert.True(t, c.Closed(), "it waits for a data connection that nobody will open")

	w = newWorld(t, ftp.Config{LineLength: 512})
	c = w.LoginAs("u", "p")
	c.Send(strings.Repeat("NOOP\r\n", 20) + "QUIT\r\n")
	c.Vanish()
	w.Run()
	assert.True(t, c.Closed(), "what was sent before is obeyed, and then it ends")
	assert.Equal(t, strings.Repeat("200 ", 20)+"221", c.Codes())
}
