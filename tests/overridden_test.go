package tests

import (
	"context"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
)

// forbidding is a folder whose embedder forbids one method. The methods that it does not
// override are the folder's.
type forbidding struct {
	*fsbridge.Dir
	method string
}

func (f forbidding) may(method string) error {
	if f.method == method {
		return &fs.PathError{Op: method, Err: fs.ErrPermission}
	}
	return nil
}

func (f forbidding) Open(name string) (fs.File, error) {
	if err := f.may("Open"); err != nil && name != "." {
		return nil, err
	}
	return f.Dir.Open(name)
}

func (f forbidding) Create(name string, flag int, offset int64, perm *fs.FileMode) (fsbridge.Upload, error) {
	if err := f.may("Create"); err != nil {
		return nil, err
	}
	return f.Dir.Create(name, flag, offset, perm)
}

func (f forbidding) Mkdir(name string, perm *fs.FileMode) error {
	if err := f.may("Mkdir"); err != nil {
		return err
	}
	return f.Dir.Mkdir(name, perm)
}

func (f forbidding) Remove(name string) error {
	if err := f.may("Remove"); err != nil {
		return err
	}
	return f.Dir.Remove(name)
}

func (f forbidding) Rename(ctx context.Context, from, to string) error {
	if err := f.may("Rename"); err != nil {
		return err
	}
	return f.Dir.Rename(ctx, from, to)
}

func (f forbidding) Chtimes(name string, mtime time.Time) error {
	if err := f.may("Chtimes"); err != nil {
		return err
	}
	return f.Dir.Chtimes(name, mtime)
}

func (f forbidding) Chmod(name string, mode fs.FileMode) error {
	if err := f.may("Chmod"); err != nil {
		return err
	}
	return f.Dir.Chmod(name, mode)
}

func (f forbidding) Symlink(target, name string) error {
	if err := f.may("Symlink"); err != nil {
		return err
	}
	return f.Dir.Symlink(target, name)
}

// overrides has for each method all ways in which a client can make the server call it.
// "+" is an upload, "-" a download, and "|" stands between commands.
var overrides = map[string][]string{
	"Open": {"-RETR file", "HASH file", "XMD5 file", "SITE COPY file new", "SITE CPFR file|SITE CPTO new", "COMB new file"},
	"Create": {"+STOR new", "+STOR file", "+APPE file", "+STOU new", "REST 1|+STOR file", "RANG 0 1|+STOR file",
		"SITE COPY file new", "COMB new file"},
	"Mkdir":  {"MKD new", "XMKD new", "SITE MKDIR new/below"},
	"Remove": {"DELE file", "RMD empty", "XRMD empty", "SITE RMDIR dir"},
	"Rename": {"RNFR file|RNTO new", "RNFR dir|RNTO new"},
	"Chtimes": {"MFMT 20010203040506 file", "MDTM 20010203040506 file", "SITE UTIME 200102030405 file",
		"MFF Modify=20010203040506; file"},
	"Chmod":   {"SITE CHMOD 600 file", "MFF UNIX.mode=0600; file"},
	"Symlink": {"SITE SYMLINK file new"},
}

// TestOverridesHold: what an embedder's type forbids is forbidden by every verb, also
// under a umask.
func TestOverridesHold(t *testing.T) {
	t.Parallel()
	if os.PathSeparator == '\\' {
		t.Skip("not all of this can be asked for there")
	}
	for method, ways := range overrides {
		for _, umask := range []string{"", "SITE UMASK 077|"} {
			for _, way := range ways {
				t.Run(method+": "+umask+way, func(t *testing.T) {
					t.Parallel()
					root := t.TempDir()
					dir := openFolder(t, root)
					require.NoError(t, os.WriteFile(root+"/file", []byte("content"), 0o644))
					require.NoError(t, os.Mkdir(root+"/empty", 0o755))
					require.NoError(t, os.Mkdir(root+"/dir", 0o755))
					require.NoError(t, os.WriteFile(root+"/dir/below", nil, 0o644))
					before := look(t, root)
					_, network := serve(t, host.Config{
						Authenticator: accounts(forbidding{dir, method}), Allow: host.Allow{SiteCopy: true, SiteSymlink: true,
							SiteRmdir: true, Combine: true},
					})
					c := login(t, network, "u")
					code := 0
					for command := range strings.SplitSeq(umask+way, "|") {
						line := strings.TrimLeft(command, "+-")
						switch command[0] {
						case '+':
							code = c.store(line, "more")
						case '-':
							_, code = c.get(line)
						default:
							code = c.do(line)
						}
					}
					assert.GreaterOrEqual(t, code, 400)
					assert.Equal(t, before, look(t, root))
				})
			}
		}
	}
	// A new method of Dir belongs in overrides, or in this list if it changes nothing.
	for of := range reflect.TypeFor[*fsbridge.Dir]().Methods() {
		if changes := overrides[of.Name] != nil; !changes {
			assert.Contains(t, []string{"Close", "Enter", "FoldsNames", "Lstat", "NoLinks", "ReadLink", "Space", "Stat", "Sweep",
				"TellsCreated"}, of.Name)
		}
	}
}

// look describes all files of a tree.
func look(t *testing.T, root string) (all []string) {
	t.Helper()
	require.NoError(t, fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content := []byte{}
		if info.Mode().IsRegular() {
			content, err = os.ReadFile(root + "/" + name)
		}
		all = append(all, name+" "+info.Mode().String()+" "+info.ModTime().String()+" "+string(content))
		return err
	}))
	return all
}
