package tests

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
	"wasiftp/wasi"
	"wasiftp/wasi/hosttest/kit"
)

// kitModule is the module that a host runs instead of the engine when the kit checks it.
const kitModule = "../wasi/hosttest/hosttest.wasm"

// TestHostKit checks our hosts. A check is skipped if the host need not pass it; no other
// check may be skipped.
func TestHostKit(t *testing.T) {
	t.Parallel()
	all := host.Config{Hosts: []string{}, Allow: host.Allow{
		SiteCopy: true, SiteSymlink: true, SiteRmdir: true, Combine: true, CCC: true, SSCN: true, CPSV: true,
	}}
	each, follow := all, all
	each.SessionsPerInstance, follow.FollowLinks, follow.Charset = 1, true, "windows-1252"
	const forbidden, unlessAllowed = "when that is not allowed",
		"kind 2|^file_copy|^file_make: .*(link|target)|^net_tls: .*(as the client|client in the handshake|part 2|last thing under TLS)"
	for _, h := range []struct {
		name  string
		start func(*testing.T) kit.Target
		lacks string // a pattern of the checks that may be skipped
	}{
		{"a folder", func(t *testing.T) kit.Target { return kitFolder(t, all, "tcp4") }, forbidden},
		{"IPv6", func(t *testing.T) kit.Target { return kitFolder(t, all, "tcp6") }, forbidden + "|another address than the client's"},
		{"links followed, a character set", func(t *testing.T) kit.Target { return kitFolder(t, follow, "tcp4") }, forbidden},
		{"an instance each", func(t *testing.T) kit.Target { return kitFolder(t, each, "tcp4") },
			forbidden + "|^net_read|^net_write: .*control|another's|^handle_close: a session|order in which|however " +
				"late|hangs up in the middle"},
		{"memory", func(t *testing.T) kit.Target { return kitServer(t, host.Config{}, "tcp4", fsbridge.NewMemory()) },
			unlessAllowed + "|^file_space|link|may not search|32 bits|thousand entries|ENOENT when there is no such host"},
		{"wasiftpd", func(t *testing.T) kit.Target {
			path, err := program()
			require.NoError(t, err)
			return kitProgram(t, path, "serve", "--module", "{module}", "--root", "{root}", "--listen", script.Address()+":0",
				"--user", "u:p:rw", "--user", "ro:p:ro",
				"--cache-dir", filepath.Join(temporary, "program"), "--tls", "self-signed", "--tls-dir", filepath.Join(t.TempDir(), "tls"))
		}, unlessAllowed + "|^session_list|^session_kick|^auth_login: EMFILE|^auth_host: ENOENT|^life: EventOpen"},
	} {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			target, lacks := h.start(t), regexp.MustCompile(h.lacks+asRoot())
			for _, check := range kit.Checks() {
				t.Run(check.Name(), func(t *testing.T) {
					t.Cleanup(func() {
						if t.Skipped() && !lacks.MatchString(check.Name()) && runtime.GOOS == "linux" { // elsewhere there is less to check with
							t.Errorf("%s should have been checked on %s", check.Name(), h.name)
						}
					})
					check.Against(t, &target)
				})
			}
		})
	}
}

// asRoot is the pattern of the checks that root cannot make, as root may do everything.
func asRoot() string {
	if os.Geteuid() == 0 {
		return "|may not search"
	}
	return ""
}

// kitFolder is a server of a folder on disk, with all that the kit can check.
func kitFolder(t *testing.T, config host.Config, family string) kit.Target {
	t.Helper()
	root := t.TempDir()
	files, err := fsbridge.OpenDir(root, fsbridge.DirOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { files.Close() })
	target := kitServer(t, config, family, files)
	target.Root = root
	return target
}

func kitServer(t *testing.T, config host.Config, family string, files fs.FS) kit.Target {
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
	address := network.IPv4
	if family == "tcp6" {
		if address = network.IPv6; !address.IsValid() {
			t.Skip("this system has no IPv6")
		}
	}
	return kit.Target{
		Address: address.String(), Implicit: implicitPort(t, server).String(),
		Stop: func() error { go server.Shutdown(t.Context()); return nil },
		User: "u", Password: "p", Reader: "ro", ReaderPassword: "p", Admin: "admin", AdminPassword: "p", Single: "one",
		SinglePassword: "p",
	}
}

// The kit's module has the imports and exports of the engine.
func TestHostKitModule(t *testing.T) {
	t.Parallel()
	module, err := os.ReadFile(kitModule)
	require.NoError(t, err)
	ours := func(module []byte) []string {
		return slices.DeleteFunc(surfaceOf(module).imports,
			func(line string) bool { return !strings.HasPrefix(line, "import "+wasi.Namespace+".") })
	}
	assert.Equal(t, ours(host.Module()), ours(module), "the module is an old one: make generate wasm")
	assert.Equal(t, surfaceOf(host.Module()).exports, surfaceOf(module).exports)
}

// kitProgram runs a host as a program until the test ends. In its arguments {module}
// stands for the kit's module, and {root} for an empty folder. The host has the accounts
// u and ro, and prints a line with the URL at which it listens.
func kitProgram(t *testing.T, args ...string) kit.Target {
	t.Helper()
	root := t.TempDir()
	fill := strings.NewReplacer("{module}", kitModule, "{root}", root)
	for i := range args {
		args[i] = fill.Replace(args[i])
	}
	command := exec.Command(args[0], args[1:]...)
	lines := launch(t, command)
	for lines.Scan() {
		u, err := url.Parse(strings.Fields(lines.Text() + " -")[0])
		if err == nil && u.Scheme == "ftp" {
			return kit.Target{
				Address: u.Host, User: "u", Password: "p", Reader: "ro", ReaderPassword: "p", Root: root,
				Stop: func() error { return command.Process.Signal(syscall.SIGTERM) },
			}
		}
	}
	t.Fatal("the program says no address")
	return kit.Target{}
}

// The exit code of the kit's command tells the result.
func TestHostKitCommand(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "hosttest.exe")
	build := exec.Command("go", "build", "-o", path, "wasiftp/wasi/hosttest")
	build.Stderr = os.Stderr
	require.NoError(t, build.Run())
	wasiftpd, err := program()
	require.NoError(t, err)
	serving := []string{wasiftpd, "serve", "--root", "{root}", "--listen", "127.0.0.1:0", "--cache-dir",
		filepath.Join(temporary, "program"), "--user", "u:p:rw"}
	ours := append(slices.Clone(serving), "--module", "{module}")
	free := net.JoinHostPort("127.0.0.1", decimal(script.FreePorts(t, 1)))
	chosen := append(slices.Clone(ours), "--listen", free)
	running := kitServer(t, host.Config{}, "tcp4", fsbridge.NewMemory())
	for _, c := range []struct {
		args []string
		code int
		says string // a pattern
	}{
		{append([]string{"--run", "net_address", "--"}, ours...), 0, `(?m)^net_address +4 ok$`},
		{append([]string{"--run", "net_address", "--address", free, "--"}, chosen...), 0, `(?m)^net_address +4 ok$`},
		{append([]string{"--run", "link", "-v", "--"}, ours...), 0, `ok     file_stat: nothing outside the root`},
		{[]string{"--run", "^net_listen:", "--address", running.Address}, 0, `(?m)^net_listen +\d+ ok$`},
		{append([]string{"--user", "u:wrong", "--run", "^net_listen:", "--"}, ours...), 1,
			`(?s)FAILED [^\n]*\n +auth_login of u: EACCES, not OK\n.*, 0 hold, |promises checked: \d+ hold, [1-9]`},
		{append([]string{"--"}, serving...), 2, `"220 .*is not the greeting`},
		{[]string{"--", filepath.Join(t.TempDir(), "none")}, 2, `none`},
		{[]string{"--", wasiftpd, "serve", "--root", "{root}/none"}, 2,
			`(?s)the host ended without a line.*The last of what the host said`},
		{[]string{"--address", "127.0.0.1:1"}, 2, `no control connection`},
		{[]string{"--", "sh", "-c", "echo ftp://127.0.0.1:1/; echo out of memory >&2; exit 3"}, 2,
			`(?s)no control connection.*exit status 3.*out of memory`},
		{[]string{"--run", "no such check", "--address", running.Address}, 2, `no check is called`},
		{nil, 2, `say which host`},
		{[]string{"--user", "u"}, 2, `USER:PASSWORD`},
		{[]string{"--help"}, 0, `{module}`},
	} {
		said, err := exec.Command(path, c.args...).CombinedOutput()
		code := 0
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			code = exit.ExitCode()
		}
		assert.Equal(t, c.code, code, "%q says\n%s", c.args, said)
		assert.Regexp(t, c.says, string(said), "%q", c.args)
	}
	file := filepath.Join(t.TempDir(), "module")
	require.NoError(t, exec.Command(path, "--module", file).Run())
	written, err := os.ReadFile(file)
	require.NoError(t, err)
	module, err := os.ReadFile(kitModule)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(module, written), "--module writes another module")
}
