package tests

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/module/ftp"
	"wasiftp/tests/script"
	"wasiftp/wasi"
)

// rightNames names all rights.
var rightNames = map[host.Rights]string{host.RightRead: "read", host.RightList: "list", host.RightWrite: "write",
	host.RightDelete: "delete",
	host.RightRename: "rename", host.RightMkdir: "make directories", host.RightAdmin: "administer"}

// limited is a server with one account, whose rights and files fresh sets.
type limited struct {
	t       testing.TB
	network script.Network
	rights  host.Rights
	account atomic.Pointer[host.Account]
}

const (
	content = "what only a reader may see"
	hidden  = "what-only-a-lister-may-see"
)

// fresh makes new files, and a session of an account with these rights.
func (l *limited) fresh(rights host.Rights) (*talk, *fsbridge.Memory) {
	l.t.Helper()
	files := fsbridge.NewMemory()
	for _, dir := range []string{"dir", "full"} {
		require.NoError(l.t, files.Mkdir(dir, nil))
	}
	for _, name := range []string{"inside", "taken", "full/" + hidden} {
		require.NoError(l.t, putFile(files, name, []byte(content+name), past))
	}
	l.rights = rights
	l.account.Store(&host.Account{FS: files, Rights: rights})
	return login(l.t, l.network, "u"), files
}

// state describes a file or directory.
type state struct {
	dir     bool
	content string
	about   string
}

func states(t testing.TB, files fs.FS) map[string]state {
	t.Helper()
	all := map[string]state{}
	require.NoError(t, fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		s := state{dir: entry.IsDir()}
		if !s.dir {
			b, err := fs.ReadFile(files, name)
			if err != nil {
				return err
			}
			s.content = string(b)
			s.about = fmt.Sprint(info.Mode(), info.ModTime().Unix(), info.(interface{ Created() time.Time }).Created().Unix())
		}
		all[name] = s
		return nil
	}))
	return all
}

// needed are the rights without which before could not have become after.
func needed(before, after map[string]state, renames bool) (rights host.Rights) {
	for name, was := range before {
		is, there := after[name]
		switch {
		case renames && !there:
			rights |= host.RightRename
		case !there:
			rights |= host.RightDelete
		case is.content == was.content && is.about != was.about:
			rights |= host.RightWrite
		case is.content == was.content:
		case renames:
			rights |= host.RightRename | host.RightDelete
		case strings.HasPrefix(is.content, was.content):
			rights |= host.RightWrite
		default:
			rights |= host.RightWrite | host.RightDelete
		}
	}
	for name, is := range after {
		if !renames && strings.Count(is.content, content) > strings.Count(before[name].content, content) {
			rights |= host.RightRead // of the file that it was copied from
		}
		if _, there := before[name]; there {
			continue
		}
		switch {
		case renames:
			rights |= host.RightRename
		case is.dir:
			rights |= host.RightMkdir
		default:
			rights |= host.RightWrite
		}
	}
	return rights
}

// Every verb that takes a pathname, by accounts that have one right alone, all but one,
// none or all: it does nothing that needs a right the account does not have.
func TestThreat25RightsOfEveryVerb(t *testing.T) {
	t.Parallel()
	l := &limited{t: t}
	_, l.network = serve(t, host.Config{Allow: allowed, Authenticator: host.AuthenticatorFunc(
		func(context.Context, host.Login) (*host.Account, error) { return l.account.Load(), nil })})
	sets := []host.Rights{0, host.ReadWrite}
	for right := range rightNames {
		sets = append(sets, right, host.ReadWrite&^right)
	}
	seen := host.Rights(0) // needed by anything at all
	for _, verb := range pathnameVerbs() {
		did := false
		for _, rights := range sets {
			used := l.use(verb, rights)
			assert.Zero(t, used&^rights, "%s did what needs %s with nothing but %s", verb.Name, rightsText(used&^rights),
				rightsText(rights))
			did = did || used != 0
			seen |= used
		}
		if mutates := verb.Right != 0 && verb.Name != "RNFR" && verb.Name != "MLST" && verb.Name != "AVBL" &&
			verb.Name != "SITE SYMLINK"; mutates {
			assert.True(t, did, "%s never did anything, so that nothing was tested", verb.Name)
		}
	}
	assert.Equal(t, host.ReadWrite, seen, "some right was never needed")
}

func rightsText(rights host.Rights) string {
	var text []string
	for right, name := range rightNames {
		if rights&right != 0 {
			text = append(text, name)
		}
	}
	return fmt.Sprintf("%q", text)
}

// yes is a completion reply.
var yes = regexp.MustCompile(`(?m)^2\d\d `)

// use says a verb in all its forms on all kinds of names, and returns the rights that its
// effects need.
func (l *limited) use(verb ftp.Verb, rights host.Rights) (used host.Rights) {
	l.t.Helper()
	for _, name := range []string{"inside", "taken", "dir", "full", "new", "dir/new", "/"} {
		c, files := l.fresh(rights)
		before := states(l.t, files)
		told := &strings.Builder{}
		said := lines(verb, name)
		if verb.Name == "STOR" {
			said = append(said, "REST 3", "STOR "+name)
		}
		for _, line := range said {
			l.try(c, line, told)
		}
		renames := verb.Name == "RNTO" || verb.Name == "RNFR"
		used |= needed(before, states(l.t, files), renames)
		if strings.Contains(told.String(), content) || verb.Right == wasi.RightRead && yes.MatchString(told.String()) {
			used |= host.RightRead // a hash tells of the content too
		}
		if strings.Contains(told.String(), hidden) {
			used |= host.RightList
		}
		c.control.Close()
	}
	return used
}

// try says a line, and sends or receives a little data if the command transfers.
func (l *limited) try(c *talk, line string, told io.Writer) {
	l.t.Helper()
	var d script.Conn
	verb, _, _ := strings.Cut(line, " ")
	switch verb {
	case "RETR", "LIST", "NLST", "MLSD", "STOR", "STOU", "APPE":
		d = c.data()
		defer d.Close()
	}
	r := c.say(line)
	fmt.Fprintln(told, r.Code, r.Text())
	if r.Code != 150 {
		return
	}
	if strings.HasPrefix(verb, "STO") || verb == "APPE" {
		io.WriteString(d, "uploaded")
		d.Close()
	} else {
		io.Copy(told, d)
	}
	r = c.reply()
	fmt.Fprintln(told, r.Code, r.Text())
}

// A tree in memory has no links, so this test uses a folder.
func TestThreat25RightsOfSymlink(t *testing.T) {
	t.Parallel()
	for right, name := range rightNames {
		root := t.TempDir()
		dir, err := fsbridge.OpenDir(root, fsbridge.DirOptions{})
		require.NoError(t, err)
		t.Cleanup(func() { dir.Close() })
		account := &host.Account{FS: dir, Rights: right}
		_, network := serve(t, host.Config{Allow: allowed, Authenticator: host.AuthenticatorFunc(
			func(context.Context, host.Login) (*host.Account, error) { return account, nil })})
		code := login(t, network, "u").do("SITE SYMLINK file link")
		if right == host.RightWrite {
			assert.Equal(t, 250, code)
			continue
		}
		assert.Equal(t, 550, code, name)
		assert.Empty(t, fileNames(t, root))
	}
}
