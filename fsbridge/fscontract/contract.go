// Package fscontract tests whether a storage does what a file server expects of it.
// Its interfaces use types of the standard library only.
package fscontract

import (
	"context"
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FS is a storage with the methods that most storages have. They promise what the
// methods of the same name promise in package fsbridge, and so does Symlink, which is
// found by type assertion.
type FS interface {
	fs.StatFS
	Create(name string, flag int, offset int64, perm *fs.FileMode) (Upload, error)
	Mkdir(name string, perm *fs.FileMode) error
	Remove(name string) error
	Rename(ctx context.Context, from, to string) error
	Chtimes(name string, mtime time.Time) error
	Chmod(name string, mode fs.FileMode) error
}

// Upload is what Create of [FS] returns.
type Upload = interface {
	io.Writer
	Commit() error
	Abort() error
}

// Contract is a storage under test.
type Contract struct {
	// New makes an empty storage.
	New func(t *testing.T) FS

	// Coarse is for a storage behind something that cannot carry every error or
	// every name. Any error will do then, names have no control characters, and
	// names that are not of the form of [io/fs] are not tried.
	Coarse bool
}

// Run tests a storage that is not coarse.
func Run(t *testing.T, create func(t *testing.T) FS) { Contract{New: create}.Run(t) }

// Run runs all tests, each on a storage of its own.
func (c Contract) Run(t *testing.T) {
	t.Run("read", func(t *testing.T) {
		t.Parallel()
		c.read(t, func(t *testing.T) fs.FS {
			storage := c.New(t)
			Seed(t, storage)
			return storage
		})
	})
	for name, test := range map[string]func(t *testing.T, s storage){
		"create":      testCreate,
		"replace":     testReplace,
		"append":      testAppend,
		"offset":      testOffset,
		"ends":        testEnds,
		"begun":       testBegun,
		"cut":         testCut,
		"another's":   testMadeByAnother,
		"abort":       testAbort,
		"large":       testLarge,
		"concurrent":  testConcurrent,
		"names":       testNames,
		"bad names":   testBadNames,
		"root":        testRoot,
		"pages":       testPages,
		"mkdir":       testMkdir,
		"remove":      testRemove,
		"rename":      testRename,
		"renamed":     testRenamedUpload,
		"chtimes":     testChtimes,
		"chmod":       testChmod,
		"upper bits":  testUpperBits,
		"created":     testCreated,
		"permissions": testPermissions,
		"symlink":     testSymlink,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, storage{FS: c.New(t), coarse: c.Coarse})
		})
	}
}

// RunRead tests a storage that can only be read. It holds what [Seed] writes.
func RunRead(t *testing.T, seeded func(t *testing.T) fs.FS) { Contract{}.read(t, seeded) }

// tree is what Seed writes: the contents of files, and "" for a name that ends
// in "/", which is a directory.
var tree = []struct{ name, content string }{
	{"empty", ""},
	{"hello.txt", "hello\r\nworld\n"},
	{"directory/", ""},
	{"directory/binary", strings.Repeat("\x00\xff\r\n\r\x7f", 20_000)},
	{"directory/below/", ""},
	{"directory/below/deep", "deep"},
	{"empty directory/", ""},
	{"grün", "green"},
}

// Seed writes the tree of files that [RunRead] looks for.
func Seed(t *testing.T, storage FS) {
	t.Helper()
	for _, file := range tree {
		if dir, isDir := strings.CutSuffix(file.name, "/"); isDir {
			require.NoError(t, storage.Mkdir(dir, nil))
		} else {
			put(t, storage, file.name, file.content)
		}
	}
}
