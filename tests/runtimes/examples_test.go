package runtimes

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/tests/script"
	"wasiftp/wasi"
	"wasiftp/wasi/hosttest/kit"
)

// The hosts in other languages, as commands.
var (
	nodeHost   = []string{"node", "../../host/examples/node/main.js"}
	pythonHost = []string{"../../bin/python/bin/python", "../../host/examples/python/main.py"}
)

func noNode() string {
	out, err := exec.Command(nodeHost[0], "--version").Output()
	if err != nil {
		return "there is no node"
	}
	var major int
	if _, err := fmt.Sscanf(string(out), "v%d.", &major); err != nil || major < 20 {
		return fmt.Sprintf("Node.js is %s; it takes 20", strings.TrimSpace(string(out)))
	}
	return ""
}

func noPython() string {
	if err := exec.Command(pythonHost[0], "-c", "import wasmtime").Run(); err != nil {
		return "python3 -m venv bin/python && bin/python/bin/pip install -r host/examples/python/requirements.txt"
	}
	return ""
}

func startNode(t testing.TB, root string) script.Network {
	t.Helper()
	return startFlagged(t, root, nodeHost[0], nodeHost[1:]...)
}

func startPython(t testing.TB, root string) script.Network {
	t.Helper()
	return startFlagged(t, root, pythonHost[0], pythonHost[1:]...)
}

// eachExample runs a test with every host in another language.
func eachExample(t *testing.T, test func(t *testing.T, to target, command []string)) {
	commands := map[string][]string{"Node.js": nodeHost, "Python": pythonHost, "the host in C": {hostInC, "--module",
		"../../host/wasiftp.wasm"}}
	for _, to := range targets {
		if command, is := commands[to.runtime]; is {
			t.Run(to.runtime, func(t *testing.T) {
				t.Parallel()
				to.here(t)
				test(t, to, command)
			})
		}
	}
}

func TestExamplesRefuseBadFlags(t *testing.T) {
	t.Parallel()
	eachExample(t, func(t *testing.T, to target, command []string) {
		for _, flags := range [][]string{
			{"--no-such-flag"}, {"--listen", "here"}, {"--listen", "127.0.0.1:70000"}, {"--listen", "192.0.2.1:0"}, {"--root",
				"no-such-folder"},
			{"--module", "no-such-module"}, {"--module", "examples_test.go"}, {"--user", "u"}, {"--anonymous", "yes"},
			{"--passive-ports", "2-1"}, {"--passive-ports", "0-0"}, {"--passive-ports", "1-2x"}, {"--passive-ports", ""},
			{"--listen", "127.0.0.1:12x"}, {"--anonymous", ""}, {"--user", "u:hunter2:wo"}, {"--user", "u:hunter:2"}, {"--user", "u:"},
			{"--user", ":hunter2"}, {"--user", "u:hunter2", "--user", "u:hunter3:rw"}, {"no-such-argument"}, {"--users", "u:hunter2:rw"},
		} {
			refused := exec.CommandContext(patience(t), command[0], append(command[1:len(command):len(command)], flags...)...)
			var log, said strings.Builder
			refused.Stderr, refused.Stdout = &log, &said
			var exit *exec.ExitError
			if errors.As(refused.Run(), &exit) {
				assert.Equal(t, 2, exit.ExitCode(), "%q: %s", flags, &log)
			} else {
				t.Errorf("%q are taken", flags)
			}
			assert.Empty(t, said.String(), "%q", flags)
			assert.NotContains(t, log.String(), "Traceback", "%q", flags)
			assert.NotContains(t, log.String(), "    at ", "%q", flags)
			assert.NotContains(t, log.String(), "hunter", "%q: others may read the log", flags)
		}
		help, err := exec.CommandContext(patience(t), command[0], append(command[1:len(command):len(command)], "--help")...).Output()
		require.NoError(t, err)
		assert.Contains(t, string(help), "--passive-ports")
	})
}

// login begins a session of an account, for what no well-behaved client does.
func login(t *testing.T, world script.Network, user string) *textproto.Conn {
	t.Helper()
	c, err := loginFrom(t, "127.0.0.1", world, user)
	require.NoError(t, err)
	return c
}

// loginFrom is login from one of this machine's own addresses. Its error means that the
// server refuses the session.
func loginFrom(t *testing.T, from string, world script.Network, user string) (*textproto.Conn, error) {
	t.Helper()
	c := textproto.NewConn(dialFrom(t, from, world.IPv4))
	if _, _, err := c.ReadResponse(220); err != nil {
		return nil, err
	}
	say(t, c, 331, "USER "+user)
	say(t, c, 230, "PASS p")
	return c, nil
}

func say(t *testing.T, c *textproto.Conn, code int, line string) (reply string) {
	t.Helper()
	require.NoError(t, c.PrintfLine("%s", line))
	_, reply, err := c.ReadResponse(code)
	require.NoError(t, err, line)
	return reply
}

// port opens a passive port.
func port(t *testing.T, c *textproto.Conn, world script.Network) netip.AddrPort {
	t.Helper()
	var port uint16
	reply := say(t, c, 229, "EPSV")
	_, err := fmt.Sscanf(reply, "Entering Extended Passive Mode (|||%d|)", &port)
	require.NoError(t, err, reply)
	return netip.AddrPortFrom(world.IPv4.Addr(), port)
}

// dialFrom connects from one of this machine's own addresses.
func dialFrom(t *testing.T, from string, to netip.AddrPort) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", to.String())
	require.NoError(t, err)
	require.NoError(t, c.SetDeadline(time.Now().Add(script.Patience)))
	t.Cleanup(func() { c.Close() })
	return c
}

// A session gets no port while all of the range are taken, and gets one that another
// session gives back.
func TestExamplesPassivePortsOfARange(t *testing.T) {
	t.Parallel()
	eachExample(t, func(t *testing.T, to target, command []string) {
		const size = 3
		first := script.FreePorts(t, size)
		flag := fmt.Sprintf("--passive-ports=%d-%d", first, first+size-1)
		world := startFlagged(t, t.TempDir(), command[0], append(command[1:len(command):len(command)], flag)...)
		var sessions []*textproto.Conn
		for range size {
			c := login(t, world, "u")
			sessions = append(sessions, c)
			at := int(port(t, c, world).Port())
			assert.True(t, first <= at && at < first+size, "port %d", at)
		}
		late := login(t, world, "u")
		say(t, late, 425, "EPSV")
		say(t, sessions[0], 226, "ABOR")
		port(t, late, world)
	})
}

// The host refuses what the account may not do, whatever the engine asks for.
func TestExamplesKeepRights(t *testing.T) {
	t.Parallel()
	eachExample(t, func(t *testing.T, to target, _ []string) {
		world := to.serve(t, t.TempDir())
		require.NoError(t, world.WriteFile("file", []byte("as it was"), time.Now()))
		require.NoError(t, world.Mkdir("dir"))
		c := login(t, world.Network, "ro")
		for _, line := range []string{"STOR file", "STOR new", "APPE file", "STOU", "DELE file", "RMD dir", "MKD new",
			"MFMT 20200101000000 file", "SITE CHMOD 700 file", "RNTO new"} {
			port(t, c, world.Network)
			if line == "RNTO new" {
				say(t, c, 350, "RNFR file")
			}
			say(t, c, 5, line)
		}
		entries, err := os.ReadDir(world.Root)
		require.NoError(t, err)
		assert.Len(t, entries, 2)
		same(t, []byte("as it was"), filepath.Join(world.Root, "file"))
	})
}

// If two connections come to a passive port, one may be a thief's: the transfer uses
// neither.
func TestExamplesTrustNoSecondDataConnection(t *testing.T) {
	t.Parallel()
	eachExample(t, func(t *testing.T, to target, _ []string) {
		world := to.serve(t, t.TempDir())
		require.NoError(t, world.WriteFile("file", []byte("secret"), time.Now()))
		c := login(t, world.Network, "u")

		if runtime.GOOS == "linux" { // all of 127/8 is ours
			at := port(t, c, world.Network)
			stranger := dialFrom(t, "127.0.0.2", at)
			read(t, stranger, "")
			rightful := dialFrom(t, "127.0.0.1", at)
			say(t, c, 150, "RETR file")
			read(t, rightful, "secret")
			_, _, err := c.ReadResponse(226)
			require.NoError(t, err)
		}

		at := port(t, c, world.Network)
		thief, rightful := dialFrom(t, "127.0.0.1", at), dialFrom(t, "127.0.0.1", at)
		require.Eventually(t, func() bool { // the port closes once two have come
			third, err := net.Dial("tcp", at.String())
			if err == nil {
				third.Close()
			}
			return err != nil
		}, script.Patience, time.Millisecond)
		say(t, c, 150, "RETR file")
		_, _, err := c.ReadResponse(425)
		require.NoError(t, err)
		read(t, thief, "")
		read(t, rightful, "")
	})
}

// read checks that a connection has this content and then ends.
func read(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got, err := io.ReadAll(c)
	assert.Equal(t, want, string(got))
	if err != nil {
		assert.True(t, script.IsReset(err), "%v", err)
	}
}

// A link that is swapped with a folder all the time never leads out of the root.
func TestExamplesFollowNoSwappedLink(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere Node.js cannot open a file below an open folder, as its host says")
	}
	eachExample(t, func(t *testing.T, to target, _ []string) {
		world := to.serve(t, t.TempDir())
		outside := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(outside, "file"), []byte("secret"), 0o644))
		require.NoError(t, world.WriteFile("folder/file", []byte("inside"), time.Now()))
		in := func(name string) string { return filepath.Join(world.Root, name) }
		require.NoError(t, os.Symlink(outside, in("link")))
		done := make(chan struct{})
		swaps := sync.WaitGroup{}
		defer swaps.Wait()
		defer close(done)
		swaps.Go(func() {
			for {
				for _, name := range []string{"folder", "link"} {
					select {
					case <-done:
						return
					default:
					}
					os.Rename(in(name), in("swapped"))
					os.Rename(in("swapped"), in(name))
				}
			}
		})
		c := login(t, world.Network, "u")
		results := map[string]int{}
		for began := time.Now(); time.Since(began) < 2*time.Second; {
			at := port(t, c, world.Network)
			data := dialFrom(t, "127.0.0.1", at)
			require.NoError(t, c.PrintfLine("RETR swapped/file"))
			code, _, err := c.ReadResponse(0)
			require.NoError(t, err)
			if code != 150 {
				results[fmt.Sprint(code)]++
				continue
			}
			content, err := io.ReadAll(data)
			require.NoError(t, err)
			results[string(content)]++
			_, _, err = c.ReadResponse(226)
			require.NoError(t, err)
		}
		t.Log(results)
		assert.NotContains(t, results, "secret")
		assert.Contains(t, results, "inside", "the race was none")
		assert.Contains(t, results, "550", "the race was none")
	})
}

// These hosts keep the promises of the boundary, too. They offer no TLS and nothing that
// is off by default, have no virtual hosts, and do not limit the sessions of an account.
func TestExamplesHostKit(t *testing.T) {
	t.Parallel()
	const none = "^net_tls|under TLS|promises ShortReads|^auth_login: EMFILE|^auth_host|^life: EventOpen|" +
		"^session_(umask|names|list|kick)|^file_copy|^file_make: .*(link|target)|^file_remove: kind 2"
	eachExample(t, func(t *testing.T, to target, command []string) {
		root := t.TempDir()
		network := startFlagged(t, root, command[0], append(command[1:len(command):len(command)], "--module",
			"../../wasi/hosttest/hosttest.wasm")...)
		host := processOf(t)
		lacks := none
		if slices.Contains(to.lacks, "hash") {
			lacks += "|^net_deflate|^transfer_hash"
		}
		if os.Geteuid() == 0 {
			lacks += "|may not search"
		}
		notOffered := regexp.MustCompile(lacks)
		target := kit.Target{
			Address: network.IPv4.String(), User: "u", Password: "p", Reader: "ro", ReaderPassword: "p", Root: root,
			Stop: func() error { return host.Signal(os.Interrupt) },
		}
		for _, check := range kit.Checks() {
			t.Run(check.Name(), func(t *testing.T) {
				t.Cleanup(func() {
					if t.Skipped() && !notOffered.MatchString(check.Name()) {
						t.Errorf("%s should have been checked", check.Name())
					}
				})
				check.Against(t, &target)
			})
		}
	})
}

// Their tables of imports are copies of wasi.Table. They may lack new rows, whose imports
// they answer with ENOSYS.
func TestExamplesHaveTheTable(t *testing.T) {
	t.Parallel()
	kinds := map[wasi.Kind]string{
		wasi.Uint32: "u32", wasi.Int64: "i64", wasi.In: "in", wasi.Out: "out", wasi.RetUint32: "ret32", wasi.RetUint64: "ret64",
		wasi.InAddr: "addr", wasi.RetAddr: "retaddr", wasi.RetStat: "stat",
	}
	// An import that takes several kinds of handle checks the kind itself.
	handles := map[string]string{"session": "SESSION", "listener": "LISTENER", "conn": "DATA|ANY", "file": "FILE",
		"dir": "DIR", "handle": "ANY"}
	row := regexp.MustCompile(`(\w+)(?:: '|=")((?:[A-Z]+|in|out|u32|i64|ret32|ret64|addr|retaddr|stat)(?: \w+)*)['"]`)
	for _, path := range []string{"../../host/examples/js/abi.js", "../../host/examples/python/abi.py"} {
		source, err := os.ReadFile(path)
		require.NoError(t, err)
		rows := map[string]string{}
		for _, found := range row.FindAllStringSubmatch(string(source), -1) {
			rows[found[1]] = found[2]
		}
		for n, i := range wasi.Table {
			if rows[i.Name] == "" {
				assert.True(t, kit.Optional(n), "%s has no %s", path, i.Name)
				continue
			}
			var want []string
			for _, p := range i.Params {
				kind := kinds[p.Kind]
				if p.Kind == wasi.Handle {
					kind = "(" + handles[p.Name] + ")"
				}
				want = append(want, kind)
			}
			assert.Regexp(t, "^"+strings.Join(want, " ")+"$", rows[i.Name], "%s of %s", i.Name, path)
		}
	}
}
