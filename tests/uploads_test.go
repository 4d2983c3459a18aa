package tests

import (
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/tests/script"
)

// An upload whose data connection does not come in time changes nothing.
func TestUploadWithoutDataConnection(t *testing.T) {
	t.Parallel()
	for _, options := range []fsbridge.DirOptions{{}, {Atomic: true}, {Sync: true}} {
		t.Run(fmt.Sprintf("%+v", options), func(t *testing.T) {
			t.Parallel()
			network, root, _ := uploads(t, options)
			require.NoError(t, os.WriteFile(filepath.Join(root, "keep"), []byte("all of it"), 0o644))
			c := login(t, network, "u")
			for _, line := range []string{"STOR keep", "APPE keep", "STOR new", "STOU"} {
				c.port()
				require.Equal(t, 150, c.do(line))
				require.Equal(t, 425, c.reply().Code)
				require.Equal(t, 213, c.do("SIZE keep"), "which waits for the end of the upload")
				content, err := os.ReadFile(filepath.Join(root, "keep"))
				require.NoError(t, err)
				assert.Equal(t, "all of it", string(content), line)
				assert.Equal(t, []string{"keep"}, fileNames(t, root), line)
			}
		})
	}
}

// startAtomic runs the program with --atomic-uploads, and returns its network and its
// process.
func startAtomic(t *testing.T, root string) (script.Network, *os.Process) {
	t.Helper()
	path, err := program()
	require.NoError(t, err)
	command := exec.Command(path, "serve", "--root", root, "--listen", "127.0.0.1:0", "--cache-dir",
		filepath.Join(temporary, "program"),
		"--user", "u:p:rw", "--atomic-uploads")
	lines := launch(t, command)
	require.True(t, lines.Scan(), "the program says no address")
	u, err := url.Parse(lines.Text())
	require.NoError(t, err)
	at, err := netip.ParseAddrPort(u.Host)
	require.NoError(t, err)
	return script.Network{IPv4: at}, command.Process
}

// allFiles are the names of the files below a folder, hidden ones too.
func allFiles(t *testing.T, root string) (names []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, strings.TrimPrefix(path, root+string(filepath.Separator)))
		}
		return nil // a file may vanish meanwhile: tests wait for that
	}))
	return names
}

// A server that is killed in the middle of 50 uploads leaves nothing that looks whole,
// and its next start removes all that it left.
func TestKilledServerLeavesNoHalfUploads(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere leftovers go after a day")
	}
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "a/b"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "a/old"), []byte("whole"), 0o644))
	network, process := startAtomic(t, root)
	for i := range 50 {
		c := login(t, network, "u")
		name := fmt.Sprintf("a/b/new%d", i)
		if i == 0 {
			name = "a/old"
		}
		c.begin("STOR "+name, strings.Repeat("half", 20_000))
	}
	eventually(t, "all have begun", func() bool { return len(allFiles(t, root)) == 51 })
	require.NoError(t, process.Kill())
	process.Wait()
	hidden := 0
	for _, name := range allFiles(t, root) {
		if name == filepath.Join("a", "old") {
			continue
		}
		assert.True(t, strings.HasPrefix(filepath.Base(name), ".wasiftp-upload-"), "%s looks whole", name)
		hidden++
	}
	assert.Equal(t, 50, hidden)

	network, _ = startAtomic(t, root)
	eventually(t, "the leftovers are gone", func() bool { return len(allFiles(t, root)) == 1 })
	content, err := os.ReadFile(filepath.Join(root, "a/old"))
	require.NoError(t, err)
	assert.Equal(t, "whole", string(content))
	c := login(t, network, "u")
	assert.Equal(t, 226, c.store("STOR a/b/new1", "whole"))
	assert.Len(t, allFiles(t, root), 2)
}

// A folder that has nothing but the leftovers of a killed server can be removed at once;
// one with an upload under way cannot.
func TestFolderWithLeftoversIsRemoved(t *testing.T) {
	t.Parallel()
	network, root, _ := uploads(t, fsbridge.DirOptions{Atomic: true})
	dir := filepath.Join(root, "dir")
	require.NoError(t, os.Mkdir(dir, 0o755))
	c, other := login(t, network, "u"), login(t, network, "u")
	d := other.begin("STOR dir/f", "half")
	assert.Equal(t, 550, c.do("RMD dir"))
	require.Equal(t, 426, func() int { other.send("ABOR\r\n"); return other.reply().Code }())
	require.Equal(t, 226, other.reply().Code)
	d.Close()
	require.Equal(t, 550, other.do("SIZE dir/f"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".wasiftp-upload-LEFT"), []byte("half"), 0o644))
	if runtime.GOOS == "linux" {
		assert.Equal(t, 250, c.do("RMD dir"))
		assert.NoDirExists(t, dir)
	}
}
