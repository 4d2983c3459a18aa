package fscontract

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func (c Contract) read(t *testing.T, seeded func(t *testing.T) fs.FS) {
	for name, test := range map[string]func(t *testing.T, fsys fs.FS, coarse bool){
		"files":       testFiles,
		"offsets":     testOffsets,
		"directories": testDirectories,
		"missing":     testMissing,
		"fstest":      testFS,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, seeded(t), c.Coarse)
		})
	}
}

func testFiles(t *testing.T, fsys fs.FS, _ bool) {
	for _, file := range tree {
		name, isDir := strings.CutSuffix(file.name, "/")
		info, err := fs.Stat(fsys, name)
		require.NoError(t, err, name)
		assert.Equal(t, path.Base(name), info.Name())
		assert.Equal(t, isDir, info.IsDir(), name)
		if isDir {
			continue
		}
		assert.True(t, info.Mode().IsRegular(), name)
		assert.EqualValues(t, len(file.content), info.Size(), name)
		assert.False(t, info.ModTime().IsZero(), name)
		assert.Equal(t, file.content, get(t, fsys, name), name)
	}
}

func testOffsets(t *testing.T, fsys fs.FS, _ bool) {
	const name = "directory/binary"
	whole := get(t, fsys, name)
	for _, offset := range []int{0, 1, 4096, len(whole) - 1, len(whole)} {
		file, err := fsys.Open(name)
		require.NoError(t, err)
		defer file.Close()
		seeker, ok := file.(io.Seeker)
		if !ok {
			t.Skip("files have no Seek")
		}
		at, err := seeker.Seek(int64(offset), io.SeekStart)
		require.NoError(t, err)
		require.EqualValues(t, offset, at)
		rest, err := io.ReadAll(file)
		require.NoError(t, err)
		assert.Equal(t, whole[offset:], string(rest))
	}
}

func testDirectories(t *testing.T, fsys fs.FS, _ bool) {
	for _, dir := range []string{".", "directory", "directory/below", "empty directory"} {
		var want []string
		for _, file := range tree {
			if name := strings.TrimSuffix(file.name, "/"); path.Dir(name) == dir {
				want = append(want, path.Base(name))
			}
		}
		slices.Sort(want)
		for _, page := range []int{-1, 0, 1, 2, 3, 100} {
			var got []string
			for _, entry := range list(t, fsys, dir, page) {
				got = append(got, entry.Name())
				info, err := entry.Info()
				require.NoError(t, err)
				stat, err := fs.Stat(fsys, path.Join(dir, entry.Name()))
				require.NoError(t, err)
				assert.Equal(t, stat.IsDir(), entry.IsDir(), entry.Name())
				assert.Equal(t, stat.Mode(), info.Mode(), entry.Name())
				assert.True(t, stat.ModTime().Equal(info.ModTime()), entry.Name())
				if !stat.IsDir() {
					assert.Equal(t, stat.Size(), info.Size(), entry.Name())
				}
			}
			slices.Sort(got)
			assert.Equal(t, want, got, "pages of %d", page)
		}
	}

	file, err := fsys.Open("directory")
	require.NoError(t, err)
	defer file.Close()
	_, err = file.Read(make([]byte, 10))
	assert.Error(t, err, "a directory is not read as a file")
}

func testMissing(t *testing.T, fsys fs.FS, coarse bool) {
	names := []string{"missing", "directory/missing", "missing/missing", "Hello.tx"}
	if runtime.GOOS != "windows" { // which has no such name
		names = append(names, " ")
	}
	for _, name := range names {
		_, err := fsys.Open(name)
		wantError(t, coarse, err, fs.ErrNotExist)
		_, err = fs.Stat(fsys, name)
		wantError(t, coarse, err, fs.ErrNotExist)
	}
	_, err := fsys.Open("hello.txt/below")
	assert.Error(t, err)
	_, err = fs.Stat(fsys, "hello.txt/below")
	assert.Error(t, err)
}

func testFS(t *testing.T, fsys fs.FS, coarse bool) {
	if coarse {
		t.Skip("asks for particular errors")
	}
	var names []string
	for _, file := range tree {
		names = append(names, strings.TrimSuffix(file.name, "/"))
	}
	assert.NoError(t, fstest.TestFS(fsys, names...))
}

// get reads a whole file.
func get(t *testing.T, fsys fs.FS, name string) string {
	t.Helper()
	file, err := fsys.Open(name)
	require.NoError(t, err)
	content, err := io.ReadAll(file)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	return string(content)
}

// list reads a whole directory in pages.
func list(t *testing.T, fsys fs.FS, name string, page int) (entries []fs.DirEntry) {
	t.Helper()
	file, err := fsys.Open(name)
	require.NoError(t, err)
	defer file.Close()
	require.Implements(t, (*fs.ReadDirFile)(nil), file)
	for {
		more, err := file.(fs.ReadDirFile).ReadDir(page)
		entries = append(entries, more...)
		if page <= 0 {
			require.NoError(t, err)
			return entries
		}
		if err != nil {
			require.Equal(t, io.EOF, err)
			return entries
		}
		require.NotEmpty(t, more, "neither entries nor an end")
		require.LessOrEqual(t, len(more), page)
	}
}

// wantError expects one of errs, or any error of a coarse storage.
func wantError(t *testing.T, coarse bool, err error, errs ...error) {
	t.Helper()
	if !assert.Error(t, err) || coarse {
		return
	}
	is := func(target error) bool { return errors.Is(err, target) }
	assert.True(t, slices.ContainsFunc(errs, is), "got %v, want one of %v", err, errs)
}
