// Package runtimes runs the engine's link targets under the runtimes that they are
// made for, each as a process of its own, and holds the conversations of ../testdata
// with them. It is apart because it is slow.
package runtimes

import (
	"fmt"
	"net/netip"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"wasiftp/tests/script"
)

// target is an engine under a runtime.
type target struct {
	name    string // of the link target
	runtime string
	lacks   []string // needs of scripts that it does not meet
	tls     bool

	// missing says why the target cannot be run here, "" if it can.
	missing func() string

	// start serves a folder until the test ends, to the accounts u (all rights), ro (a
	// reader) and anonymous (a reader too).
	start func(t testing.TB, root string) script.Network
}

func (to target) String() string { return to.name + " on " + to.runtime }

// here skips a test of a target that cannot be run here.
func (to target) here(t testing.TB) {
	t.Helper()
	if why := to.missing(); why != "" {
		t.Skipf("%s is not run here: %s", to, why)
	}
}

func (to target) serve(t testing.TB, root string) script.Folder {
	t.Helper()
	return script.Folder{Network: to.start(t, root), Root: root, Lacks: to.lacks}
}

// targets are all targets. Rates are relative to the first one's.
var targets = []target{
	{name: "ftphost", runtime: "wasiftpd", tls: true, missing: nothing, start: startProgram},
	{name: "ftphost", runtime: "Node.js", missing: noNode, start: startNode, lacks: exampleLacks},
	{name: "ftphost", runtime: "Python", missing: noPython, start: startPython, lacks: exampleLacks},
	{
		name: "wasip1", runtime: "wazero run", missing: nothing, start: startWazero,
		lacks: append([]string{"active", "ipv6", "ports"}, standaloneLacks...),
	},
	{
		name: "wamr", runtime: "iwasm", missing: made(iwasm), start: startIwasm,
		lacks: standaloneLacks,
	},
	{
		name: "ftphost", runtime: "the host in C", missing: made(hostInC), start: startHostInC,
		lacks: append([]string{"deflate", "hash"}, exampleLacks...),
	},
	{name: "wasip2", runtime: "wasmtime run", missing: wasmtimeMissing, start: startWasmtime, lacks: componentLacks},
	{name: "wasip2", runtime: "jco run", missing: jcoMissing, start: startJco, lacks: componentLacks},
}

// exampleLacks are the needs that no example host meets.
var exampleLacks = []string{"admin", "copy", "created", "hosts", "symlink", "trees", "umask", "who"}

// standaloneLacks are the needs that no server built on module/standalone meets.
var standaloneLacks = []string{"admin", "bytes", "copy", "created", "deflate", "hosts", "modes", "space", "symlink", "trees",
	"umask", "urgent", "who"}

// componentLacks are the needs that no component meets: WASI 0.2 cannot break a
// connection.
var componentLacks = append([]string{"break"}, standaloneLacks...)

func nothing() string { return "" }

// environment are the settings of a standalone server. Each runtime takes them from
// its own environment: on its command line everybody could read the passwords.
var environment = []string{"WASIFTP_USERS=u:p:rw,ro:p", "WASIFTP_ANONYMOUS=ro"}

// withEnvironment adds settings to those that a command inherits.
func withEnvironment(command *exec.Cmd, settings ...string) *exec.Cmd {
	command.Env = append(append(command.Environ(), environment...), settings...)
	return command
}

// namesOf are the names of variables written as NAME=VALUE, those of environment first,
// each after a flag.
func namesOf(flag string, variables ...string) (flags []string) {
	for _, v := range append(environment[:len(environment):len(environment)], variables...) {
		name, _, _ := strings.Cut(v, "=")
		flags = append(flags, flag+name)
	}
	return flags
}

// program is the built wasiftpd.
var program = built("wasiftp/cmd/wasiftpd")

func startProgram(t testing.TB, root string) script.Network {
	t.Helper()
	path, err := program()
	require.NoError(t, err)
	return startFlagged(t, root, path, "serve", "--cache-dir", filepath.Join(temporary, "program"))
}

// startFlagged runs a server that has wasiftpd's flags.
func startFlagged(t testing.TB, root, path string, args ...string) script.Network {
	t.Helper()
	args = append(args, "--root", root, "--listen", script.Address()+":0", "--anonymous", "ro", "--user", "u:p:rw",
		"--user", "ro:p:ro")
	if !script.HasIPv6() {
		return networkOf(t, run(t, 1, path, args...))
	}
	return networkOf(t, run(t, 2, path, append(args, "--listen", "[::1]:0")...))
}

// networkOf parses the addresses that a server prints.
func networkOf(t testing.TB, lines []string) (n script.Network) {
	t.Helper()
	for _, line := range lines {
		u, err := url.Parse(line)
		require.NoError(t, err)
		at, err := netip.ParseAddrPort(u.Host)
		require.NoError(t, err, line)
		if at.Addr().Is4() {
			n.IPv4 = at
		} else {
			n.IPv6 = at
		}
	}
	return n
}

// wazero is wazero's command line tool, of the version in go.mod.
var wazero = built("github.com/tetratelabs/wazero/cmd/wazero")

// passivePorts is the number of passive ports of a server that cannot open its own.
const passivePorts = 8

func startWazero(t testing.TB, root string) script.Network {
	t.Helper()
	path, err := wazero()
	require.NoError(t, err)
	first := script.FreePorts(t, 1+passivePorts)
	args := []string{"run", "-cachedir=" + filepath.Join(temporary, "wazero"), "-env-inherit", "-mount=" + root + ":/"}
	for i := range 1 + passivePorts {
		args = append(args, fmt.Sprintf("-listen=127.0.0.1:%d", first+i))
	}
	passive := fmt.Sprintf("WASIFTP_PASSIVE=127.0.0.1:%d-%d", first+1, first+passivePorts)
	runCommand(t, 1, withEnvironment(exec.Command(path, append(args, module(t, "wasip1"))...), passive))
	return script.Network{IPv4: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(first))}
}

// module is the path of a link target's artefact.
func module(t testing.TB, name string) string {
	path, err := filepath.Abs("../../module/wasiftp-" + name + ".wasm")
	require.NoError(t, err)
	require.FileExists(t, path, "make wasm makes it")
	return path
}

// built builds a program once.
func built(what string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		path := filepath.Join(temporary, filepath.Base(what)+".exe")
		out, err := exec.Command("go", "build", "-o", path, what).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("building %s: %w\n%s", what, err, out)
		}
		return path, err
	})
}
