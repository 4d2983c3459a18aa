package runtimes

import (
	"cmp"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/tests/script"
)

// The component is run by wasmtime's command line, and by jco under Node.

// wasmtimePath is the path of wasmtime.
func wasmtimePath() (string, error) {
	if path, err := exec.LookPath("wasmtime"); err == nil {
		return path, nil
	}
	path, err := filepath.Abs("../../bin/wasmtime")
	_, missing := os.Stat(path)
	return path, cmp.Or(err, missing)
}

func wasmtimeMissing() string {
	if _, err := wasmtimePath(); err != nil {
		return "there is no wasmtime; make wasip2 installs it in bin"
	}
	return ""
}

const component = "../../module/wasiftp-wasip2.wasm"

// compiled is the component as machine code, made once: without it each start would take
// a second more.
var compiled = sync.OnceValues(func() (string, error) {
	path := filepath.Join(temporary, "wasip2.cwasm")
	wasmtime, err := wasmtimePath()
	if err != nil {
		return "", err
	}
	return path, exec.Command(wasmtime, "compile", "-o", path, component).Run()
})

// wasmtime is the command that runs the component with these flags.
func wasmtime(t testing.TB, flags ...string) *exec.Cmd {
	t.Helper()
	path, err := wasmtimePath()
	require.NoError(t, err)
	require.FileExists(t, component, "make wasm makes it")
	compiled, err := compiled()
	require.NoError(t, err)
	return exec.Command(path, append(append([]string{"run", "--allow-precompiled"}, flags...), compiled)...)
}

func startWasmtime(t testing.TB, root string) script.Network {
	t.Helper()
	listen := "WASIFTP_LISTEN=" + strings.Join(listening(), ",")
	flags := append([]string{"-S", "inherit-network", "--dir", root + "::/"}, namesOf("--env=", listen)...)
	return networkOf(t, runCommand(t, len(listening()), withEnvironment(wasmtime(t, flags...), listen)))
}

const jcoPath = "../../module/wasip2/node_modules/.bin/jco"

func jcoMissing() string {
	if _, err := exec.LookPath("node"); err != nil {
		return "there is no node; the Debian package nodejs has it"
	}
	if _, err := os.Stat(jcoPath); err != nil {
		return "there is no jco; make wasip2 installs it"
	}
	return ""
}

func startJco(t testing.TB, root string) script.Network {
	t.Helper()
	require.FileExists(t, component, "make wasm makes it")
	command := exec.Command("node", "../../module/wasip2/run.js", component)
	return networkOf(t, runCommand(t, len(listening()), withEnvironment(command, "WASIFTP_ROOT="+root,
		"WASIFTP_LISTEN="+strings.Join(listening(), ","))))
}

// A component that cannot serve says why.
func TestComponentUsage(t *testing.T) {
	if why := wasmtimeMissing(); why != "" {
		t.Skip(why)
	}
	busy, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer busy.Close()
	const network, listen = "inherit-network", "WASIFTP_LISTEN="
	dir := t.TempDir() + "::/"
	for want, flags := range map[string][]string{
		"there is no folder to serve":       {"-S", network},
		"not allowed; choose another":       {"--dir", dir},
		"in use; choose another":            {"-S", network, "--dir", dir, "--env", listen + busy.Addr().String()},
		"the nearest is WASIFTP_USERS":      {"-S", network, "--dir", dir, "--env", "WASIFTP_USER=u:p"},
		"is no ADDRESS:PORT":                {"-S", network, "--dir", dir, "--env", listen + "x"},
		"nobody could log in; write NAME:P": {"-S", network, "--dir", dir, "--env", "WASIFTP_ANONYMOUS=off"},
	} {
		out, err := wasmtime(t, flags...).CombinedOutput()
		var exit *exec.ExitError
		if assert.ErrorAs(t, err, &exit, "%q", flags) {
			assert.Equal(t, 1, exit.ExitCode())
		}
		assert.Contains(t, string(out), want)
	}
}
