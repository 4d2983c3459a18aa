package fsbridge

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// mounted is a folder on the disk whose bytes are in the file image.
func mounted(t *testing.T, image string) string {
	root := t.TempDir()
	if out, err := exec.Command("mount", "-t", "ext4", "-o", "loop", image, root).CombinedOutput(); err != nil {
		t.Skipf("disks cannot be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(root, 0)) })
	return root
}

// afterPowerFailure is what a disk holds if the power fails now: what has been
// written to it, and not what the kernel would write later.
func afterPowerFailure(t *testing.T, image string) string {
	t.Helper()
	content, err := os.ReadFile(image)
	require.NoError(t, err)
	left := filepath.Join(t.TempDir(), "left")
	require.NoError(t, os.WriteFile(left, content, 0o600))
	return mounted(t, left)
}

// The power fails after an upload. ext4 may have written a name to its journal by then,
// because of some other file, and not yet the data. A hidden upload is then there whole
// or not at all, one that was synced is there.
func TestPowerFailsAfterAnUpload(t *testing.T) {
	t.Parallel()
	image := filepath.Join(t.TempDir(), "image")
	require.NoError(t, os.WriteFile(image, nil, 0o600))
	require.NoError(t, os.Truncate(image, 16<<20))
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", image).CombinedOutput(); err != nil {
		t.Skipf("no disk can be made here: %v: %s", err, out)
	}
	root := mounted(t, image)
	journal := func() { // the metadata reach the disk
		file, err := os.Create(filepath.Join(root, "some other"))
		require.NoError(t, err)
		require.NoError(t, file.Sync())
		require.NoError(t, file.Close())
	}
	content := strings.Repeat("content", 1000)
	open := func(options DirOptions) *Dir {
		d, err := OpenDir(root, options)
		require.NoError(t, err)
		t.Cleanup(func() { d.Close() })
		return d
	}

	hidden := open(DirOptions{Atomic: true})
	for name, flag := range map[string]int{"replaced": os.O_TRUNC, "unique": os.O_EXCL} {
		require.NoError(t, write(hidden, name, flag, content))
	}
	put(t, open(DirOptions{}), "in place", content)
	journal()
	left := afterPowerFailure(t, image)
	for _, name := range []string{"replaced", "unique"} {
		got, err := os.ReadFile(filepath.Join(left, name))
		require.NoError(t, err)
		assert.True(t, content == string(got), "%s has %d bytes", name, len(got))
	}
	got, err := os.ReadFile(filepath.Join(left, "in place"))
	require.NoError(t, err)
	if len(got) > 0 {
		t.Skip("this kernel has written everything: nothing was shown")
	}

	for way, options := range map[string]DirOptions{"hidden": {Atomic: true, Sync: true}, "in place": {Sync: true}} {
		d := open(options)
		require.NoError(t, d.Mkdir("dir "+way, nil))
		require.NoError(t, d.Mkdir("dir "+way+"/below", nil))
		put(t, d, "dir "+way+"/below/file", content)
		require.NoError(t, d.Rename(t.Context(), "dir "+way+"/below/file", "moved "+way))
		left := afterPowerFailure(t, image)
		got, err := os.ReadFile(filepath.Join(left, "moved "+way))
		require.NoError(t, err, way)
		assert.True(t, content == string(got), "%s has %d bytes", way, len(got))
		assert.DirExists(t, filepath.Join(left, "dir "+way, "below"))
	}
}
