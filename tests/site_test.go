package tests

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

// FEAT lists what the storage of the account can do.
func TestFeaturesOfStorages(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir, err := fsbridge.OpenDir(root, fsbridge.DirOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { dir.Close() })
	limited := fsbridge.NewMemory()
	limited.Capacity = 1 << 20
	const facts, mff = "MLST *;create*;perm*;UNIX.mode*;", "MFF Modify;UNIX.mode;"
	for name, test := range map[string]struct {
		files    fs.FS
		has, not []string
	}{
		"directory":      {dir, []string{"MFMT", mff, "COMB", "HASH *", "REST STREAM", "MODE Z"}, []string{"MFCT"}},
		"memory":         {fsbridge.NewMemory(), []string{"MFMT", mff, facts, "COMB"}, []string{"AVBL", "MFCT"}},
		"limited memory": {limited, []string{"AVBL"}, nil},
		"read-only": {fsbridge.ReadOnly(dir), []string{"HASH *", "REST STREAM", "MDTM"}, []string{"MFMT", "MFCT", "MFF*",
			"COMB", "AVBL"}},
		"read alone": {os.DirFS(t.TempDir()), []string{"HASH *", "MDTM"}, []string{"MFMT", "MFCT", "MFF*", "COMB", "AVBL"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := login(t, serveFiles(t, test.files), "u")
			if name == "directory" && runtime.GOOS == "linux" {
				test.has = append(test.has, "AVBL")
			}
			switch {
			case name == "memory", name == "limited memory":
			case name != "read alone" && (script.Folder{Root: root}).Has("created"):
				test.has = append(test.has, facts)
			default:
				test.not = append(test.not, "MLST *create*")
			}
			feat := c.say("FEAT").Lines
			matches := func(pattern string) bool {
				return slices.ContainsFunc(feat, func(line string) bool { return script.Match(" "+pattern, line) })
			}
			for _, pattern := range test.has {
				assert.True(t, matches(pattern), "%s is not in %q", pattern, feat)
			}
			for _, pattern := range test.not {
				assert.False(t, matches(pattern), "%s is in %q", pattern, feat)
			}
		})
	}
}

// A command works if FEAT or SITE HELP lists it, and is refused if not.
func TestFeaturesWork(t *testing.T) {
	t.Parallel()
	lines := map[string]string{
		"MFMT": "MFMT 20200101000000 file", "MFF Modify;": "MFF Modify=20200101000000; file",
		"UNIX.mode;": "MFF UNIX.mode=600; file", "AVBL": "AVBL", "HASH ": "HASH file", "XCRC": "XCRC file",
		"COMB": "COMB all part", "SITE CHMOD": "SITE CHMOD 600 file", "SITE UMASK": "SITE UMASK 022", "SITE RMDIR": "SITE RMDIR dir",
		"SITE SYMLINK": "SITE SYMLINK file link", "SITE COPY": "SITE COPY file copy",
		"SITE UTIME": "SITE UTIME file 20200101000000", "SITE WHO": "SITE WHO",
		"SITE MKDIR": "SITE MKDIR new",
	}
	root := t.TempDir()
	dir, err := fsbridge.OpenDir(root, fsbridge.DirOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { dir.Close() })
	worked := map[string]bool{}
	for _, files := range []fs.FS{dir, fsbridge.ReadOnly(dir), os.DirFS(root), fsbridge.NewMemory()} {
		for _, user := range []string{"u", "ro", "admin"} {
			if m, ok := files.(*fsbridge.Memory); ok {
				m.Remove("dir")
				m.Remove("new")
				require.NoError(t, cmp.Or(m.Mkdir("dir", nil), putFile(m, "file", nil, past), putFile(m, "part", nil, past)))
			} else {
				require.NoError(t, script.Folder{Root: root}.Empty())
				require.NoError(t, os.Mkdir(filepath.Join(root, "dir"), 0o755))
				for _, name := range []string{"file", "part"} {
					require.NoError(t, os.WriteFile(filepath.Join(root, name), nil, 0o644))
				}
			}
			c := login(t, serveFiles(t, files), user)
			told := c.say("FEAT").Text() + c.say("SITE HELP").Text()
			for feature, line := range lines {
				code := c.do(line)
				works := code/100 == 2
				worked[feature] = worked[feature] || works
				assert.Equal(t, strings.Contains(told, feature), works, "%s of %T, %s: %d", user, files, line, code)
			}
		}
	}
	for feature := range lines {
		assert.True(t, worked[feature], "%s never worked", feature)
	}
}

// SITE WHO lists the sessions of all instances, and no name forges a line.
func TestWhoOfAllInstances(t *testing.T) {
	t.Parallel()
	files := fsbridge.NewMemory()
	require.NoError(t, putFile(files, "b\x01ig", make([]byte, 64<<20), past)) // more than the sockets' buffers take
	admin := accounts(files)
	_, network := serve(t, host.Config{SessionsPerInstance: 2, Authenticator: host.AuthenticatorFunc(
		func(ctx context.Context, l host.Login) (*host.Account, error) {
			if strings.HasPrefix(l.User, "x") {
				return &host.Account{Name: l.User + "\x1b[2J\r\n 98 nobody", FS: files, Rights: host.ReadOnly}, nil
			}
			return admin(ctx, l)
		})})
	const others = 7
	for i := range others {
		login(t, network, fmt.Sprint("x", i))
	}
	busy := login(t, network, "u")
	busy.data()
	require.Equal(t, 150, busy.do("RETR b\x01ig"))
	c := login(t, network, "admin")
	text := c.say("SITE WHO").Text()
	assert.Equal(t, others, strings.Count(text, "?[2J??"), text)
	assert.NotRegexp(t, `(?m)^ 98 nobody`, text)
	assert.Regexp(t, `(?m)^ \d+ 127.0.0.1 u since .*: RETR /b\?ig, \d+ bytes$`, text)
	assert.Regexp(t, `(?m)^ \d+ 127.0.0.1 admin since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d: idle$`, text)
}

// SITE WHO lists all sessions, even if they fill several pages of the host.
func TestWhoInPages(t *testing.T) {
	t.Parallel()
	files := fsbridge.NewMemory()
	_, network := serve(t, host.Config{Instances: 2, Authenticator: host.AuthenticatorFunc(
		func(_ context.Context, l host.Login) (*host.Account, error) {
			return &host.Account{Name: strings.Repeat(l.User, 900), FS: files, Rights: host.RightAdmin}, nil
		})})
	const sessions = 150 // of 1 KB each: several pages
	var last *talk
	for range sessions {
		last = login(t, network, "a")
	}
	numbers := regexp.MustCompile(`(?m)^ (\d+) 127`).FindAllStringSubmatch(last.say("SITE WHO").Text(), -1)
	require.Len(t, numbers, sessions)
	for i, n := range numbers {
		assert.Equal(t, decimal(i+1), n[1])
	}
	last.alive()
}

// SITE KICK ends sessions of all instances, with what they are at. The event names who did it,
// and the client is not told: whoever may administer is nobody's business.
func TestKick(t *testing.T) {
	t.Parallel()
	files, e := fsbridge.NewMemory(), &events{}
	require.NoError(t, putFile(files, "big", make([]byte, 64<<20), past)) // more than the sockets' buffers take
	inner := accounts(files)
	server, network := serve(t, host.Config{SessionsPerInstance: 1, Observer: e, Authenticator: host.AuthenticatorFunc(
		func(ctx context.Context, l host.Login) (*host.Account, error) {
			account, err := inner(ctx, l)
			if account != nil {
				account.Charset = "windows-1252"
			}
			return account, err
		})})
	busy, stranger := login(t, network, "u"), connect(t, network)
	d := busy.data()
	require.Equal(t, 150, busy.do("RETR big"))
	admin := login(t, network, "admin")
	require.Equal(t, 200, admin.do("CLNT boss"))
	assert.Equal(t, "200 Session 1 ends.", fullText(admin.say("SITE KICK 1 bis sp\xe4ter")))
	assert.Equal(t, "421 An administrator ends this session: bis später", fullText(busy.reply()))
	busy.ended()
	_, err := io.Copy(io.Discard, d)
	assert.Error(t, err, "the transfer is broken off")
	assert.Equal(t, 200, admin.do("SITE KICK 2"))
	assert.Equal(t, "421 An administrator ends this session.", fullText(stranger.reply()))
	stranger.ended()
	eventually(t, "both are over", func() bool { return len(server.Sessions()) == 1 && len(e.of(host.Disconnected)) == 2 })
	assert.Equal(t, 550, admin.do("SITE KICK 1"))
	assert.Equal(t, 550, admin.do("SITE KICK 3"), "its own")
	assert.Regexp(t, `(?m)^ 3 127.0.0.1 admin since .*: idle \(boss\)$`, admin.say("SITE WHO").Text())
	for i, want := range []string{"ended by the server: kicked by admin: bis später", "ended by the server: kicked by admin"} {
		over := e.of(host.Disconnected)[i]
		assert.EqualError(t, over.Err, want)
		assert.Equal(t, want, over.Reason)
		assert.Equal(t, 421, over.Reply)
	}
	admin.alive()
}

// terabytes is a storage whose files have a terabyte each. It discards uploads.
type terabytes struct {
	*fsbridge.Memory
	gate <-chan struct{} // reads wait for it, unless it is nil
	open atomic.Int32
}

func (e *terabytes) Open(name string) (fs.File, error) {
	file, err := e.Memory.Open(name)
	if err != nil || name == "." {
		return file, err
	}
	e.open.Add(1)
	return &terabytesFile{file, e}, nil
}

func (e *terabytes) Create(string, int, int64, *fs.FileMode) (fsbridge.Upload, error) {
	return discard{}, nil
}

type terabytesFile struct {
	fs.File
	files *terabytes
}

type terabytesInfo struct{ fs.FileInfo }

func (terabytesInfo) Size() int64 { return 1 << 40 }

func (f *terabytesFile) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	return terabytesInfo{info}, err
}

func (f *terabytesFile) Read(p []byte) (int, error) {
	if f.files.gate != nil {
		<-f.files.gate
	}
	return len(p), nil
}

func (f *terabytesFile) Close() error {
	f.files.open.Add(-1)
	return f.File.Close()
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Commit() error               { return nil }
func (discard) Abort() error                { return nil }

// STAT and SITE WHO show how far a copy is. It ends with ABOR, and with its session.
func TestCopyEnds(t *testing.T) {
	t.Parallel()
	files := &terabytes{Memory: fsbridge.NewMemory()}
	for _, name := range []string{"huge", "part"} {
		require.NoError(t, putFile(files.Memory, name, nil, past))
	}
	observed := &events{}
	_, network := serve(t, host.Config{Allow: allowed, Authenticator: accounts(files), Observer: observed})
	c := login(t, network, "u")
	for i, line := range []string{"SITE COPY huge copy", "COMB all part huge"} {
		c.send(line + "\r\n")
		eventually(t, "it is seen to go on", func() bool {
			return regexp.MustCompile(`under way, [1-9]\d* bytes`).MatchString(c.say("STAT").Text())
		})
		witness := login(t, network, "admin")
		assert.Regexp(t, `u since .*: SITE COPY /(huge|part), [1-9]\d* bytes`, witness.say("SITE WHO").Text())
		assert.Equal(t, 426, c.do("ABOR"))
		assert.Equal(t, 226, c.reply().Code)
		eventually(t, "what it read is closed", func() bool { return files.open.Load() == 0 })
		eventually(t, "it is told", func() bool { return len(observed.of(host.Copied)) == i+1 })
		assert.NotContains(t, witness.say("SITE WHO").Text(), "SITE COPY")
	}
	c.send("SITE COPY huge copy\r\n")
	eventually(t, "it goes on", func() bool { return files.open.Load() == 1 })
	c.control.Close()
	eventually(t, "a session that is gone copies nothing", func() bool { return len(observed.of(host.Copied)) == 3 })
	for _, e := range observed.of(host.Copied) {
		assert.Error(t, e.Err)
		assert.NotEqual(t, e.Path, e.To)
	}
}

func TestCopyStalls(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	files := &terabytes{Memory: fsbridge.NewMemory(), gate: gate}
	require.NoError(t, putFile(files.Memory, "huge", nil, past))
	_, network := serve(t, host.Config{Allow: allowed, Authenticator: accounts(files),
		Limits: host.Limits{StallTime: 100 * time.Millisecond}})
	c := login(t, network, "u")
	assert.Equal(t, 426, c.do("SITE COPY huge copy"))
	c.alive()
	close(gate)
	eventually(t, "what it read is closed", func() bool { return files.open.Load() == 0 })
}

// The observer hears of copies, links and removed trees.
func TestSiteIsObserved(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir, err := fsbridge.OpenDir(root, fsbridge.DirOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { dir.Close() })
	observed := &events{}
	_, network := serve(t, host.Config{Allow: allowed, Authenticator: accounts(dir), Observer: observed})
	c := login(t, network, "u")
	require.Equal(t, 226, c.store("STOR file", "content"))
	require.Equal(t, 250, c.do("SITE COPY file copy"))
	require.Equal(t, 257, c.do("SITE MKDIR a/b"))
	require.Equal(t, 250, c.do("SITE RMDIR a"))
	copied, deleted := observed.of(host.Copied), observed.of(host.Deleted)
	require.Len(t, copied, 1)
	assert.Equal(t, []any{"/file", "/copy", int64(7), nil, "u"}, []any{copied[0].Path, copied[0].To, copied[0].Bytes,
		copied[0].Err, copied[0].User})
	require.Len(t, deleted, 1)
	assert.Equal(t, "/a", deleted[0].Path)
	assert.Len(t, observed.of(host.Uploaded), 1, "a copy is no upload")
	if c.do("SITE SYMLINK file link") == 250 {
		linked := observed.of(host.Linked)
		require.Len(t, linked, 1)
		assert.Equal(t, []string{"/link", "/file"}, []string{linked[0].Path, linked[0].To})
	}
	content, err := os.ReadFile(filepath.Join(root, "copy"))
	require.NoError(t, err)
	assert.Equal(t, "content", string(content))
}

// A server without Allow refuses all that is off by default.
func TestSiteIsOffByDefault(t *testing.T) {
	t.Parallel()
	files := fsbridge.NewMemory()
	require.NoError(t, putFile(files, "file", []byte("x"), past))
	_, network := serve(t, host.Config{Authenticator: accounts(files)})
	c := login(t, network, "u")
	for _, line := range []string{"SITE CPFR file", "SITE CPTO x", "SITE COPY file x", "SITE SYMLINK file x", "SITE RMDIR x",
		"COMB x file"} {
		r := c.say(line)
		assert.Equal(t, 502, r.Code, line)
		assert.Contains(t, r.Text(), "Turned off", line)
	}
	for _, word := range []string{"COPY", "CPFR", "SYMLINK", "RMDIR"} {
		assert.NotContains(t, c.say("SITE HELP").Text(), word)
	}
	assert.NotContains(t, c.say("FEAT").Text(), "COMB")
}
