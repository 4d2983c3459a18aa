package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDependency: with the go mod edit of README another module can use a clone of this
// one, and have an FTP server.
func TestDependency(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	line := regexp.MustCompile(`(?m)^\$ (go mod edit -require .*)$`).FindSubmatch(readme)
	require.NotNil(t, line, "README tells of no go mod edit")
	clone, err := filepath.Abs("..")
	require.NoError(t, err)
	dir := t.TempDir()
	goIn := func(args ...string) string {
		t.Helper()
		command := exec.Command("go", args...)
		command.Dir = dir
		// Nothing is fetched: building the clone has fetched all that is needed.
		command.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOSUMDB=off", "GOWORK=off")
		out, err := command.CombinedOutput()
		require.NoError(t, err, "go %q: %s", args, out)
		return string(out)
	}
	goIn("mod", "init", "example.org/gateway")
	goIn(strings.Fields(strings.ReplaceAll(string(line[1]), "../wasiftp", clone))[1:]...)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(`package main

import (
	"fmt"

	"wasiftp/fsbridge"
	"wasiftp/host"
)

func main() {
	server, err := host.New(host.Config{})
	if err == nil {
		err = server.Close()
	}
	fmt.Println(fsbridge.NewMemory() != nil, host.Version, err)
}
`), 0o644))
	require.Regexp(t, `true v\d+\.\d+\.\d+ <nil>\n$`, goIn("run", "."))
}
