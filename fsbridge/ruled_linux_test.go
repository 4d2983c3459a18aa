package fsbridge

import (
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/wasi"
)

// A folder that is swapped for a link to a hidden one, while files below it are read and
// written, leads to no hidden file.
func TestRulesLinkRace(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]DirOptions{"in place": {NoLinks: true}, "atomic": {NoLinks: true, Atomic: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			d := testDir(t, root, options, true)
			for _, dir := range []string{"dir", "hidden"} {
				require.NoError(t, d.Mkdir(dir, nil))
				put(t, d, dir+"/file", dir)
			}
			require.NoError(t, os.Symlink("hidden", filepath.Join(root, "link")))
			a := &Access{FS: d, Rights: wasi.ReadWrite, Rules: compiled(t, Rule{Pattern: "/hidden"})}

			done := make(chan struct{})
			var swapping sync.WaitGroup
			stop := sync.OnceFunc(func() { close(done); swapping.Wait() })
			defer stop()
			var swaps atomic.Int64
			swapping.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
						for _, names := range [][2]string{{"dir", "aside"}, {"link", "dir"}, {"dir", "link"}, {"aside", "dir"}} {
							assert.NoError(t, os.Rename(filepath.Join(root, names[0]), filepath.Join(root, names[1])))
						}
						swaps.Add(1)
					}
				}
			})
			for tries := 0; tries < 10_000 || swaps.Load() < 300 && tries < 100_000; tries++ {
				if file, _, err := a.Open("dir/file", 0); err == nil {
					content, _ := io.ReadAll(file)
					file.Close()
					require.NotEqual(t, "hidden", string(content))
				}
				room := make([]byte, 100)
				if _, n, ok := a.ReadCached("dir/file", 0, room); ok {
					require.NotEqual(t, "hidden", string(room[:n]))
				}
				if up, _, err := a.Create("dir/new", os.O_TRUNC, 0, nil); err == nil {
					io.WriteString(up, "written")
					up.Commit()
				}
				a.Mkdir("dir/made", nil)
				a.Chmod("dir/file", 0o600)
				a.Rename(t.Context(), "dir/new", "dir/renamed")
				a.Remove("dir/made", true)
			}
			stop()
			assert.Equal(t, []string{"file"}, fileNames(t, d, "hidden"))
			info, err := os.Stat(filepath.Join(root, "hidden/file"))
			require.NoError(t, err)
			assert.NotEqual(t, os.FileMode(0o600), info.Mode().Perm())
		})
	}
}
