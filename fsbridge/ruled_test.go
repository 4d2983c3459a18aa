//go:build !wasip1

package fsbridge

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge/fscontract"
	"wasiftp/wasi"
)

// eachRuled runs a test on an Access to each kind of storage, which has the files of fill.
// path is the directory of the storage, "" for none.
func eachRuled(t *testing.T, rules []Rule, test func(t *testing.T, a *Access, path string)) {
	for name, open := range map[string]func(t *testing.T, path string) fscontract.FS{
		"memory": func(*testing.T, string) fscontract.FS { return NewMemory() },
		"links":  func(t *testing.T, path string) fscontract.FS { return testDir(t, path, DirOptions{}, true) },
		"no links": func(t *testing.T, path string) fscontract.FS {
			return testDir(t, path, DirOptions{NoLinks: true}, true)
		},
		"atomic no links": func(t *testing.T, path string) fscontract.FS {
			return testDir(t, path, DirOptions{NoLinks: true, Atomic: true}, true)
		},
		"os.Root, no links": func(t *testing.T, path string) fscontract.FS {
			return testDir(t, path, DirOptions{NoLinks: true}, false)
		},
		"os.Root, and links": func(t *testing.T, path string) fscontract.FS { return testDir(t, path, DirOptions{}, false) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := t.TempDir()
			fsys := open(t, path)
			for _, dir := range []string{"hidden", "hidden/shown", "hidden/dir", "ro", "ro/dir", "rw", "rw/dir", "rw/empty", "drop"} {
				require.NoError(t, fsys.Mkdir(dir, nil))
			}
			for _, file := range []string{"hidden/file", "hidden/shown/file", "hidden/dir/file", "ro/file", "rw/file",
				"rw/secret", "rw/dir/file", "drop/file", "top"} {
				put(t, fsys, file, "content")
			}
			if name == "memory" {
				path = ""
			}
			test(t, &Access{FS: fsys, Rights: wasi.ReadOnly, Rules: compiled(t, rules...)}, path)
		})
	}
}

var usualRules = []Rule{
	{Pattern: "/hidden"}, {Pattern: "/hidden/shown", Rights: wasi.ReadOnly}, {Pattern: "/**/secret"},
	{Pattern: "/ro/**", Rights: wasi.ReadOnly}, {Pattern: "/rw", Rights: wasi.ReadWrite}, {Pattern: "/drop", Rights: wasi.WriteOnly},
}

// ruledCalls are all calls of an Access for a name; those that change something come with the
// right that they need.
var ruledCalls = []struct {
	method string
	right  wasi.Rights
	call   func(a *Access, name string) error
}{
	{"Stat", 0, func(a *Access, name string) error { return second(a.Stat(name, false)) }},
	{"Stat", 0, func(a *Access, name string) error { return second(a.Stat(name, true)) }},
	{"Enter", 0, func(a *Access, name string) error { return second(a.Enter(name)) }},
	{"List", wasi.RightList, func(a *Access, name string) error { return shut(a.List(name, false)) }},
	{"Open", wasi.RightRead, func(a *Access, name string) error {
		file, _, err := a.Open(name, 0)
		return shut(file, err)
	}},
	{"ReadCached", wasi.RightRead, func(a *Access, name string) error {
		_, _, ok := a.ReadCached(name, 0, make([]byte, 100))
		return cachedError(ok)
	}},
	{"CreateCached", wasi.RightWrite, func(a *Access, name string) error {
		up, _, ok := a.CreateCached(name, nil)
		if ok {
			up.Abort()
		}
		return cachedError(ok)
	}},
	{"Create", wasi.RightWrite, func(a *Access, name string) error { return created(a, name, os.O_TRUNC) }},
	{"Create", wasi.RightWrite, func(a *Access, name string) error { return created(a, name, os.O_APPEND) }},
	{"Create", wasi.RightWrite, func(a *Access, name string) error { return created(a, name, os.O_EXCL) }},
	{"Create", wasi.RightWrite, func(a *Access, name string) error { return created(a, name, 0) }},
	{"Mkdir", wasi.RightMkdir, func(a *Access, name string) error { return a.Mkdir(name, nil) }},
	{"Mkdir", wasi.RightMkdir, func(a *Access, name string) error { return a.Mkdir(name+"/below", nil) }},
	{"Remove", wasi.RightDelete, func(a *Access, name string) error { return a.Remove(name, false) }},
	{"Remove", wasi.RightDelete, func(a *Access, name string) error { return a.Remove(name, true) }},
	{"RemoveTree", wasi.RightDelete, func(a *Access, name string) error { return a.RemoveTree(context.Background(), name) }},
	{"Rename", wasi.RightRename, func(a *Access, name string) error { return a.Rename(context.Background(), name, "rw/new") }},
	{"Rename", wasi.RightRename, func(a *Access, name string) error { return a.Rename(context.Background(), "rw/file", name) }},
	{"Rename", wasi.RightRename, func(a *Access, name string) error { return a.Rename(context.Background(), "rw/empty", name) }},
	{"Chtimes", wasi.RightWrite, func(a *Access, name string) error { return a.Chtimes(name, time.Unix(1, 0)) }},
	{"Chmod", wasi.RightWrite, func(a *Access, name string) error { return a.Chmod(name, 0o600) }},
	{"Space", wasi.RightWrite, func(a *Access, name string) error { return second(a.Space(name)) }},
	{"SameFile", wasi.RightWrite, func(a *Access, name string) error {
		file, err := a.FS.Open("rw/file")
		if err != nil {
			return err
		}
		defer file.Close()
		return cachedError(a.SameFile(file, name))
	}},
}

// errUncached stands for the false of a method without an error.
var errUncached = errors.New("not to be had")

func cachedError(ok bool) error {
	if ok {
		return nil
	}
	return errUncached
}

func second[T any](_ T, err error) error { return err }

func shut[T io.Closer](c T, err error) error {
	if err == nil {
		c.Close()
	}
	return err
}

func created(a *Access, name string, flag int) error {
	up, _, err := a.Create(name, flag, 0, nil)
	if err == nil {
		up.Abort()
	}
	return err
}

// Whatever is asked, a hidden file is missing, and one that is there is no other than one
// that is not.
func TestRulesHide(t *testing.T) {
	t.Parallel()
	eachRuled(t, usualRules, func(t *testing.T, a *Access, path string) {
		for _, name := range []string{"hidden/file", "hidden/nothing", "hidden/dir", "hidden/dir/file", "rw/secret",
			"rw/secret/deep", "rw/dir/secret"} {
			for _, c := range ruledCalls {
				if err := c.call(a, name); err != errUncached {
					assert.ErrorIs(t, err, fs.ErrNotExist, "%s of %s", c.method, name)
				}
			}
		}
		info, err := fs.Stat(a.FS, "hidden/file")
		require.NoError(t, err)
		assert.EqualValues(t, 7, info.Size())
	})
}

// Nothing in a folder that may be read can be changed, by either end of a call.
func TestRulesReadOnlyFolder(t *testing.T) {
	t.Parallel()
	eachRuled(t, usualRules, func(t *testing.T, a *Access, path string) {
		for _, name := range []string{"ro", "ro/file", "ro/dir", "ro/new", "top", "new"} {
			for _, c := range ruledCalls {
				if err := c.call(a, name); c.right&^wasi.ReadOnly != 0 && err != errUncached {
					assert.ErrorIs(t, err, fs.ErrPermission, "%s of %s", c.method, name)
				}
			}
		}
		file, _, err := a.Open("ro/file", 3)
		require.NoError(t, err)
		content, err := io.ReadAll(file)
		require.NoError(t, err)
		assert.Equal(t, "tent", string(content))
		require.NoError(t, file.Close())
		_, _, err = a.Open("drop/file", 0)
		assert.ErrorIs(t, err, fs.ErrPermission)
	})
}

// Every method of an Access is among ruledCalls, or has a test of its own, or needs none.
func TestRulesEveryMethod(t *testing.T) {
	t.Parallel()
	tried := []string{"Able", "Anywhere", "Record", "RightsTo", "Symlink"}
	for _, c := range ruledCalls {
		tried = append(tried, c.method)
	}
	for m := range reflect.TypeFor[*Access]().Methods() {
		assert.Contains(t, tried, m.Name)
	}
}

// What the rules allow works.
func TestRulesAllow(t *testing.T) {
	t.Parallel()
	eachRuled(t, usualRules, func(t *testing.T, a *Access, path string) {
		require.NoError(t, created(a, "rw/file", os.O_TRUNC))
		require.NoError(t, created(a, "drop/new", os.O_EXCL))
		require.NoError(t, a.Mkdir("rw/made", nil))
		require.NoError(t, a.Rename(t.Context(), "rw/file", "rw/made/file"))
		require.NoError(t, a.Rename(t.Context(), "rw/made", "rw/moved"), "the rule /**/secret holds wherever it is")
		require.NoError(t, a.Chtimes("rw/moved/file", time.Unix(1, 0)))
		require.NoError(t, a.RemoveTree(t.Context(), "rw/moved"))
		_, err := a.Enter("rw/dir")
		require.NoError(t, err)
		assert.Equal(t, []string{"dir", "empty"}, listNames(t, a, "rw"), "all but the secret")
		assert.Equal(t, wasi.ReadWrite, a.Anywhere())
		assert.Zero(t, a.Able()&wasi.AbleSymlink)
	})
}

// listNames lists a directory, and checks that a listing of names has the same ones.
func listNames(t *testing.T, a *Access, name string) []string {
	t.Helper()
	var lists [2][]string
	for i := range lists {
		l, err := a.List(name, i == 1)
		require.NoError(t, err, name)
		for {
			entry, err := l.Next()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			lists[i] = append(lists[i], entry.Name)
		}
		require.NoError(t, l.Close())
		slices.Sort(lists[i])
	}
	assert.Equal(t, lists[0], lists[1])
	return lists[0]
}

// The folders above one with rights can be entered, and show nothing but the way.
func TestRulesWay(t *testing.T) {
	t.Parallel()
	rules := []Rule{{Pattern: "/hidden/shown", Rights: wasi.ReadOnly}, {Pattern: "/drop", Rights: wasi.WriteOnly},
		{Pattern: "/rw/*/file", Rights: wasi.ReadOnly}, {Pattern: "/ro/**/file", Rights: wasi.ReadOnly},
		{Pattern: "/top/way", Rights: wasi.ReadOnly}}
	eachRuled(t, rules, func(t *testing.T, a *Access, path string) {
		a.Rights = 0
		assert.Equal(t, []string{"hidden", "ro", "rw"}, listNames(t, a, "."),
			"top is a file, and leads nowhere; drop may not be listed")
		assert.Equal(t, []string{"shown"}, listNames(t, a, "hidden"))
		assert.Equal(t, []string{"file"}, listNames(t, a, "hidden/shown"))
		assert.Equal(t, []string{"dir", "empty"}, listNames(t, a, "rw"))
		assert.Equal(t, []string{"file"}, listNames(t, a, "rw/dir"))
		for _, name := range []string{".", "hidden", "hidden/shown", "drop", "rw/dir"} {
			_, err := a.Enter(name)
			assert.NoError(t, err, name)
		}
		for _, name := range []string{"hidden/dir", "hidden/file", "top", "ro/dir", "rw/file", "nothing"} {
			_, err := a.Enter(name)
			assert.ErrorIs(t, err, fs.ErrNotExist, name)
			_, err = a.Stat(name, true)
			assert.ErrorIs(t, err, fs.ErrNotExist, name)
			_, err = a.List(name, true)
			assert.ErrorIs(t, err, fs.ErrNotExist, name)
		}
		_, err := a.List("drop", false)
		assert.ErrorIs(t, err, fs.ErrPermission)
		assert.ErrorIs(t, a.Mkdir("hidden/new", nil), fs.ErrNotExist)
		assert.ErrorIs(t, a.Remove("hidden", true), fs.ErrPermission)
	})
}

func TestRulesNothingToSee(t *testing.T) {
	t.Parallel()
	eachRuled(t, []Rule{{Pattern: "/drop", Rights: wasi.WriteOnly}}, func(t *testing.T, a *Access, path string) {
		a.Rights = 0
		_, err := a.List(".", false)
		assert.ErrorIs(t, err, fs.ErrPermission)
		_, err = a.Enter(".")
		assert.NoError(t, err)
	})
}

// A tree is not removed where its rules forbid it.
func TestRulesRemoveTree(t *testing.T) {
	t.Parallel()
	rules := []Rule{{Pattern: "/rw", Rights: wasi.ReadWrite}, {Pattern: "/rw/dir/file"},
		{Pattern: "/hidden", Rights: wasi.ReadWrite}, {Pattern: "/hidden/dir", Rights: wasi.ReadOnly}}
	eachRuled(t, rules, func(t *testing.T, a *Access, path string) {
		assert.ErrorIs(t, a.RemoveTree(t.Context(), "rw"), syscall.ENOTEMPTY)
		assert.Contains(t, listNames(t, a, "rw"), "dir", "a hidden file stays, and its folder")
		assert.ErrorIs(t, a.RemoveTree(t.Context(), "hidden"), fs.ErrPermission)
		for _, name := range []string{"rw/dir/file", "hidden/dir/file"} {
			_, err := fs.Stat(a.FS, name)
			assert.NoError(t, err, name)
		}
	})
}

// A rename gains no right.
func TestRulesRename(t *testing.T) {
	t.Parallel()
	const mover = wasi.RightRename
	rules := []Rule{{Pattern: "/hidden", Rights: wasi.ReadWrite}, {Pattern: "/hidden/dir/file"},
		{Pattern: "/ro", Rights: mover | wasi.RightList}, {Pattern: "/rw", Rights: wasi.ReadWrite}, {Pattern: "/drop", Rights: mover},
		{Pattern: "/rw/dir", Rights: wasi.ReadWrite, MaxSize: 5, Refuse: []string{"*.exe"}}}
	eachRuled(t, rules, func(t *testing.T, a *Access, path string) {
		for _, test := range []struct {
			from, to string
			want     error
		}{
			{"ro/file", "rw/stolen", fs.ErrPermission},
			{"drop/file", "ro/listed", fs.ErrPermission},
			{"ro/dir", "rw/stolen", fs.ErrPermission},
			{"hidden/dir", "rw/stolen", fs.ErrPermission}, // with a hidden file in it
			{"rw/empty", "hidden/dir", fs.ErrPermission},
			{"rw/empty", "rw/dir/empty", fs.ErrPermission}, // whose files may be too large
			{"rw/file", "rw/dir/large", syscall.EFBIG},
			{"rw/dir/file", "rw/dir/file.exe", fs.ErrInvalid},
			{"rw/file", "ro/file", fs.ErrPermission}, // replaces it
			{"rw/missing", "rw/new", fs.ErrNotExist},
			{"rw/file", "ro/new", nil},
			{"hidden/dir/file", "rw/new", fs.ErrNotExist},
			{"rw/secret", "hidden/dir/file", fs.ErrNotExist},
			{"hidden/shown", "rw/shown", nil},
		} {
			err := a.Rename(t.Context(), test.from, test.to)
			assert.ErrorIs(t, err, test.want, "%s to %s", test.from, test.to)
		}
	})
}

// Uploads keep to the size and the names of their rule.
func TestRulesLimitUploads(t *testing.T) {
	t.Parallel()
	rules := []Rule{{Pattern: "/rw", Rights: wasi.ReadWrite, MaxSize: 10, Accept: []string{"*.jpg", "f*"},
		Refuse: []string{"*x.jpg"}}}
	eachRuled(t, rules, func(t *testing.T, a *Access, path string) {
		for _, name := range []string{"rw/a.png", "rw/x.jpg"} {
			for _, flag := range []int{os.O_TRUNC, os.O_APPEND, os.O_EXCL, 0} {
				assert.ErrorIs(t, created(a, name, flag), fs.ErrInvalid, name)
			}
			_, _, ok := a.CreateCached(name, nil)
			assert.False(t, ok)
			assert.ErrorIs(t, a.Rename(t.Context(), "rw/file", name), fs.ErrInvalid)
		}
		for _, test := range []struct {
			name, more string
			flag       int
			offset     int64
			fits       bool
		}{
			{"rw/a.jpg", "0123456789", os.O_TRUNC, 0, true},
			{"rw/a.jpg", "0123456789x", os.O_TRUNC, 0, false},
			{"rw/b.jpg", "0123456789x", os.O_EXCL, 0, false},
			{"rw/file", "012", os.O_APPEND, 0, true}, // 7 are there
			{"rw/file", "0123", os.O_APPEND, 0, false},
			{"rw/file", "01234", 0, 5, true},
			{"rw/file", "012345", 0, 5, false},
			{"rw/file", "", os.O_TRUNC, 0, true},
		} {
			for _, pieces := range []int{1, 100} {
				for _, name := range []string{"rw/a.jpg", "rw/b.jpg"} {
					a.FS.(RemoveFS).Remove(name)
				}
				put(t, a.FS.(fscontract.FS), "rw/file", "content")
				up, _, err := a.Create(test.name, test.flag, test.offset, nil)
				require.NoError(t, err)
				if pieces == 1 {
					_, err = io.Copy(struct{ io.Writer }{up}, iotest.OneByteReader(strings.NewReader(test.more)))
				} else {
					_, err = io.Copy(up, strings.NewReader(test.more))
				}
				if test.fits {
					assert.NoError(t, err)
					assert.NoError(t, up.Commit())
					continue
				}
				assert.ErrorIs(t, err, syscall.EFBIG, "%+v", test)
				assert.ErrorIs(t, up.Commit(), syscall.EFBIG)
			}
		}
	})
}

// No link leads around a rule, wherever it stands in a name.
func TestRulesThroughLinks(t *testing.T) {
	t.Parallel()
	eachRuled(t, usualRules, func(t *testing.T, a *Access, path string) {
		if path == "" || runtime.GOOS == "windows" {
			t.Skip("no links here")
		}
		for link, target := range map[string]string{"rw/link": "../hidden", "rw/abs": "/hidden", "rw/one": "../hidden/file",
			"rw/self": "dir", "ro/out": "../rw/file"} {
			require.NoError(t, os.Symlink(target, filepath.Join(path, link)))
		}
		for _, name := range []string{"rw/link/file", "rw/link/dir", "rw/abs/file", "rw/self/file", "rw/link/new", "rw/abs/new"} {
			for _, c := range ruledCalls {
				if err := c.call(a, name); err != errUncached {
					assert.Error(t, err, "%s of %s", c.method, name)
				}
			}
		}
		for _, c := range ruledCalls {
			follows := !slices.Contains([]string{"Remove", "RemoveTree", "Rename", "Stat"}, c.method)
			if follows {
				assert.Error(t, c.call(a, "rw/one"), "%s of a link", c.method)
			}
		}
		content, err := os.ReadFile(filepath.Join(path, "hidden/file"))
		require.NoError(t, err)
		assert.Equal(t, "content", string(content))
		assert.ErrorIs(t, a.Symlink("hidden/file", "rw/mine"), fs.ErrNotExist)
		assert.ErrorIs(t, a.Symlink("rw/file", "rw/mine"), fs.ErrPermission)
		_, err = a.Stat("ro/out", false)
		assert.ErrorIs(t, err, fs.ErrPermission)
		_, err = a.Stat("ro/out", true)
		assert.NoError(t, err)
		a.FollowLinks = true
		l, err := a.List("ro", false)
		require.NoError(t, err)
		defer l.Close()
		for {
			entry, err := l.Next()
			if err != nil {
				break
			}
			assert.Empty(t, entry.Target)
			if entry.Name == "out" {
				assert.EqualValues(t, wasi.TypeLink, entry.Stat.Mode&wasi.TypeMask)
			}
		}
	})
}

// The records of files tell which rights are lacking.
func TestRulesDenied(t *testing.T) {
	t.Parallel()
	eachRuled(t, usualRules, func(t *testing.T, a *Access, path string) {
		want := map[string]wasi.Rights{"ro": wasi.ReadWrite &^ wasi.ReadOnly, "rw": 0, "top": wasi.ReadWrite &^ wasi.ReadOnly,
			"drop": wasi.ReadWrite &^ wasi.WriteOnly, "hidden": wasi.ReadWrite &^ wasi.ReadOnly}
		l, err := a.List(".", false)
		require.NoError(t, err)
		defer l.Close()
		for {
			entry, err := l.Next()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			assert.Equal(t, want[entry.Name], entry.Stat.Denied(), entry.Name)
			info, err := a.Stat(entry.Name, false)
			require.NoError(t, err)
			record := a.Record(entry.Name, info)
			assert.Equal(t, want[entry.Name], record.Denied(), entry.Name)
			delete(want, entry.Name)
		}
		assert.Empty(t, want)
		inside, err := a.List("ro", false)
		require.NoError(t, err)
		defer inside.Close()
		entry, err := inside.Next()
		require.NoError(t, err)
		assert.Equal(t, wasi.ReadWrite&^wasi.ReadOnly, entry.Stat.Denied())
	})
}

// folding is a storage that ignores case.
type folding struct{ *Memory }

func (f folding) FoldsNames() bool { return true }

func TestRulesOfFoldingStorage(t *testing.T) {
	t.Parallel()
	m := NewMemory()
	put(t, m, "SECRET", "content")
	put(t, m, "SECRET~1", "content")
	for _, fsys := range []fs.FS{folding{m}, ReadOnly(folding{m})} {
		a := &Access{FS: fsys, Rights: wasi.ReadOnly, Rules: compiled(t, Rule{Pattern: "/Secret"})}
		for _, name := range []string{"SECRET", "secret", "SECRET~1"} {
			_, _, err := a.Open(name, 0)
			assert.ErrorIs(t, err, fs.ErrNotExist, name)
		}
		assert.Empty(t, listNames(t, a, "."))
	}
}
