package tests

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/module/ftp"
	"wasiftp/tests/script"
)

// outside is a root and the files around it. Whatever a client does inside the root, the
// files around it may not change or be told.
type outside struct {
	t           testing.TB
	dir, root   string
	network     script.Network
	before      map[string]string
	transferred strings.Builder
}

const (
	secret     = "what nobody may read"
	secretName = "name-that-nobody-may-see"
)

func newOutside(t testing.TB) *outside {
	t.Helper()
	o := &outside{t: t, dir: t.TempDir()}
	o.root = filepath.Join(o.dir, "root")
	require.NoError(t, os.MkdirAll(filepath.Join(o.dir, secretName), 0o755))
	require.NoError(t, os.Mkdir(o.root, 0o755))
	for _, name := range []string{"target", "etc/passwd", "root-2/target"} {
		path := filepath.Join(o.dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(secret), 0o644))
		require.NoError(t, os.Chtimes(path, past, past))
	}
	dir, err := fsbridge.OpenDir(o.root, fsbridge.DirOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { dir.Close() })
	o.network = serveFiles(t, dir)
	o.before = o.snapshot()
	return o
}

// snapshot describes all files outside the root.
func (o *outside) snapshot() map[string]string {
	o.t.Helper()
	all := map[string]string{}
	require.NoError(o.t, filepath.WalkDir(o.dir, func(path string, entry fs.DirEntry, err error) error {
		if path == o.root {
			return fs.SkipDir
		}
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content := ""
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = string(b)
		}
		all[path] = fmt.Sprint(info.Mode(), info.ModTime().UnixNano(), content)
		return nil
	}))
	return all
}

// pathnameVerbs are all verbs that take a pathname, among them the commands of SITE by
// their whole names.
func pathnameVerbs() (verbs []ftp.Verb) {
	add := func(v ftp.Verb) {
		if v.Argument == ftp.OptionalPathname || v.Argument == ftp.RequiredPathname {
			verbs = append(verbs, v)
		}
	}
	for _, v := range ftp.Verbs() {
		add(v)
	}
	for _, v := range ftp.SiteVerbs() {
		v.Name = "SITE " + v.Name
		add(v)
	}
	return verbs
}

// quoted is a pathname for a command that takes several.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// lines are the commands by which a verb can be given a pathname.
func lines(verb ftp.Verb, name string) []string {
	const time = "20200102030405"
	switch verb.Name {
	case "MFMT":
		return []string{verb.Name + " " + time + " " + name}
	case "MFF":
		return []string{"MFF Modify=" + time + "; " + name, "MFF UNIX.mode=0777; " + name}
	case "MDTM":
		return []string{"MDTM " + name, "MDTM " + time + " " + name}
	case "COMB":
		return []string{"COMB " + quoted(name) + " inside", "COMB combined " + quoted(name), "RETR combined"}
	case "SITE CHMOD":
		return []string{"SITE CHMOD 777 " + name}
	case "SITE COPY":
		return []string{"SITE COPY " + quoted(name) + " copied", "RETR copied", "SITE COPY inside " + quoted(name)}
	case "SITE CPFR":
		return []string{"SITE CPFR " + name, "SITE CPTO copied", "RETR copied"}
	case "SITE CPTO":
		return []string{"SITE CPFR inside", "SITE CPTO " + name}
	case "SITE SYMLINK":
		return []string{"SITE SYMLINK " + quoted(name) + " made", "RETR made", "LIST made/", "STOR made/x",
			"SITE SYMLINK inside " + quoted(name)}
	case "SITE UTIME":
		return []string{"SITE UTIME " + name + " " + time, "SITE UTIME " + name + " " + time + " " + time + " " + time + " UTC"}
	case "LIST":
		return []string{"LIST " + name, "LIST -laR " + name, "LIST " + name + "/*"}
	case "NLST":
		return []string{"NLST " + name, "NLST " + name + "/*"}
	case "STAT":
		return []string{"STAT " + name, "STAT -la " + name}
	case "RNTO":
		return []string{"RNFR inside", "RNTO " + name}
	case "RNFR":
		return []string{"RNFR " + name, "RNTO taken"}
	}
	return []string{verb.Name + " " + name}
}

// tryAll tries every verb that takes a pathname with every name. Before each try set
// makes the contents of the root; after it the checks run.
func (o *outside) tryAll(names []string, set func(), checks ...func()) {
	o.t.Helper()
	verbs := 0
	for _, verb := range pathnameVerbs() {
		verbs++
		c := login(o.t, o.network, "u")
		for _, name := range names {
			require.NoError(o.t, folder{Root: o.root}.Empty())
			set()
			c.do("CWD /")
			for _, line := range lines(verb, name) {
				o.try(c, line)
			}
			if after := o.snapshot(); !assert.Equal(o.t, o.before, after, "%s %q changed something outside", verb.Name, name) {
				return
			}
			for _, check := range checks {
				check()
			}
		}
		c.alive()
	}
	assert.Greater(o.t, verbs, 15, "the verb table has hardly any verb with a pathname")
	for _, told := range []string{secret, secretName} {
		assert.NotContains(o.t, o.transferred.String(), told)
	}
}

// try says a line, and sends or receives a little data if the command transfers.
func (o *outside) try(c *talk, line string) {
	o.t.Helper()
	transfers := strings.HasPrefix(line, "RETR") || strings.HasPrefix(line, "STO") || strings.HasPrefix(line, "APPE") ||
		strings.HasPrefix(line, "LIST") || strings.HasPrefix(line, "NLST") || strings.HasPrefix(line, "MLSD")
	var d script.Conn
	if transfers {
		d = c.data()
		defer d.Close()
	}
	r := c.say(line)
	o.transferred.WriteString(r.Text())
	if r.Code != 150 {
		return
	}
	if strings.HasPrefix(line, "STO") || strings.HasPrefix(line, "APPE") {
		d.Close()
	} else {
		io.Copy(&o.transferred, d)
	}
	o.transferred.WriteString(c.reply().Text())
}

func TestThreat09TraversalByEveryVerb(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	names := []string{
		"..", "../", "../target", "../../../../../../../../etc/passwd", "/..", "/../target", "//../target", "./../target",
		"inside/../../target", "dir/../../target", "....//target", "..../target", "../root-2/target", "..;/target",
		`..\target`, `\..\target`, `..\/target`, `C:`, `C:\target`, "C:/target", "//srv/share/target", `\\srv\share`,
		o.dir + "/target", o.dir, "~", "~/../target", "~root", "~/..", "%2e%2e/target", "%2e%2e%2ftarget", "..%00/target",
		"\xc0\xae\xc0\xae/target", "\xc0\xae\xc0\xae\xc0\xaftarget", "..\xc0\xaftarget", "\xe0\x80\xae\xe0\x80\xae/target",
		"../target\x00", "\x00../target", "inside\x00/../../target", "..\x01/target", "../target.", "../target...", "../target ",
		" ../target", "../target::$DATA", "inside:$DATA", "CON", "NUL", "/dev/null", "/proc/self/environ", "/etc/passwd",
		"..//..//target", "/./../.././target", "dir/.././../target", strings.Repeat("../", 200) + "target",
		strings.Repeat("dir/../", 100) + "../target", "-la ..", "-a ../target", "-- ../target", "*/../../target", "../*", "{..}/target",
	}
	links := 0
	o.tryAll(names, func() {
		require.NoError(t, os.WriteFile(filepath.Join(o.root, "inside"), nil, 0o644))
		require.NoError(t, os.Mkdir(filepath.Join(o.root, "dir"), 0o755))
	}, func() {
		links += o.linksStayInside()
	})
	assert.NotZero(t, links, "SITE SYMLINK made no link")
}

// linksStayInside checks that no link leads outside, since other programs may follow it,
// and returns the number of links.
func (o *outside) linksStayInside() (links int) {
	o.t.Helper()
	require.NoError(o.t, filepath.WalkDir(o.root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type() != fs.ModeSymlink {
			return err
		}
		links++
		target, err := os.Readlink(name)
		assert.False(o.t, filepath.IsAbs(target), target)
		assert.True(o.t, strings.HasPrefix(filepath.Join(filepath.Dir(name), target), o.root+"/"), "%s leads to %s", name, target)
		return err
	}))
	return links
}

func TestThreat10SymlinkEscapeByEveryVerb(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("making symbolic links takes rights there that tests don't have")
	}
	o := newOutside(t)
	links := map[string]string{
		"up":       "..",
		"file":     "../target",
		"absolute": o.dir,
		"passwd":   filepath.Join(o.dir, "target"),
		"chain":    "chain2",
		"chain2":   "dir/chain3",
		"slash":    "/",
		"new":      "../made-by-link",
		"deep":     "dir/../../target",
	}
	names := []string{"up", "up/target", "up/" + secretName, "up/made", "up/root/inside", "up/root-2/target", "file", "absolute",
		"absolute/target", "absolute/made", "passwd", "chain", "chain/target", "chain/made", "slash" + o.dir + "/target",
		"slash", "new", "new/made", "deep", "dir/../up/target", "dir/chain3/target", "loop", "loop/x"}
	o.tryAll(names, func() {
		require.NoError(t, os.WriteFile(filepath.Join(o.root, "inside"), nil, 0o644))
		require.NoError(t, os.Mkdir(filepath.Join(o.root, "dir"), 0o755))
		require.NoError(t, os.Symlink("../..", filepath.Join(o.root, "dir", "chain3")))
		require.NoError(t, os.Symlink("loop", filepath.Join(o.root, "loop")))
		for name, target := range links {
			require.NoError(t, os.Symlink(target, filepath.Join(o.root, name)))
		}
	})
}
