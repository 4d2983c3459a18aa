package tests

import (
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/wasi"
	"wasiftp/wasi/hosttest/kit"
)

// kitModule is what a host runs in the place of the engine when it is checked.
const kitModule = "../wasi/hosttest/hosttest.wasm"

// TestHostKit checks every host that is ours. What one of them need not offer is
// a skipped test; nothing else may be.
func TestHostKit(t *testing.T) {
	t.Parallel()
	for _, h := range []struct {
		name  string
		start func(*testing.T) kit.Target
		lacks string // a pattern of what it need not offer, or cannot be checked on it
	}{
		{"a folder", func(t *testing.T) kit.Target { return kitFolder(t, host.Config{Hosts: []string{}}) }, "^$"},
		{"memory", func(t *testing.T) kit.Target { return kitServer(t, host.Config{}, fsbridge.NewMemory()) },
			"^file_space|link|32 bits|thousand entries|ENOENT when there is no such host"},
		{"an instance each", func(t *testing.T) kit.Target {
			return kitFolder(t, host.Config{SessionsPerInstance: 1, Hosts: []string{}})
		}, "^net_read|^net_write: .*control|another's|^handle_close: a session|order in which|however late"},
		{"links followed", func(t *testing.T) kit.Target { return kitFolder(t, host.Config{FollowLinks: true, Hosts: []string{}}) }, "^$"},
	} {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			target, lacks := h.start(t), regexp.MustCompile(h.lacks)
			for _, check := range kit.Checks() {
				t.Run(check.Name(), func(t *testing.T) {
					t.Cleanup(func() {
						if t.Skipped() && !lacks.MatchString(check.Name()) {
							t.Errorf("%s should have been checked on %s", check.Name(), h.name)
						}
					})
					check.Against(t, &target)
				})
			}
		})
	}
}

// kitFolder is a server of a folder on disk, with all that the kit can check.
func kitFolder(t *testing.T, config host.Config) kit.Target {
	t.Helper()
	root := t.TempDir()
	files, err := fsbridge.OpenDir(root, fsbridge.DirOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { files.Close() })
	target := kitServer(t, config, files)
	target.Root = root
	return target
}

func kitServer(t *testing.T, config host.Config, files host.FS) kit.Target {
	t.Helper()
	module, err := os.ReadFile(kitModule)
	require.NoError(t, err)
	config.Module, config.TLS.Config = module, serverTLS()
	config.Authenticator = host.AuthenticatorFunc(func(ctx context.Context, login host.Login) (*host.Account, error) {
		if login.User == "one" && login.Password.Reveal() == "p" {
			return &host.Account{FS: files, Rights: host.ReadWrite, MaxSessions: 1}, nil
		}
		return accounts(files)(ctx, login)
	})
	server, network := serve(t, config)
	return kit.Target{
		Address: network.IPv4.String(), Implicit: implicitPort(t, server).String(),
		Stop: func() error { go server.Shutdown(t.Context()); return nil },
		User: "u", Password: "p", Reader: "ro", ReaderPassword: "p", Single: "one", SinglePassword: "p",
	}
}

// The kit's module has the imports of the table, as they are there.
func TestHostKitModule(t *testing.T) {
	t.Parallel()
	module, err := os.ReadFile(kitModule)
	require.NoError(t, err)
	ours := func(module []byte) []string {
		return slices.DeleteFunc(surfaceOf(module).imports, func(line string) bool { return !strings.HasPrefix(line, "import "+wasi.Namespace+".") })
	}
	assert.Equal(t, ours(host.Module()), ours(module), "the module is an old one: make generate wasm")
	assert.Equal(t, surfaceOf(host.Module()).exports, surfaceOf(module).exports)
}
