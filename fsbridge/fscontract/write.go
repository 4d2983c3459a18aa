package fscontract

import (
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type storage struct {
	FS
	coarse bool
}

func (s storage) wantError(t *testing.T, err error, errs ...error) {
	t.Helper()
	wantError(t, s.coarse, err, errs...)
}

func put(t *testing.T, storage FS, name, content string) {
	t.Helper()
	upload(t, storage, name, os.O_TRUNC, 0, content)
}

func upload(t *testing.T, storage FS, name string, flag int, offset int64, content string) {
	t.Helper()
	up, err := storage.Create(name, flag, offset, nil)
	require.NoError(t, err)
	_, err = io.WriteString(up, content)
	require.NoError(t, err)
	require.NoError(t, up.Commit())
}

func testCreate(t *testing.T, s storage) {
	for name, flag := range map[string]int{"a": os.O_TRUNC, "b": os.O_EXCL, "c": os.O_APPEND, "d": 0} {
		upload(t, s, name, flag, 0, "new "+name)
		assert.Equal(t, "new "+name, get(t, s, name))
		upload(t, s, name+"0", flag, 0, "")
		assert.Equal(t, "", get(t, s, name+"0"), "nothing sent is an empty file")
	}

	require.NoError(t, s.Mkdir("dir", nil))
	for _, flag := range []int{os.O_TRUNC, os.O_EXCL, os.O_APPEND, 0} {
		_, err := s.Create("missing/file", flag, 0, nil)
		s.wantError(t, err, fs.ErrNotExist)
		_, err = s.Create("a/below", flag, 0, nil)
		assert.Error(t, err, "below a file")
		_, err = s.Create("dir", flag, 0, nil)
		assert.Error(t, err, "on a directory")
	}
}

func testReplace(t *testing.T, s storage) {
	put(t, s, "file", "a long content")
	put(t, s, "file", "short")
	assert.Equal(t, "short", get(t, s, "file"))

	_, err := s.Create("file", os.O_EXCL, 0, nil)
	s.wantError(t, err, fs.ErrExist)
	require.NoError(t, s.Mkdir("dir", nil))
	_, err = s.Create("dir", os.O_EXCL, 0, nil)
	s.wantError(t, err, fs.ErrExist)
	assert.Equal(t, "short", get(t, s, "file"))
}

func testAppend(t *testing.T, s storage) {
	put(t, s, "file", "one")
	upload(t, s, "file", os.O_APPEND, 0, " two")
	upload(t, s, "file", os.O_APPEND, 0, "")
	upload(t, s, "file", os.O_APPEND, 0, " three")
	assert.Equal(t, "one two three", get(t, s, "file"))
}

func testOffset(t *testing.T, s storage) {
	put(t, s, "file", "0123456789")
	upload(t, s, "file", 0, 3, "abc")
	assert.Equal(t, "012abc6789", get(t, s, "file"), "what is behind stays")
	upload(t, s, "file", 0, 10, "end")
	assert.Equal(t, "012abc6789end", get(t, s, "file"))
	upload(t, s, "file", 0, 11, "longer than before")
	assert.Equal(t, "012abc6789elonger than before", get(t, s, "file"))

	for _, offset := range []int64{30, 1 << 40} {
		_, err := s.Create("file", 0, offset, nil)
		s.wantError(t, err, syscall.EINVAL)
	}
	_, err := s.Create("missing", 0, 5, nil)
	s.wantError(t, err, fs.ErrNotExist, syscall.EINVAL)
	_, err = s.Stat("missing")
	s.wantError(t, err, fs.ErrNotExist)
	assert.Equal(t, "012abc6789elonger than before", get(t, s, "file"))
}

func testEnds(t *testing.T, s storage) {
	for name, end := range map[string]func(Upload) error{"commit": Upload.Commit, "abort": Upload.Abort} {
		up, err := s.Create(name, os.O_TRUNC, 0, nil)
		require.NoError(t, err)
		require.NoError(t, end(up))
		assert.Error(t, up.Commit(), "a second end")
		assert.Error(t, up.Abort(), "a second end")
		_, err = up.Write([]byte("late"))
		assert.Error(t, err, "a write after the end")
		if info, err := s.Stat(name); err == nil {
			assert.Zero(t, info.Size())
		}
	}
	assert.Equal(t, "", get(t, s, "commit"))
}

// testAbort lets the storage decide what an aborted upload leaves, but it must be made
// of the bytes that were there and those that were sent.
func testAbort(t *testing.T, s storage) {
	for name, flag := range map[string]int{"a": os.O_TRUNC, "b": os.O_EXCL, "c": os.O_APPEND, "d": 0} {
		before := ""
		if flag != os.O_EXCL {
			before = "before"
			put(t, s, name, before)
		}
		up, err := s.Create(name, flag, 0, nil)
		require.NoError(t, err)
		_, err = io.WriteString(up, "sent")
		require.NoError(t, err)
		require.NoError(t, up.Abort())
		if _, err := s.Stat(name); err == nil {
			assert.Contains(t, []string{before, "sent", "beforesent", "sentre"}, get(t, s, name))
		}
		put(t, s, name, "after")
		assert.Equal(t, "after", get(t, s, name))
	}
}

func testLarge(t *testing.T, s storage) {
	content := strings.Repeat("0123456789abcde\r\n", 100_000)
	up, err := s.Create("written", os.O_TRUNC, 0, nil)
	require.NoError(t, err)
	for size, rest := 1, content; rest != ""; size = size*3 + 1 {
		size = min(size, len(rest))
		n, err := io.WriteString(up, rest[:size])
		require.NoError(t, err)
		require.Equal(t, size, n)
		rest = rest[size:]
	}
	require.NoError(t, up.Commit())
	assert.True(t, content == get(t, s, "written"))

	up, err = s.Create("copied", os.O_TRUNC, 0, nil)
	require.NoError(t, err)
	n, err := io.Copy(up, strings.NewReader(content))
	require.NoError(t, err)
	assert.EqualValues(t, len(content), n)
	require.NoError(t, up.Commit())
	assert.True(t, content == get(t, s, "copied"))
}

// testConcurrent lets a storage refuse a second upload of a name, but not mix
// the two.
func testConcurrent(t *testing.T, s storage) {
	var all sync.WaitGroup
	contents := []string{strings.Repeat("a", 50_000), strings.Repeat("b", 60_000), strings.Repeat("c", 70_000)}
	var committed sync.Map
	for _, content := range contents {
		all.Go(func() {
			up, err := s.Create("file", os.O_TRUNC, 0, nil)
			if err != nil {
				s.wantError(t, err, syscall.EBUSY)
				return
			}
			for rest := content; rest != ""; rest = rest[1000:] {
				if _, err := io.WriteString(up, rest[:1000]); !assert.NoError(t, err) {
					break
				}
			}
			if assert.NoError(t, up.Commit()) {
				committed.Store(content, true)
			}
		})
	}
	all.Wait()
	_, whole := committed.Load(get(t, s, "file"))
	assert.True(t, whole, "a file of two uploads")
}

func testNames(t *testing.T, s storage) {
	names := []string{"with space", "grün", "日本語", "e\u0301", "..hidden", "-rf", "%2e%2e", "a;b=c", "~", "$HOME", "f'", "#",
		"[x]", "{a,b}", "!"}
	if runtime.GOOS != "windows" {
		names = append(names, "...", " leads", "trails ", "dot.", `back\slash`, `"`, "*", "?", "C:", "a:b", "NUL", "|")
		if !s.coarse {
			names = append(names, "\r\n", "\x01\x7f", "\t")
		}
	}
	if runtime.GOOS == "linux" {
		names = append(names, "\xff\xfe", "latin1-\xe9", "\xc0\xaf")
	}
	require.NoError(t, s.Mkdir("dir", nil))
	for _, name := range names {
		name = "dir/" + name
		put(t, s, name, name)
		assert.Equal(t, name, get(t, s, name))
		info, err := s.Stat(name)
		require.NoError(t, err)
		assert.Equal(t, path.Base(name), info.Name())
	}
	var got []string
	for _, entry := range list(t, s, "dir", -1) {
		got = append(got, entry.Name())
		require.NoError(t, s.Remove("dir/"+entry.Name()))
	}
	assert.ElementsMatch(t, names, got)
}

func testBadNames(t *testing.T, s storage) {
	if s.coarse {
		t.Skip("other forms may be names there")
	}
	put(t, s, "file", "content")
	require.NoError(t, s.Mkdir("dir", nil))
	for _, name := range []string{"", "/", "/file", "..", "../file", "dir/../file", "dir/..", "./file", "dir/.", "dir//x",
		"dir/", "nul\x00", "file\x00/../x"} {
		for what, err := range map[string]error{
			"Open":        second(s.Open(name)),
			"Stat":        second(s.Stat(name)),
			"Create":      second(s.Create(name, os.O_TRUNC, 0, nil)),
			"Create new":  second(s.Create(name, os.O_EXCL, 0, nil)),
			"Mkdir":       s.Mkdir(name, nil),
			"Remove":      s.Remove(name),
			"Rename from": s.Rename(t.Context(), name, "x"),
			"Rename to":   s.Rename(t.Context(), "file", name),
			"Chtimes":     s.Chtimes(name, time.Unix(1e9, 0)),
			"Chmod":       s.Chmod(name, 0o600),
		} {
			assert.ErrorIs(t, err, fs.ErrInvalid, "%s %q", what, name)
		}
	}
	assert.Equal(t, "content", get(t, s, "file"))
}

func testRoot(t *testing.T, s storage) {
	put(t, s, "file", "content")
	for what, err := range map[string]error{
		"Create": second(s.Create(".", os.O_TRUNC, 0, nil)),
		"Mkdir":  s.Mkdir(".", nil),
		"Remove": s.Remove("."),
		"Rename": s.Rename(t.Context(), ".", "x"),
		"onto":   s.Rename(t.Context(), "file", "."),
	} {
		assert.Error(t, err, "%s the root", what)
	}
	assert.Equal(t, "content", get(t, s, "file"))
}

func second[T any](_ T, err error) error { return err }

func testPages(t *testing.T, s storage) {
	var want []string
	for i := range 60 {
		want = append(want, "file"+strconv.Itoa(i))
		put(t, s, want[i], "")
	}
	for _, page := range []int{0, 1, 7, 59, 60, 61} {
		var got []string
		for _, entry := range list(t, s, ".", page) {
			got = append(got, entry.Name())
		}
		assert.ElementsMatch(t, want, got, "pages of %d", page)
	}
}

func testMkdir(t *testing.T, s storage) {
	require.NoError(t, s.Mkdir("dir", nil))
	require.NoError(t, s.Mkdir("dir/below", nil))
	info, err := s.Stat("dir/below")
	require.NoError(t, err)
	assert.True(t, info.IsDir())
	assert.Empty(t, list(t, s, "dir/below", -1))

	put(t, s, "file", "")
	s.wantError(t, s.Mkdir("dir", nil), fs.ErrExist)
	s.wantError(t, s.Mkdir("file", nil), fs.ErrExist)
	s.wantError(t, s.Mkdir("missing/dir", nil), fs.ErrNotExist)
	assert.Error(t, s.Mkdir("file/dir", nil))
}

func testRemove(t *testing.T, s storage) {
	require.NoError(t, s.Mkdir("dir", nil))
	put(t, s, "dir/file", "")
	s.wantError(t, s.Remove("dir"), syscall.ENOTEMPTY, fs.ErrExist)
	require.NoError(t, s.Remove("dir/file"))
	require.NoError(t, s.Remove("dir"))
	assert.Empty(t, list(t, s, ".", -1))
	s.wantError(t, s.Remove("dir"), fs.ErrNotExist)
	s.wantError(t, s.Remove("missing/file"), fs.ErrNotExist)
}

func testRename(t *testing.T, s storage) {
	put(t, s, "a", "A")
	put(t, s, "b", "B")
	require.NoError(t, s.Mkdir("dir", nil))
	require.NoError(t, s.Mkdir("other", nil))

	require.NoError(t, s.Rename(t.Context(), "a", "c"))
	assert.Equal(t, "A", get(t, s, "c"))
	s.wantError(t, second(s.Stat("a")), fs.ErrNotExist)
	require.NoError(t, s.Rename(t.Context(), "c", "b"))
	assert.Equal(t, "A", get(t, s, "b"), "replaces a file")
	require.NoError(t, s.Rename(t.Context(), "b", "b"))
	assert.Equal(t, "A", get(t, s, "b"), "to itself")
	require.NoError(t, s.Rename(t.Context(), "b", "dir/b"))
	require.NoError(t, s.Rename(t.Context(), "dir", "moved"))
	assert.Equal(t, "A", get(t, s, "moved/b"))

	s.wantError(t, s.Rename(t.Context(), "missing", "x"), fs.ErrNotExist)
	s.wantError(t, s.Rename(t.Context(), "moved/b", "missing/b"), fs.ErrNotExist)
	assert.Error(t, s.Rename(t.Context(), "moved/b", "other"), "a file onto a directory")
	s.wantError(t, s.Rename(t.Context(), "other", "moved"), syscall.ENOTEMPTY, fs.ErrExist)
	assert.Error(t, s.Rename(t.Context(), "other", "moved/b"), "a directory onto a file")
	assert.Error(t, s.Rename(t.Context(), "moved", "moved/below"), "into itself")
	assert.Error(t, s.Rename(t.Context(), "moved/b", "moved/b/c"), "below itself")
	assert.Equal(t, "A", get(t, s, "moved/b"))
	assert.Len(t, list(t, s, ".", -1), 2)

	require.NoError(t, s.Rename(t.Context(), "moved", "other"), "onto an empty directory")
	require.NoError(t, s.Rename(t.Context(), "other", "other"), "to itself")
	assert.Equal(t, "A", get(t, s, "other/b"))
	s.wantError(t, second(s.Stat("moved")), fs.ErrNotExist)
	require.NoError(t, s.Mkdir("other/dir", nil))
	assert.Error(t, s.Rename(t.Context(), "other", "other/dir"), "onto an empty directory below itself")
	assert.Error(t, s.Rename(t.Context(), "other/dir", "other"), "onto the directory that it is in")
	assert.Len(t, list(t, s, "other", -1), 2)
}

func testChtimes(t *testing.T, s storage) {
	put(t, s, "file", "content")
	require.NoError(t, s.Mkdir("dir", nil))
	for _, name := range []string{"file", "dir"} {
		for _, year := range []int{1969, 1970, 2001, 2038, 2107} {
			want := time.Date(year, 12, 31, 23, 59, 58, 0, time.UTC)
			require.NoError(t, s.Chtimes(name, want))
			info, err := s.Stat(name)
			require.NoError(t, err)
			assert.True(t, want.Equal(info.ModTime()), "%v, not %v", info.ModTime(), want)
		}
	}
	s.wantError(t, s.Chtimes("missing", time.Unix(0, 0)), fs.ErrNotExist)

	before, err := s.Stat("file")
	require.NoError(t, err)
	put(t, s, "file", "newer")
	after, err := s.Stat("file")
	require.NoError(t, err)
	assert.NotEqual(t, before.ModTime(), after.ModTime(), "an upload sets the time")
}

func testChmod(t *testing.T, s storage) {
	put(t, s, "file", "")
	require.NoError(t, s.Mkdir("dir", nil))
	s.wantError(t, s.Chmod("missing", 0o600), fs.ErrNotExist)
	if runtime.GOOS == "windows" {
		t.Skip("Windows has one permission bit")
	}
	for name, modes := range map[string][]fs.FileMode{"file": {0o600, 0o444,
		0o644 | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky}, "dir": {0o700, 0o755 | fs.ModeSetuid}} {
		for _, mode := range modes {
			require.NoError(t, s.Chmod(name, mode))
			info, err := s.Stat(name)
			require.NoError(t, err)
			assert.Equal(t, mode.Perm(), info.Mode()&^fs.ModeDir, "%s %v", name, mode)
		}
	}
}

// testUpperBits tests the bits that people who share a directory need: set-group-ID,
// which no later mode takes off again, and sticky.
func testUpperBits(t *testing.T, s storage) {
	if runtime.GOOS == "windows" || runtime.GOOS == "wasip1" {
		t.Skip("there are no such bits")
	}
	require.NoError(t, s.Mkdir("dir", nil))
	for _, step := range []struct{ set, want fs.FileMode }{
		{0o775 | fs.ModeSticky, 0o775 | fs.ModeSticky},
		{0o770 | fs.ModeSetgid, 0o770 | fs.ModeSetgid},
		{0o750, 0o750 | fs.ModeSetgid},
		{0o775 | fs.ModeSetgid | fs.ModeSticky, 0o775 | fs.ModeSetgid | fs.ModeSticky},
	} {
		require.NoError(t, s.Chmod("dir", step.set))
		info, err := s.Stat("dir")
		require.NoError(t, err)
		assert.Equal(t, step.want, info.Mode()&^fs.ModeDir, "%v", step.set)
	}
	require.NoError(t, s.Mkdir("dir/below", nil))
	require.NoError(t, Masked{s.FS, 0o027}.Mkdir("dir/masked", nil))
	info, err := s.Stat("dir/masked")
	require.NoError(t, err)
	below, err := s.Stat("dir/below")
	require.NoError(t, err)
	assert.Equal(t, below.Mode()&fs.ModeSetgid|0o750, info.Mode()&^fs.ModeDir, "a mask takes no more than its bits")
}
