package tests

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
)

// The settings of host.Behaviour and the zone of listings reach the engine.
func TestBehaviour(t *testing.T) {
	t.Parallel()
	files := fsbridge.NewMemory()
	require.NoError(t, putFile(files, ".dots", []byte("a\nb\n"), past))
	_, network := serve(t, host.Config{Authenticator: accounts(files), Behaviour: host.Behaviour{
		ASCIIVerbatim: true, NoASCIISize: true, MkdirExisting: true, MakeParents: true, EmptyNLSTFails: true, HideDotFiles: true,
		Owner: "somebody", Group: "all", NoASCIIRest: true, NoModeZ: true, NoHash: true,
	}, ListZone: time.FixedZone("", 26*3600)})
	c := login(t, network, "u")
	_, code := c.get("NLST")
	assert.Equal(t, 550, code)
	assert.Equal(t, 200, c.do("TYPE A"))
	assert.Equal(t, 550, c.do("SIZE .dots"))
	assert.Equal(t, 504, c.do("REST 1"))
	assert.Equal(t, 504, c.do("MODE Z"))
	assert.Equal(t, 502, c.do("HASH .dots"))
	content, _ := c.get("RETR .dots")
	assert.Equal(t, "a\nb\n", string(content))
	assert.Equal(t, 226, c.store("STOR a/b/c", "x"))
	assert.Equal(t, 257, c.do("MKD a/b"))
	content, _ = c.get("LIST a/b")
	assert.Regexp(t, `^-rw-r--r-- +1 somebody all +1 `, string(content))
	content, _ = c.get("LIST .dots")
	assert.Contains(t, string(content), " Feb  4  2001 .dots", "not the next day's, as in the zone")
	content, _ = c.get("MLSD")
	assert.Contains(t, string(content), "modify=20010203040506;")

	_, err := host.New(host.Config{Behaviour: host.Behaviour{Owner: "two words"}})
	assert.ErrorContains(t, err, "Behaviour")
}

// An account can have its own style of LIST. It is that of the login, and of SetAccount.
func TestStyleOfAccount(t *testing.T) {
	t.Parallel()
	files := fsbridge.NewMemory()
	require.NoError(t, putFile(files, "f", []byte("x"), past))
	account := func(_ context.Context, l host.Login) (*host.Account, error) {
		a := &host.Account{FS: files, Rights: host.ReadOnly}
		switch l.User {
		case "own":
			a.ListOwner, a.ListGroup, a.ListZone = "eve", "cams", time.UTC
		case "zone":
			a.ListZone = time.FixedZone("", -26*3600)
		case "bad":
			a.ListOwner = "two words"
		}
		return a, nil
	}
	server, network := serve(t, host.Config{
		Authenticator: host.AuthenticatorFunc(account), Behaviour: host.Behaviour{Owner: "somebody", Group: "all"},
		ListZone: time.FixedZone("", 26*3600),
	})
	c := connect(t, network)
	for _, test := range []struct{ user, line string }{
		{"own", "eve      cams .* Feb  3  2001 f"}, {"zone", "somebody all .* Feb  2  2001 f"},
		{"other", "somebody all .* Feb  4  2001 f"}, {"own", "eve      cams .* Feb  3  2001 f"},
	} {
		require.Equal(t, 331, c.do("USER "+test.user))
		require.Equal(t, 230, c.do("PASS x"))
		for range 2 {
			content, _ := c.get("LIST")
			assert.Regexp(t, test.line, string(content), test.user)
		}
		content, _ := c.get("MLSD")
		assert.Contains(t, string(content), "modify=20010203040506;")
	}
	next := &host.Account{Name: "own", FS: files, Rights: host.ReadOnly, ListOwner: "new"}
	require.NoError(t, server.Sessions()[0].SetAccount(next))
	content, _ := c.get("LIST")
	assert.Regexp(t, "new      all .* Feb  4  2001 f", string(content))
	require.Equal(t, 331, c.do("USER bad"))
	assert.Equal(t, 530, c.do("PASS x"))
}

// A link is listed as itself or, with FollowLinks, as its target.
func TestBehaviourOfLinks(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "file"), []byte("content"), 0o644))
	if err := os.Symlink("file", filepath.Join(root, "link")); err != nil {
		t.Skip("no links here: ", err)
	}
	require.NoError(t, os.Symlink("../outside", filepath.Join(root, "out")))
	require.NoError(t, os.Mkdir(filepath.Join(root, "sub"), 0o755))
	require.NoError(t, os.Symlink("..", filepath.Join(root, "sub/circle")))
	dir, err := fsbridge.OpenDir(root, fsbridge.DirOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { dir.Close() })
	for _, follow := range []bool{false, true} {
		_, network := serve(t, host.Config{Authenticator: accounts(dir), FollowLinks: follow})
		c := login(t, network, "u")
		content, _ := c.get("LIST")
		assert.Regexp(t, `(?m)^l.* out -> ../outside\r$`, string(content))
		if follow {
			assert.Regexp(t, `(?m)^-.* 7 .* link\r$`, string(content))
		} else {
			assert.Regexp(t, `(?m)^l.* link -> file\r$`, string(content))
		}
		content, _ = c.get("LIST -R")
		assert.Contains(t, string(content), "./sub:\r\n")
		assert.NotContains(t, string(content), "circle:", "LIST -R follows no links")
	}
}
