package tests

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
)

// Each virtual host has files of its own, an unknown one is refused, and REIN forgets the
// host.
func TestVirtualHosts(t *testing.T) {
	t.Parallel()
	files := map[string]*fsbridge.Memory{"": fsbridge.NewMemory(), "a.example.org": fsbridge.NewMemory(),
		"b.example.org": fsbridge.NewMemory()}
	for name, f := range files {
		require.NoError(t, putFile(f, "name", []byte(name), past))
	}
	_, network := serve(t, host.Config{
		Hosts: []string{"A.example.org", "b.example.org"},
		Authenticator: host.AuthenticatorFunc(func(ctx context.Context, login host.Login) (*host.Account, error) {
			return accounts(files[login.Host])(ctx, login)
		}),
	})
	c := connect(t, network)
	for _, step := range []struct {
		name string
		code int
		at   string
	}{
		{"a.example.org", 220, "a.example.org"}, {"B.EXAMPLE.ORG.", 220, "b.example.org"}, {"c.example.org", 504, ""}, {"", 501, ""},
	} {
		require.Equal(t, step.code, c.do("HOST "+step.name))
		require.Equal(t, 331, c.do("USER u"))
		require.Equal(t, 230, c.do("PASS p"))
		got, code := c.get("RETR name")
		assert.Equal(t, 226, code)
		assert.Equal(t, step.at, string(got))
		require.Equal(t, 220, c.do("REIN"))
	}
}
