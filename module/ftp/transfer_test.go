package ftp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/module/ftp"
	"wasiftp/module/ftp/ftptest"
)

// newWorld is a world with a few files, whose engine must do nothing it
// should not.
func newWorld(t testing.TB, config ftp.Config) *ftptest.World {
	w := ftptest.NewWorld(config)
	w.Put("hello.txt", "hello\n")
	w.Put("sub/in.txt", "in\n")
	t.Cleanup(func() { assert.Empty(t, w.Broken) })
	return w
}

// login is a session of account "u" in a new world.
func login(t testing.TB) (*ftptest.World, *ftptest.Client) {
	w := newWorld(t, ftp.Config{})
	return w, w.LoginAs("u", "p")
}

func TestTransfers(t *testing.T) {
	t.Parallel()
	w, c := login(t)
	content, codes := c.Get("RETR hello.txt")
	assert.Equal(t, "hello\r\n", content)
	assert.Equal(t, "150 226", codes)
	assert.Equal(t, "200", c.Code("TYPE I"))
	content, codes = c.Get("RETR sub/in.txt")
	assert.Equal(t, "in\n", content)
	assert.Equal(t, "150 226", codes)
	assert.Equal(t, "150 226", c.Upload("STOR new", "new\n"))
	stored, ok := w.Content("new")
	require.True(t, ok)
	assert.Equal(t, "new\n", stored)
	content, codes = c.Get("LIST")
	assert.Equal(t, ""+
		"-rw-r--r--    1 ftp      ftp             6 Jun  1 12:00 hello.txt\r\n"+
		"-rw-r--r--    1 ftp      ftp             4 Jun  1 12:00 new\r\n"+
		"drwxr-xr-x    1 ftp      ftp             0 Jun  1 12:00 sub\r\n", content)
	assert.Equal(t, "150 226", codes)
}
