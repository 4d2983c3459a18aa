package fsbridge

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge/fscontract"
)

func TestValidName(t *testing.T) {
	t.Parallel()
	everywhere := []string{".", "a", "a/b/c", "..a", ".a", "%2e%2e", "-", "~", "grün", "\xff", "CONSOLE", "COM", "COM10",
		"nulls", "a.con"}
	unix := []string{`\`, `..\..\x`, "C:", "c:/x", "f:$DATA", "f::$DATA", "NUL", "nul.txt", "Con", "aux .x", "com1",
		"LPT9.log", "COM¹", "conin$", "CONOUT$", "a.", "a..", "a ", "a/b./c", ".. ", ". .", "...", "*", "?", `"`, "<", ">", "|",
		"\r\n", "\x01"}
	nowhere := []string{"", "/", "/a", "a/", "a//b", "..", "../a", "a/..", "a/../b", "./a", "a/.", "a/./b", "//srv/share",
		"\x00", "a\x00b", "a/\x00/b"}
	for windows, valid := range map[bool][2][]string{false: {slices.Concat(everywhere, unix), nowhere},
		true: {everywhere, slices.Concat(unix, nowhere)}} {
		for _, name := range valid[0] {
			assert.True(t, validName(name, windows), "%q, Windows: %v", name, windows)
		}
		for _, name := range valid[1] {
			assert.False(t, validName(name, windows), "%q, Windows: %v", name, windows)
		}
	}
}

// A file system may take another name for that of a hidden upload: it folds case outside
// ASCII, ignores invisible characters, or gives each file a short name.
func TestHiddenNameInOtherSpellings(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		".wasiftp-upload-X", ".WASIFTP-UPLOAD-", "dir/.Wasiftp-Upload-X", ".wasiftp-upload-x/below", ".wa\u017fiftp-upload-X",
		".was\u200diftp-upload-X", "\ufeff.wasiftp-upload-X", ".wasiftp\ufe0f-upload-X", ".wasiftp-upload-\xff", "WASIFT~1",
		"wasift~2", "dir/WaSiFt~12/x",
	} {
		assert.True(t, hiddenName(name), "%q", name)
	}
	for _, name := range []string{
		".", "", "wasiftp-upload-X", ".wasiftp-upload", ".wasiftp-uploads-X", "a.wasiftp-upload-X", ".wasiftp_upload-X",
		".wasiftp-\xffupload-X",
		"wasift", "wasift~", "wasift~0", "wasift~a", "a/wasift", "WASIF~1", ".wasıftp-upload-X",
	} {
		assert.False(t, hiddenName(name), "%q", name)
	}
}

// hostile are names that have led servers out of their root.
var hostile = []string{
	"", "/", "//", ".", "..", "../", "../..", "../outside", "../../../../../../etc/passwd", "/etc/passwd", "//etc/passwd",
	"//srv/share",
	"dir/..", "dir/../..", "dir/../../outside", "dir/./../..", "....//", "..../outside", ".../...//outside", "..;/outside",
	"./../outside", "inside/../../outside",
	`..\`, `..\outside`, `..\..\outside`, `dir\..\..\outside`, `\etc\passwd`, `\\srv\share`, `\\?\C:\`, `\\.\PhysicalDrive0`,
	"C:", "C:/", `C:\`, "C:outside", "c:../outside",
	"..\x00", "dir\x00/../../outside", "\x00", "../outside\x00", "%2e%2e/outside", "%2e%2e%2foutside", "..%2foutside",
	"%252e%252e%252foutside",
	"\xc0\xae\xc0\xae/outside", "..\xc0\xafoutside", "\xe0\x80\xae\xe0\x80\xae/outside", "\xf0\x80\x80\xae./outside",
	"\u2025/outside", "\uff0e\uff0e/outside", "..\u2215outside", "..\uff0foutside",
	"..", ".. ", "..  /outside", "...", ".. ./outside", "dir./../outside", "dir /..", "../outside.", "../outside ",
	"CON", "con.txt", "NUL", "nul", "AUX", "PRN", "COM1", "LPT1", "COM¹", "CONIN$", "inside:$DATA", "inside::$DATA",
	"dir:$I30:$INDEX_ALLOCATION", "~", "~root", "~/outside",
	"-rf", "|ls", "`ls`", "$(ls)", "dir/\r\n/../..", "\r\n", ".wasiftp-upload-", ".WASIFTP-Upload-x", "dir/.wasiftp-upload-x/..",
}

// everything calls each method with a name, and returns the content that it could read.
func everything(fsys fscontract.FS, name string) (read string) {
	if file, err := fsys.Open(name); err == nil {
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			content, _ := io.ReadAll(file)
			read = string(content)
		}
		file.Close()
	}
	fsys.Stat(name)
	fs.Lstat(fsys, name)
	fs.ReadLink(fsys, name)
	write(fsys, name, os.O_EXCL, "written")
	write(fsys, name, os.O_APPEND, "written")
	write(fsys, name, 0, "written")
	write(fsys, name, os.O_TRUNC, "written")
	fsys.Chtimes(name, time.Unix(1e9, 0))
	fsys.Chmod(name, 0o700)
	fsys.Rename(context.Background(), name, "renamed")
	fsys.Rename(context.Background(), "renamed", name)
	fsys.Mkdir(name, nil)
	fsys.Rename(context.Background(), name, "renamed")
	fsys.Remove("renamed")
	fsys.Remove(name)
	fsys.Mkdir(name, nil)
	fsys.Remove(name)
	if d, ok := fsys.(*Dir); ok {
		d.Symlink("inside", name)
		d.Symlink(name, "link")
		d.Remove("link")
		write(fscontract.Masked{FS: d, Mask: 0o77}, name, os.O_TRUNC, "written")
	}
	return read
}

// jail is a root with a secret file and directory beside it.
type jail struct {
	root   string
	before []string
}

func newJail(t testing.TB) jail {
	j := jail{root: filepath.Join(t.TempDir(), "root")}
	for _, dir := range []string{"", "dir", "../outside dir"} {
		require.NoError(t, os.Mkdir(filepath.Join(j.root, dir), 0o755))
	}
	for file, content := range map[string]string{"../outside": "secret", "../outside dir/outside": "secret", "inside": "inside"} {
		require.NoError(t, os.WriteFile(filepath.Join(j.root, file), []byte(content), 0o644))
	}
	j.before = j.outside(t)
	return j
}

// outside describes everything that is not in the root.
func (j jail) outside(t testing.TB) (all []string) {
	require.NoError(t, filepath.WalkDir(filepath.Dir(j.root), func(name string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		if name == j.root {
			return fs.SkipDir
		}
		info, err := entry.Info()
		require.NoError(t, err)
		all = append(all, name, info.Mode().String())
		if !entry.IsDir() {
			content, err := os.ReadFile(name)
			require.NoError(t, err)
			all = append(all, info.ModTime().String(), string(content))
		}
		return nil
	}))
	return all
}

func (j jail) unchanged(t testing.TB) {
	t.Helper()
	assert.Equal(t, j.before, j.outside(t))
}

func TestThreat09TraversalStaysInside(t *testing.T) {
	t.Parallel()
	for way, kind := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			j := newJail(t)
			d := testDir(t, j.root, kind.options, kind.fast)
			for _, name := range hostile {
				assert.NotEqual(t, "secret", everything(d, name), "%q", name)
				assert.NotEqual(t, "secret", everything(d, "dir/"+name), "%q", name)
			}
			j.unchanged(t)
		})
	}
}

// below computes by other means what validName should say.
func below(name string) bool {
	return path.Clean(name) == name && !path.IsAbs(name) && name != ".." && !strings.HasPrefix(name, "../") &&
		!strings.Contains(name, "\x00")
}

func TestThreat09TraversalIsRefusedByName(t *testing.T) {
	t.Parallel()
	for _, name := range hostile {
		assert.Equal(t, below(name), validName(name, false), "%q", name)
	}
}

// FuzzName: no name reaches what is outside.
func FuzzName(f *testing.F) {
	require.NotEmpty(f, hostile)
	for _, name := range hostile {
		f.Add(name)
	}
	j := newJail(f)
	require.NoError(f, os.Symlink("../outside dir", filepath.Join(j.root, "link")))
	require.NoError(f, os.Symlink("dir/..", filepath.Join(j.root, "dir", "up")))
	var dirs []*Dir
	for _, way := range ways {
		if !way.options.Sync {
			dirs = append(dirs, testDir(f, j.root, way.options, way.fast))
		}
	}
	f.Fuzz(func(t *testing.T, name string) {
		if validName(name, true) && !validName(name, false) {
			t.Errorf("%q is only a name on Windows", name)
		}
		if validName(name, false) != below(name) {
			t.Errorf("%q is a name: %v", name, validName(name, false))
		}
		switch name {
		case "link", "dir", "dir/up":
			return // the test itself stands on them
		}
		for _, d := range dirs {
			if everything(d, name) == "secret" {
				t.Errorf("%q leads outside", name)
			}
		}
		j.unchanged(t)
	})
}
