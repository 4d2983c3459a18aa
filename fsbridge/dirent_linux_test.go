package fsbridge

import (
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// appendDirent appends a struct linux_dirent64, as the kernel pads it.
func appendDirent(raw []byte, ino uint64, kind byte, name string) []byte {
	size := (direntName + len(name) + 1 + 7) &^ 7
	at := len(raw)
	raw = append(raw, make([]byte, size)...)
	binary.NativeEndian.PutUint64(raw[at+direntIno:], ino)
	binary.NativeEndian.PutUint16(raw[at+direntSize:], uint16(size))
	raw[at+direntType] = kind
	copy(raw[at+direntName:], name)
	return raw
}

// readDirents are the names in what getdents64 may have returned, and the error behind
// the last.
func readDirents(raw []byte) (names []string, err error) {
	d := dirents{raw: raw, text: string(raw), err: io.EOF}
	for {
		name, _, err := d.next()
		if err != nil {
			return names, err
		}
		names = append(names, name)
	}
}

func TestDirents(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 255)
	whole := appendDirent(nil, 1, unix.DT_DIR, ".")
	for _, name := range []string{"..", "a", "\xff\xfe", "", "a/b", "../up", "/", long, ". "} {
		whole = appendDirent(whole, 1, unix.DT_REG, name)
	}
	whole = appendDirent(whole, 0, unix.DT_REG, "removed")
	names, err := readDirents(whole)
	assert.Equal(t, io.EOF, err)
	want := []string{"a", "\xff\xfe", long, ". "}
	assert.Equal(t, want, names)

	entry := appendDirent(nil, 1, unix.DT_REG, "name")
	sized := func(size uint16) []byte {
		raw := append([]byte{}, entry...)
		binary.NativeEndian.PutUint16(raw[direntSize:], size)
		return raw
	}
	endless := append([]byte{}, entry...)
	for i := direntName; i < len(endless); i++ {
		endless[i] = 'x'
	}
	for about, raw := range map[string][]byte{
		"no size": sized(0), "too small": sized(direntName), "too large": sized(uint16(len(entry)) + 1), "largest": sized(0xffff),
		"no end": endless, "cut": entry[:len(entry)-1], "one byte": {0}, "no name": entry[:direntName],
	} {
		names, err := readDirents(append(append([]byte{}, whole...), raw...))
		assert.Equal(t, unix.EIO, err, about)
		assert.Equal(t, want, names, about)
	}
}

// Whatever a file system returns, reading it ends, and each name is one of an entry of
// this directory.
func FuzzDirents(f *testing.F) {
	root := f.TempDir()
	require.NoError(f, os.WriteFile(filepath.Join(root, "file"), nil, 0o644))
	dir, err := os.Open(root)
	require.NoError(f, err)
	defer dir.Close()
	raw := make([]byte, firstDirents)
	n, err := unix.Getdents(int(dir.Fd()), raw)
	require.NoError(f, err)
	names, err := readDirents(raw[:n])
	require.Equal(f, []string{"file"}, names, err)
	f.Add(raw[:n])
	f.Add(appendDirent(appendDirent(nil, 1, unix.DT_LNK, "../x"), 0, unix.DT_UNKNOWN, strings.Repeat("y", 300)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		names, err := readDirents(raw)
		if err != io.EOF && err != unix.EIO {
			t.Fatal(err)
		}
		if len(names) > len(raw)/(direntName+1) {
			t.Errorf("%d names in %d bytes", len(names), len(raw))
		}
		for _, name := range names {
			if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
				t.Errorf("%q", name)
			}
		}
	})
}

// Listing a directory takes memory for the names of many entries at a time, and none for
// each entry.
func TestListingTakesNoMemoryForEachEntry(t *testing.T) {
	root := t.TempDir()
	files := &Access{FS: testDir(t, root, DirOptions{}, true)}
	files.Rights = ^files.Rights
	allocations := func(count int) float64 {
		manyFiles(t, root, count)
		return testing.AllocsPerRun(5, func() { require.Equal(t, count, listAll(t, files, ".")) })
	}
	few, many := allocations(10), allocations(4_000)
	assert.Less(t, many-few, 40.0, "%v for 10 entries, %v for 4,000", few, many)
}
