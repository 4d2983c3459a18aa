package fscontract

import (
	"io/fs"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// able is the storage as a T. It skips the test if the storage is no T.
func able[T any](t *testing.T, s storage) T {
	t.Helper()
	more, ok := s.FS.(T)
	if !ok {
		t.Skip("this storage cannot do that")
	}
	return more
}

func testCreated(t *testing.T, s storage) {
	before := time.Now().Add(-time.Minute)
	put(t, s, "file", "content")
	require.NoError(t, s.Mkdir("dir", nil))
	created := func(name string) time.Time {
		info, err := s.Stat(name)
		require.NoError(t, err)
		c, ok := info.(interface{ Created() time.Time })
		if !ok || c.Created().IsZero() {
			t.Skip("this storage does not know that")
		}
		return c.Created()
	}
	first := created("file")
	assert.True(t, first.After(before) && first.Before(time.Now().Add(time.Minute)), "%v is new", first)
	assert.False(t, created("dir").Before(first))
	upload(t, s, "file", os.O_APPEND, 0, "more")
	assert.True(t, first.Equal(created("file")), "it is still the same file")
}

// Masked is a storage that gives new files and directories the permissions that Mask
// leaves, as with a umask.
type Masked struct {
	FS
	Mask fs.FileMode
}

// Create leaves out the permissions to execute as well.
func (m Masked) Create(name string, flag int, offset int64, _ *fs.FileMode) (Upload, error) {
	perm := 0o666 &^ m.Mask
	return m.FS.Create(name, flag, offset, &perm)
}

// Mkdir gives the directory all permissions but those of Mask.
func (m Masked) Mkdir(name string, _ *fs.FileMode) error {
	perm := 0o777 &^ m.Mask
	return m.FS.Mkdir(name, &perm)
}

func testPermissions(t *testing.T, s storage) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has one permission bit")
	}
	mode := func(name string) fs.FileMode {
		info, err := s.Stat(name)
		require.NoError(t, err)
		return info.Mode().Perm()
	}
	put(t, s, "old", "")
	was := mode("old")
	for _, mask := range []fs.FileMode{0, 0o022, 0o027, 0o077, 0o002} {
		masked := Masked{s.FS, mask}
		name := mask.String()
		require.NoError(t, masked.Mkdir("dir"+name, nil))
		assert.Equal(t, 0o777&^mask, mode("dir"+name))
		for i, flag := range []int{os.O_TRUNC, os.O_EXCL, os.O_APPEND, 0} {
			file := name + string('0'+rune(i))
			upload(t, masked, file, flag, 0, "content")
			assert.Equal(t, 0o666&^mask, mode(file), "%v %d", mask, flag)
			assert.Equal(t, "content", get(t, s, file))
		}
		put(t, masked, "old", "replaced")
		assert.Equal(t, was, mode("old"), "what is there keeps its permissions")
		_, err := masked.Create("old", os.O_EXCL, 0, nil)
		s.wantError(t, err, fs.ErrExist)
	}
	require.NoError(t, s.Mkdir("plain", nil))
	put(t, s, "plain/file", "")
	assert.Equal(t, was, mode("plain/file"), "a mask is for what is made through it")
}

func testSymlink(t *testing.T, s storage) {
	linker := able[interface {
		Symlink(target, name string) error
	}](t, s)
	put(t, s, "file", "content")
	require.NoError(t, s.Mkdir("dir", nil))
	require.NoError(t, s.Mkdir("dir/below", nil))
	if err := linker.Symlink("file", "link"); err != nil && runtime.GOOS == "windows" {
		t.Skip("making symbolic links takes rights there that tests don't have")
	}
	for _, name := range []string{"dir/link", "dir/below/link"} {
		require.NoError(t, linker.Symlink("file", name))
	}
	require.NoError(t, linker.Symlink("dir/below", "dir/below/self"))
	if n, ok := s.FS.(interface{ NoLinks() bool }); ok && n.NoLinks() {
		_, err := s.Open("link")
		s.wantError(t, err, fs.ErrPermission)
		return
	}
	for _, name := range []string{"link", "dir/link", "dir/below/link"} {
		assert.Equal(t, "content", get(t, s, name))
	}
	info, err := s.Stat("dir/below/self")
	require.NoError(t, err)
	assert.True(t, info.IsDir())

	require.NoError(t, linker.Symlink("to/come", "early"))
	_, err = s.Stat("early")
	s.wantError(t, err, fs.ErrNotExist)
	s.wantError(t, linker.Symlink("dir", "file"), fs.ErrExist)
	s.wantError(t, linker.Symlink("dir", "link"), fs.ErrExist)
	s.wantError(t, linker.Symlink("file", "none/link"), fs.ErrNotExist)
	for _, bad := range []string{"", ".", "..", "../file", "/file", "dir/../../file", "a//b"} {
		assert.Error(t, linker.Symlink(bad, "new"), bad)
		assert.Error(t, linker.Symlink("file", bad), bad)
	}
	assert.Equal(t, "content", get(t, s, "file"))
	require.NoError(t, s.Remove("link"))
	assert.Equal(t, "content", get(t, s, "file"))
}
