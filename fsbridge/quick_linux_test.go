package fsbridge

import (
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge/fscontract"
	"wasiftp/wasi"
)

// memoryRoot is a directory on a file system in memory.
func memoryRoot(t *testing.T) string {
	t.Helper()
	root, err := os.MkdirTemp("/dev/shm", "wasiftp-test-")
	if err != nil {
		t.Skip("no file system in memory")
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	d := testDir(t, root, DirOptions{}, true)
	if b, ok := d.way.(beneath); !ok || b.cache != cacheMemory {
		t.Skip("/dev/shm is not in memory")
	}
	return root
}

// quick is a Dir whose uploads are quick ones where that can be.
type quick struct{ *Dir }

func (q quick) Create(name string, flag int, offset int64, perm *fs.FileMode) (Upload, error) {
	if flag == os.O_TRUNC && offset == 0 {
		a := Access{FS: q.Dir, Rights: wasi.RightWrite | wasi.RightDelete}
		if up, _, ok := a.CreateCached(name, perm); ok {
			return up, nil
		}
	}
	return q.Dir.Create(name, flag, offset, perm)
}

func TestQuickUploadContract(t *testing.T) {
	t.Parallel()
	fscontract.Run(t, func(t *testing.T) fscontract.FS { return quick{testDir(t, memoryRoot(t), DirOptions{}, true)} })
}

func TestQuickUploadIsReadable(t *testing.T) {
	t.Parallel()
	q := quick{testDir(t, memoryRoot(t), DirOptions{}, true)}
	for _, content := range []string{"content", "", "x"} {
		u, err := q.Create("file", os.O_TRUNC, 0, nil)
		require.NoError(t, err)
		_, cached := Cached(u)
		require.True(t, cached)
		_, err = io.WriteString(u, content)
		require.NoError(t, err)
		assert.Equal(t, content, read(t, u))
		require.NoError(t, u.Commit())
		assert.Equal(t, content, get(t, q.Dir, "file"))
	}
}

// ruled are rules of one, for all that is there.
func ruled(t *testing.T, r Rule) *Rules {
	t.Helper()
	r.Pattern = "/"
	rules, err := CompileRules([]Rule{r})
	require.NoError(t, err)
	return rules
}

func TestCreateCached(t *testing.T) {
	t.Parallel()
	root := memoryRoot(t)
	d := testDir(t, root, DirOptions{}, true)
	require.NoError(t, os.Mkdir(root+"/dir", 0o755))
	require.NoError(t, os.Symlink("file", root+"/link"))
	require.NoError(t, os.Symlink("dir", root+"/to"))
	for name, content := range map[string]string{
		"file": "before", "dir/file": "before", "locked": "", "large": strings.Repeat("x", mostCut+1),
	} {
		require.NoError(t, os.WriteFile(root+"/"+name, []byte(content), 0o644))
	}
	locked, err := d.Create("locked", os.O_TRUNC, 0, nil)
	require.NoError(t, err)
	defer locked.Abort()
	all := Access{FS: d, Rights: wasi.RightWrite | wasi.RightDelete}
	perm := fs.FileMode(0o640)
	busy, free := &tally{limit: Usage{100, 100}}, &tally{limit: Usage{100, 100}}
	busy.Lock()
	for _, c := range []struct {
		access Access
		name   string
		perm   *fs.FileMode
		before string
		want   bool
	}{
		{all, "file", nil, "before", true},
		{all, "dir/file", &perm, "before", true},
		{all, "new", nil, "", true},
		{all, "dir/new", nil, "", true},
		{all, "missing/new", nil, "", false},
		{all, "dir", nil, "", false},
		{all, ".", nil, "", false},
		{all, "link", nil, "", false},
		{all, "to/file", nil, "", false},
		{all, "to/new", nil, "", false},
		{all, "../file", nil, "", false},
		{all, "file\x00", nil, "", false},
		{all, hiddenPrefix + "x", nil, "", false},
		{all, "locked", nil, "", false},
		{all, "large", nil, "", false},
		{Access{FS: d, Rights: wasi.RightWrite}, "file", nil, "", false},
		{Access{FS: d, Rights: wasi.RightRead | wasi.RightDelete}, "file", nil, "", false},
		{Access{FS: d, Rights: all.Rights, Quota: &tally{limit: Usage{100, 100}}}, "file", nil, "after", true},
		{Access{FS: d, Rights: all.Rights, Quota: &tally{limit: Usage{100, 0}}}, "none", nil, "", false},
		{Access{FS: d, Rights: all.Rights, Quota: busy}, "file", nil, "", false},
		{Access{FS: d, Rules: ruled(t, Rule{Rights: all.Rights, MaxSize: 100}), Quota: free}, "file", nil, "after", true},
		{Access{FS: d, Rules: ruled(t, Rule{Rights: all.Rights, Refuse: []string{"f*"}})}, "file", nil, "", false},
		{Access{FS: overriding{d}, Rights: all.Rights}, "file", nil, "", false},
		{Access{FS: testDir(t, root, DirOptions{Atomic: true}, true), Rights: all.Rights}, "file", nil, "", false},
		{Access{FS: testDir(t, root, DirOptions{Sync: true}, true), Rights: all.Rights}, "file", nil, "", false},
		{Access{FS: testDir(t, root, DirOptions{}, false), Rights: all.Rights}, "file", nil, "", false},
	} {
		up, there, ok := c.access.CreateCached(c.name, c.perm)
		if !assert.Equal(t, c.want, ok, "%q", c.name) || !ok {
			continue
		}
		if c.before == "" {
			assert.Nil(t, there)
		} else {
			assert.EqualValues(t, len(c.before), there.Size())
		}
		assert.True(t, InPlace(up))
		done, cached := Cached(up)
		assert.True(t, cached)
		_, _, twice := c.access.CreateCached(c.name, nil)
		assert.False(t, twice, "it is locked")
		_, err := io.WriteString(up, "after")
		require.NoError(t, err)
		require.NoError(t, up.Commit())
		done()
		assert.ErrorIs(t, up.Commit(), fs.ErrClosed)
		got, err := os.ReadFile(root + "/" + c.name)
		require.NoError(t, err)
		assert.Equal(t, "after", string(got))
	}
	assert.NoFileExists(t, root+"/missing")
	assert.NoFileExists(t, root+"/none")
	assert.Equal(t, Usage{0, 0}, free.used)
	assert.Equal(t, Usage{0, 0}, free.reserved)
}

// A new file has the permissions that were asked for, whatever the process's umask.
func TestQuickUploadHasItsPermissions(t *testing.T) {
	t.Parallel()
	root := memoryRoot(t)
	a := Access{FS: testDir(t, root, DirOptions{}, true), Rights: wasi.RightWrite | wasi.RightDelete}
	perm := fs.FileMode(0o666)
	up, _, ok := a.CreateCached("file", &perm)
	require.True(t, ok)
	require.NoError(t, up.Commit())
	info, err := os.Stat(root + "/file")
	require.NoError(t, err)
	assert.Equal(t, perm, info.Mode())
}
