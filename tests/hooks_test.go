package tests

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

// scan is a BeforeCommit that refuses files with the word virus in them.
func scan(_ context.Context, _ host.Session, u host.Upload) error {
	file, err := u.Open()
	if err != nil {
		return err
	}
	defer file.Close()
	content, err := io.ReadAll(file)
	if err == nil && bytes.Contains(content, []byte("virus")) {
		err = host.Refuse(550, "A virus is in it.")
	}
	return err
}

// openDir opens a new folder.
func openDir(t *testing.T, options fsbridge.DirOptions) (*fsbridge.Dir, string) {
	t.Helper()
	root := t.TempDir()
	dir, err := fsbridge.OpenDir(root, options)
	require.NoError(t, err)
	t.Cleanup(func() { dir.Close() })
	return dir, root
}

// inFolder are the names in a folder.
func inFolder(t *testing.T, root string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// A refused hidden upload is never seen, however large it is and whatever command brings it.
func TestHookScans(t *testing.T) {
	t.Parallel()
	dir, root := openDir(t, fsbridge.DirOptions{Atomic: true})
	_, network := serve(t, host.Config{Authenticator: accounts(dir), Allow: allowed, Hooks: host.Hooks{BeforeCommit: scan}})
	c := login(t, network, "u")
	for _, line := range []string{"STOR bad", "STOU bad"} {
		for _, size := range []int{0, 100_000, 1 << 20} {
			d := c.data()
			require.Equal(t, 150, c.do(line))
			_, err := io.WriteString(d, strings.Repeat("x", size)+"virus")
			require.NoError(t, err)
			d.Close()
			assert.Equal(t, "550 A virus is in it.", fullText(c.reply()), line)
			assert.Empty(t, inFolder(t, root))
		}
	}
	assert.Equal(t, 226, c.store("STOR good", "content"))
	assert.Equal(t, 226, c.store("STOR empty", ""))
	assert.Equal(t, 226, c.store("STOR empty", ""))
	assert.Equal(t, []string{"empty", "good"}, inFolder(t, root))

	require.NoError(t, os.WriteFile(filepath.Join(root, "old"), []byte("a virus"), 0o600))
	assert.Equal(t, "550 A virus is in it.", fullText(c.say("SITE COPY old new")))
	assert.NoFileExists(t, filepath.Join(root, "new"))
	assert.Equal(t, 250, c.say("SITE COPY good new").Code)
	c.alive()
}

// fullText is a reply of one line.
func fullText(r script.Reply) string { return fmt.Sprintf("%d %s", r.Code, r.Text()) }

// The hook sees the file as it will be, also where the upload is a part of it.
func TestHookReadsTheWholeFile(t *testing.T) {
	t.Parallel()
	dir, _ := openDir(t, fsbridge.DirOptions{})
	for name, files := range map[string]fs.FS{"directory": dir, "memory": fsbridge.NewMemory()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var seen []string
			_, network := serve(t, host.Config{Authenticator: accounts(files), Hooks: host.Hooks{
				BeforeCommit: func(_ context.Context, _ host.Session, u host.Upload) error {
					file, err := u.Open()
					if err != nil {
						return err
					}
					defer file.Close()
					content, err := io.ReadAll(file)
					mu.Lock()
					defer mu.Unlock()
					seen = append(seen, fmt.Sprintf("%s %d %s", u.Path, u.Bytes, content))
					return err
				},
			}})
			c := login(t, network, "u")
			require.Equal(t, 200, c.do("TYPE I"))
			assert.Equal(t, 226, c.store("STOR f", "abcdef"))
			assert.Equal(t, 226, c.store("APPE f", "gh"))
			assert.Equal(t, 350, c.do("REST 1"))
			assert.Equal(t, 226, c.store("STOR f", "BC"))
			assert.Equal(t, 226, c.store("STOR f", ""))
			mu.Lock()
			defer mu.Unlock()
			assert.Equal(t, []string{"/f 6 abcdef", "/f 2 abcdefgh", "/f 2 aBCdefgh", "/f 0 "}, seen)
		})
	}
}

// judge is what hooks were asked; they refuse all that has forbidden in its name, and panic
// at panic.
type judge struct {
	mu   sync.Mutex
	list []string
}

func (a *judge) rule(s host.Session, what string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, what)
	if strings.Contains(what, "panic") {
		panic(what)
	}
	if s.Account != "u" || s.Number == 0 || !s.Client.IsValid() {
		return errors.New("the session is not described")
	}
	if strings.Contains(what, "forbidden") {
		return host.Refuse(553, "Not "+what+".")
	}
	return nil
}

// take returns what was asked since.
func (a *judge) take() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := strings.Join(a.list, ", ")
	a.list = nil
	return all
}

func (a *judge) hooks() host.Hooks {
	return host.Hooks{
		BeforeUpload: func(_ context.Context, s host.Session, u host.Upload) error {
			return a.rule(s, strings.TrimSpace(fmt.Sprintf("upload %s %s", u.Path, u.From)))
		},
		BeforeDownload: func(_ context.Context, s host.Session, d host.Download) error {
			return a.rule(s, strings.TrimSpace(fmt.Sprintf("download %s %s", d.Path, d.To)))
		},
		BeforeChange: func(_ context.Context, s host.Session, c host.Change) error {
			return a.rule(s, strings.TrimSpace(fmt.Sprintf("%s %s %s", c.Kind, c.Path, c.To)))
		},
		BeforeCommit: func(_ context.Context, s host.Session, u host.Upload) error {
			return a.rule(s, strings.TrimSpace(fmt.Sprintf("commit %s %s", u.Path, u.From)))
		},
	}
}

// Each command that reads, writes or changes a file asks its hooks, and is refused by them
// with their words before anything has happened.
func TestHookOfEachCommand(t *testing.T) {
	t.Parallel()
	dir, root := openDir(t, fsbridge.DirOptions{})
	for _, name := range []string{"tree/in", "forbidden-tree/in", "sub/forbidden", "empty", "forbidden-empty"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, name), 0o755))
	}
	for _, name := range []string{"file", "forbidden", "part", "gone", "tree/in/file"} {
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte("content"), 0o644))
	}
	a, e := &judge{}, &events{}
	_, network := serve(t, host.Config{Authenticator: accounts(dir), Allow: allowed, Hooks: a.hooks(), Observer: e})
	c := login(t, network, "u")
	require.Equal(t, 200, c.do("TYPE I"))
	for _, test := range []struct {
		line string
		code int
		asks string
	}{
		{"RETR file", 226, "download /file"},
		{"RETR forbidden", 553, "download /forbidden"},
		{"RETR panic", 451, "download /panic"},
		{"HASH file", 213, "download /file"},
		{"XCRC forbidden", 553, "download /forbidden"},
		{"STOR new", 226, "upload /new, commit /new"},
		{"STOR forbidden", 553, "upload /forbidden"},
		{"APPE new", 226, "upload /new, commit /new"},
		{"APPE forbidden", 553, "upload /forbidden"},
		{"STOU unique", 226, "upload /unique, commit /unique"},
		{"STOU forbidden-new", 553, "upload /forbidden-new"},
		{"MKD panic", 451, "mkdir /panic"},
		{"MKD made", 257, "mkdir /made"},
		{"MKD forbidden-made", 553, "mkdir /forbidden-made"},
		{"RMD empty", 250, "rmdir /empty"},
		{"RMD forbidden-empty", 553, "rmdir /forbidden-empty"},
		{"DELE gone", 250, "delete /gone"},
		{"DELE forbidden", 553, "delete /forbidden"},
		{"RNTO moved", 250, "rename /unique /moved"},
		{"RNTO forbidden", 553, "rename /file /forbidden"},
		{"MFMT 20200101000000 file", 213, "time /file"},
		{"MFMT 20200101000000 forbidden", 553, "time /forbidden"},
		{"SITE UTIME 20200101000000 forbidden", 553, "time /forbidden"},
		{"MFF UNIX.mode=600; file", 213, "mode /file"},
		{"MFF UNIX.mode=600; forbidden", 553, "mode /forbidden"},
		{"SITE CHMOD 600 file", 200, "mode /file"},
		{"SITE CHMOD 600 forbidden", 553, "mode /forbidden"},
		{"SITE SYMLINK file link", 250, "link /link /file"},
		{"SITE SYMLINK forbidden other", 553, "link /other /forbidden"},
		{"SITE COPY file copy", 250, "copy /file /copy, download /file /copy, upload /copy /file, commit /copy /file"},
		{"SITE COPY file forbidden", 553, "copy /file /forbidden"},
		{"SITE COPY forbidden copy", 553, "copy /forbidden /copy"},
		{"SITE CPTO forbidden", 553, "copy /file /forbidden"},
		{"COMB joined part", 250,
			"copy /part /joined, download /part /joined, upload /joined /part, commit /joined /part, delete /part"},
		{"COMB forbidden file", 553, "copy /file /forbidden"},
		{"SITE RMDIR tree", 250, "rmtree /tree, rmtree /tree/in/file, rmtree /tree/in"},
		{"SITE RMDIR forbidden-tree", 553, "rmtree /forbidden-tree"},
		{"SITE RMDIR sub", 553, "rmtree /sub, rmtree /sub/forbidden"},
	} {
		var r script.Reply
		switch verb, _, _ := strings.Cut(test.line, " "); verb {
		case "STOR", "APPE", "STOU", "RETR":
			d := c.data()
			if r = c.say(test.line); r.Code == 150 {
				if verb != "RETR" {
					io.WriteString(d, "more")
					d.Close()
				}
				io.Copy(io.Discard, d)
				r = c.reply()
			}
		case "RNTO":
			from := "file"
			if test.code == 250 {
				from = "unique"
			}
			require.Equal(t, 350, c.do("RNFR "+from))
			r = c.say(test.line)
		default:
			if test.line == "SITE CPTO forbidden" {
				require.Equal(t, 350, c.do("SITE CPFR file"))
			}
			r = c.say(test.line)
		}
		assert.Equal(t, test.code, r.Code, "%s: %s", test.line, r.Text())
		asks := a.take()
		assert.Equal(t, test.asks, asks, test.line)
		if test.code == 553 {
			refused := asks[strings.LastIndex(asks, ", ")+1:]
			assert.Equal(t, "Not "+strings.TrimSpace(refused)+".", r.Text(), test.line)
			forbidden := e.of(host.Forbidden)
			if assert.NotEmpty(t, forbidden, test.line) {
				last := forbidden[len(forbidden)-1]
				assert.ErrorContains(t, last.Err, r.Text())
				assert.Equal(t, "u", last.User)
			}
		}
	}
	for _, name := range []string{"file", "forbidden", "forbidden-tree/in", "sub/forbidden", "forbidden-empty"} {
		_, err := os.Stat(filepath.Join(root, name))
		assert.NoError(t, err)
	}
	content, err := os.ReadFile(filepath.Join(root, "forbidden"))
	assert.NoError(t, err)
	assert.Equal(t, "content", string(content))
	for _, name := range []string{"forbidden-new", "forbidden-made", "other"} {
		assert.NoFileExists(t, filepath.Join(root, name))
	}
}

// Every code of a refusal reaches the client, where a file is opened and at its commit; other
// errors have the codes of a storage's, and their text stays here.
func TestHookCodes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		want string
		err  error // nil: the hook panics
	}{
		{"450 Later.", host.Refuse(450, "Later.")}, {"451 Odd.", host.Refuse(451, "Odd.")}, {"452 Full.", host.Refuse(452, "Full.")},
		{"550 No.", host.Refuse(550, "No.")}, {"552 Large.", host.Refuse(552, "Large.")}, {"553 Name.", host.Refuse(553, "Name.")},
		{"532 Pay.", host.Refuse(532, "Pay.")}, {"451 Not 421.", host.Refuse(421, "Not 421.")},
		{"550 a  b", fmt.Errorf("wrapped: %w", host.Refuse(550, "a\r\nb"))},
		{"550 é?", host.Refuse(550, "é\xff")}, {"550 Refused.", host.Refuse(550, "")},
		{"550 " + strings.Repeat("x", 400), host.Refuse(550, strings.Repeat("x", 4000))},
		{"550", fs.ErrPermission}, {"553", fs.ErrExist}, {"451", errors.New("secret")}, {"451", nil},
	}
	hook := func(when string) func(context.Context, host.Session, host.Upload) error {
		return func(_ context.Context, _ host.Session, u host.Upload) error {
			n, err := strconv.Atoi(strings.TrimPrefix(u.Path, "/"+when))
			if err != nil {
				return nil
			}
			if tests[n].err == nil {
				panic("secret")
			}
			return tests[n].err
		}
	}
	_, network := serve(t, host.Config{Authenticator: accounts(fsbridge.NewMemory()), Hooks: host.Hooks{
		BeforeUpload: hook("upload"), BeforeCommit: hook("commit"),
	}})
	c := login(t, network, "u")
	for n, test := range tests {
		for _, when := range []string{"upload", "commit"} {
			d := c.data()
			name := when + strconv.Itoa(n)
			r := c.say("STOR " + name)
			assert.Equal(t, when == "commit", r.Code == 150)
			if r.Code == 150 {
				io.WriteString(d, "content")
				d.Close()
				r = c.reply()
			}
			if len(test.want) == 3 {
				assert.Equal(t, test.want, strconv.Itoa(r.Code))
			} else {
				assert.Equal(t, test.want, fullText(r))
			}
			assert.NotContains(t, r.Text(), "secret")
			assert.Equal(t, 550, c.do("SIZE "+name))
		}
	}
	c.alive()
	assert.Panics(t, func() { host.Refuse(226, "It is done.") })
}

// refusingStorage refuses uploads when they are committed.
type refusingStorage struct {
	*fsbridge.Memory
	err error
}

func (r refusingStorage) Create(name string, flag int, offset int64, perm *fs.FileMode) (fsbridge.Upload, error) {
	u, err := r.Memory.Create(name, flag, offset, perm)
	return refusedUpload{u, r.err}, err
}

type refusedUpload struct {
	fsbridge.Upload
	err error
}

func (u refusedUpload) Commit() error {
	u.Abort()
	return u.err
}

// The errors of a storage's Commit have the documented codes, and Refuse works there too.
func TestCommitCodes(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"550 Permission denied.": fs.ErrPermission, "553 There is such a file already.": fs.ErrExist,
		"553 No such directory.": fs.ErrNotExist, "553 File name not allowed.": fs.ErrInvalid,
		"451 Storage failed, transfer aborted.": io.ErrNoProgress, "552 Mine.": host.Refuse(552, "Mine."),
	} {
		_, network := serve(t, host.Config{Authenticator: accounts(refusingStorage{fsbridge.NewMemory(), err})})
		c := login(t, network, "u")
		d := c.data()
		require.Equal(t, 150, c.do("STOR f"))
		d.Close()
		assert.Equal(t, want, fullText(c.reply()))
	}
}

// A hook that hangs holds up its own session only, and its context ends with that, whoever
// ends it.
func TestHookHangs(t *testing.T) {
	t.Parallel()
	byHost := func(_ *talk, s host.Session) { s.Close("You hang.") }
	byClient := func(c *talk, _ host.Session) { c.control.Close() }
	for _, test := range []struct {
		name, line string
		end        func(*talk, host.Session)
	}{
		{"upload", "STOR hang", byHost}, {"download", "RETR hang", byHost}, {"change", "DELE hang", byHost},
		{"commit", "STOR hang", byHost}, {"commit", "STOR hang", byClient},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			testHookHangs(t, test.name, test.line, test.end)
		})
	}
}

func testHookHangs(t *testing.T, name, line string, end func(*talk, host.Session)) {
	hung, ended := make(chan host.Session), make(chan struct{})
	hang := func(ctx context.Context, s host.Session, path string) error {
		if path != "/hang" {
			return nil
		}
		hung <- s
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	}
	var hooks host.Hooks
	switch name {
	case "upload":
		hooks.BeforeUpload = func(ctx context.Context, s host.Session, u host.Upload) error { return hang(ctx, s, u.Path) }
	case "commit":
		hooks.BeforeCommit = func(ctx context.Context, s host.Session, u host.Upload) error { return hang(ctx, s, u.Path) }
	case "download":
		hooks.BeforeDownload = func(ctx context.Context, s host.Session, d host.Download) error { return hang(ctx, s, d.Path) }
	case "change":
		hooks.BeforeChange = func(ctx context.Context, s host.Session, c host.Change) error { return hang(ctx, s, c.Path) }
	}
	files := fsbridge.NewMemory()
	_, network := serve(t, host.Config{Authenticator: accounts(files), Instances: 1, Hooks: hooks})
	c, other := login(t, network, "u"), login(t, network, "u")
	d := c.data()
	c.send(line + "\r\n")
	if name == "commit" {
		require.Equal(t, 150, c.reply().Code)
		d.Close()
	}
	s := <-hung
	assert.Equal(t, name == "commit", s.Doing == "upload")
	assert.Equal(t, 226, other.store("STOR f", "content"))
	end(c, s)
	<-ended
	if name == "commit" {
		eventually(t, "the upload is aborted", func() bool { return len(inMemory(t, files)) == 1 })
	}
	other.alive()
}

func inMemory(t *testing.T, files fs.FS) []fs.DirEntry {
	t.Helper()
	entries, err := fs.ReadDir(files, ".")
	require.NoError(t, err)
	return entries
}

// Login can refuse whoever has the right password, with its own words.
func TestHookLogin(t *testing.T) {
	t.Parallel()
	e := &events{}
	closed := make(chan struct{}, 9)
	auth := host.AuthenticatorFunc(func(ctx context.Context, l host.Login) (*host.Account, error) {
		if l.Session == 0 {
			return nil, errors.New("no number")
		}
		account, err := accounts(fsbridge.NewMemory())(ctx, host.Login{User: "u", Password: l.Password})
		if err == nil {
			account.Name = l.User
			account.Close = func() error { closed <- struct{}{}; return nil }
		}
		return account, err
	})
	_, network := serve(t, host.Config{Authenticator: auth, Observer: e, Hooks: host.Hooks{
		Login: func(_ context.Context, s host.Session) error {
			switch s.Account {
			case "night":
				return host.Refuse(530, "Come by day.")
			case "later":
				return host.Refuse(431, "Come later.")
			case "full":
				return host.Refuse(421, "Go elsewhere.")
			case "panic":
				panic("login")
			}
			return nil
		},
	}})
	for user, want := range map[string]string{
		"night": "530 Come by day.", "later": "431 Come later.", "full": "421 Go elsewhere.",
		"panic": "451 Logging in failed on the server's side.", "u": "230 Logged in.",
	} {
		c := connect(t, network)
		require.Equal(t, 331, c.do("USER "+user))
		assert.Equal(t, want, fullText(c.say("PASS p")))
		if want[0] != '2' {
			<-closed
		}
		if want[:3] == "421" {
			c.ended()
		}
		if user == "night" {
			require.Equal(t, 331, c.do("USER night"))
			assert.Equal(t, "530 Login incorrect.", fullText(c.say("PASS wrong")), "the hook is not asked")
		}
	}
	assert.Len(t, e.of(host.LoginFailed), 5)
}

// curl hears the hook's code, and leaves nothing on the server.
func TestClientCurlScanned(t *testing.T) {
	t.Parallel()
	s := newSite(t, "curl", "curl")
	dir, root := openDir(t, fsbridge.DirOptions{Atomic: true})
	_, network := serve(t, host.Config{Authenticator: accounts(dir), Hooks: host.Hooks{BeforeCommit: scan}})
	s.put(s.local("bad"), append(script.Bytes(2<<20), "virus"...))
	s.put(s.local("good"), []byte("content"))
	curl := []string{"curl", "-sS", "-v", "--user", "u:p", "-T"}
	out, err := s.try("", append(curl, "bad", "ftp://"+network.IPv4.String()+"/")...)
	assert.Error(t, err)
	assert.Contains(t, out, "550 A virus is in it.")
	assert.Empty(t, inFolder(t, root))
	s.run("", append(curl, "good", "ftp://"+network.IPv4.String()+"/")...)
	assert.Equal(t, []string{"good"}, inFolder(t, root))
}

// Sessions tells what is there, and what it is at.
func TestSessions(t *testing.T) {
	t.Parallel()
	e := &events{}
	server, network := serve(t, host.Config{Authenticator: accounts(fsbridge.NewMemory()), Observer: e,
		TLS: host.TLS{Config: serverTLS()}})
	assert.Empty(t, server.Sessions())
	c, stranger := login(t, network, "u"), connect(t, network)
	require.Equal(t, 226, c.store("STOR f", "content"))
	c.get("RETR f")
	d := c.data()
	require.Equal(t, 150, c.do("STOR g"))
	io.WriteString(d, strings.Repeat("xyz", 100_000))
	var all []host.Session
	eventually(t, "bytes have come", func() bool {
		all = server.Sessions()
		return len(all) == 2 && all[0].Bytes >= 64<<10
	})
	s := all[0]
	assert.Equal(t, "u upload /g 7 7", fmt.Sprint(s.Account, " ", s.Doing, " ", s.Path, " ", s.Sent, " ", s.Received))
	assert.Equal(t, host.ReadWrite, s.Rights)
	assert.Zero(t, s.TLSVersion)
	assert.Less(t, s.Number, all[1].Number)
	assert.Empty(t, all[1].Account)
	assert.False(t, all[1].SetRights(host.ReadWrite), "it is not logged in")

	s.Close("Maintenance\r\n.")
	assert.Equal(t, "421 Maintenance  .", fullText(c.reply()))
	c.ended()
	n, err := d.Read(make([]byte, 1))
	assert.Zero(t, n)
	assert.Error(t, err)
	eventually(t, "the session is over", func() bool { return len(server.Sessions()) == 1 && len(e.of(host.UploadFailed)) == 1 })
	over := e.of(host.Disconnected)
	if assert.Len(t, over, 1) {
		assert.ErrorContains(t, over[0].Err, "Maintenance")
		assert.GreaterOrEqual(t, over[0].Bytes, int64(14))
	}
	s.Close("again")
	host.Session{}.Close("")
	assert.False(t, host.Session{}.SetRights(0))
	stranger.alive()
	login(t, network, "u").alive()
}

// Under TLS, Sessions, hooks and events know the version and the cipher suite.
func TestSessionsUnderTLS(t *testing.T) {
	t.Parallel()
	e := &events{}
	server, err := host.New(host.Config{Authenticator: accounts(fsbridge.NewMemory()), Observer: e, SyncObserver: true,
		CacheDir: temporary, Hosts: []string{"ftp.example.org"},
		TLS: host.TLS{Config: serverTLS()}})
	require.NoError(t, err)
	t.Cleanup(func() { server.Close() })
	network := listenBy(t, "127.0.0.1", server.ServeTLS)
	conn, err := tls.Dial("tcp", network.IPv4.String(), &tls.Config{InsecureSkipVerify: true, ServerName: "ftp.example.org"})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	fmt.Fprint(conn, "USER u\r\nPASS p\r\n")
	eventually(t, "it is logged in", func() bool { return len(e.of(host.LoggedIn)) == 1 })
	s, in, state := server.Sessions()[0], e.of(host.LoggedIn)[0], conn.ConnectionState()
	want := fmt.Sprint("ftp.example.org ", state.Version, state.CipherSuite)
	assert.Equal(t, want, fmt.Sprint(s.Host, " ", s.TLSVersion, s.CipherSuite))
	assert.Equal(t, want, fmt.Sprint(in.Host, " ", in.TLSVersion, in.CipherSuite))
	s.Close("")
	all, err := io.ReadAll(conn)
	assert.NoError(t, err)
	assert.Contains(t, string(all), "421 The server ends this session.\r\n")
}

// A session whose client has said nothing, and has no instance yet, can be closed.
func TestCloseASilentSession(t *testing.T) {
	t.Parallel()
	server, network := serve(t, host.Config{Authenticator: accounts(fsbridge.NewMemory()), SessionsPerInstance: 1})
	c := connect(t, network)
	eventually(t, "it is there", func() bool { return len(server.Sessions()) == 1 })
	server.Sessions()[0].Close("No.")
	assert.Equal(t, "421 No.", fullText(c.reply()))
	c.ended()
	login(t, network, "u").alive()
}

// Rights change at the next command; a transfer under way goes on.
func TestSetRights(t *testing.T) {
	t.Parallel()
	server, network := serve(t, host.Config{Authenticator: accounts(fsbridge.NewMemory())})
	c := login(t, network, "u")
	d := c.data()
	require.Equal(t, 150, c.do("STOR f"))
	require.True(t, server.Sessions()[0].SetRights(host.ReadOnly))
	io.WriteString(d, "content")
	d.Close()
	assert.Equal(t, 226, c.reply().Code)
	assert.Equal(t, 550, c.store("STOR g", "content"))
	assert.Equal(t, 550, c.do("DELE f"))
	content, code := c.get("RETR f")
	assert.Equal(t, 226, code)
	assert.Equal(t, "content", string(content))
	assert.Equal(t, host.ReadOnly, server.Sessions()[0].Rights)
	require.True(t, server.Sessions()[0].SetRights(host.ReadWrite))
	assert.Equal(t, 250, c.do("DELE f"))
}

// bound is a storage that is made anew for each login, with its context.
type bound struct {
	*fsbridge.Memory
	contexts chan context.Context
}

func (b bound) WithContext(ctx context.Context) fs.FS {
	b.contexts <- ctx
	return b.Memory
}

// unbound is a storage whose WithContext fails.
type unbound struct{ fs.FS }

func (unbound) WithContext(context.Context) fs.FS { return nil }

// The storage gets the context of its login, which knows the session and ends with it.
func TestContextFS(t *testing.T) {
	t.Parallel()
	b := bound{fsbridge.NewMemory(), make(chan context.Context, 9)}
	server, network := serve(t, host.Config{Authenticator: accounts(b)})
	c := login(t, network, "u")
	ctx := <-b.contexts
	require.NoError(t, ctx.Err())
	s, ok := host.SessionOf(ctx)
	assert.True(t, ok)
	assert.Equal(t, "u", s.Account)
	assert.Equal(t, server.Sessions()[0].Number, s.Number)
	assert.Equal(t, 226, c.store("STOR f", "content"))
	require.Equal(t, 331, c.do("USER u"))
	<-ctx.Done()
	require.Equal(t, 230, c.do("PASS p"))
	ctx = <-b.contexts
	c.control.Close()
	<-ctx.Done()
	_, ok = host.SessionOf(context.Background())
	assert.False(t, ok)

	_, network = serve(t, host.Config{Authenticator: accounts(unbound{fsbridge.NewMemory()})})
	c = connect(t, network)
	require.Equal(t, 331, c.do("USER u"))
	assert.Equal(t, 530, c.do("PASS p"))
}

// unready is a storage whose WithContext panics.
type unready struct{ fs.FS }

func (unready) WithContext(context.Context) fs.FS { panic("not for you") }

// TestThreat39ContextFS: a login whose storage panics is refused, and the session goes on.
func TestThreat39ContextFS(t *testing.T) {
	t.Parallel()
	_, network := serve(t, host.Config{Authenticator: accounts(unready{fsbridge.NewMemory()})})
	c := connect(t, network)
	require.Equal(t, 331, c.do("USER u"))
	assert.Equal(t, 451, c.do("PASS p"))
	assert.Equal(t, 331, c.do("USER u"))
}

// sorting is a BeforeCommit that files what it finds: it renames by the content.
func sorting(_ context.Context, _ host.Session, u host.Upload) error {
	file, err := u.Open()
	if err != nil {
		return err
	}
	defer file.Close()
	content, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	to, rename := strings.CutPrefix(string(content), "to ")
	if !rename {
		return nil
	}
	err = u.Rename(to)
	if errors.Is(err, fs.ErrInvalid) {
		return host.Refuse(553, "Not there.")
	}
	return err
}

// A hook may give an upload another name, in the storage's root and nowhere else, and never that
// of a file that is there.
func TestHookRenamesUpload(t *testing.T) {
	t.Parallel()
	hidden, hiddenRoot := openDir(t, fsbridge.DirOptions{Atomic: true})
	inPlace, inPlaceRoot := openDir(t, fsbridge.DirOptions{})
	for name, files := range map[string]fs.FS{"hidden": hidden, "in place": inPlace, "memory": fsbridge.NewMemory()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules, err := fsbridge.CompileRules([]fsbridge.Rule{{Pattern: "/safe", Rights: 0}})
			require.NoError(t, err)
			e := &events{}
			_, network := serve(t, host.Config{Observer: e, Allow: allowed, Hooks: host.Hooks{BeforeCommit: sorting},
				Authenticator: host.AuthenticatorFunc(func(context.Context, host.Login) (*host.Account, error) {
					return &host.Account{FS: files, Rights: host.ReadWrite, Rules: rules}, nil
				})})
			require.NoError(t, files.(fsbridge.MkdirFS).Mkdir("safe", nil))
			c := login(t, network, "u")
			read := func(name string) string {
				content, err := fs.ReadFile(files, name)
				require.NoError(t, err)
				return string(content)
			}
			assert.Equal(t, 226, c.store("STOR f", "to /safe/one"), "where the account has no rights")
			assert.Equal(t, "to /safe/one", read("safe/one"))
			_, err = fs.Stat(files, "f")
			assert.ErrorIs(t, err, fs.ErrNotExist)
			up := e.of(host.Uploaded)[0]
			assert.Equal(t, "/safe/one asked for as /f", up.Path+" asked for as "+up.Asked)

			assert.Equal(t, 553, c.store("STOR f", "to /safe/one"), "it is taken")
			assert.Equal(t, "to /safe/one", read("safe/one"))
			assert.Equal(t, 553, c.store("STOR f", "to /none/one"), "no such folder")
			for _, bad := range []string{"/..", "/../f", "relative", "/safe/../../f", "/", "//f", "/safe//f", "/."} {
				assert.NotEqual(t, 226, c.store("STOR bad", "to "+bad), bad)
			}
			assert.Equal(t, 226, c.store("STOU g", "to /h"))
			assert.Equal(t, 226, c.store("STOR g", "to /g"), "its own name")
			assert.Equal(t, "to /g", read("g"))
			assert.Equal(t, 550, c.do("SITE COPY h other"), "the copy is to be called /h too")
			c.alive()
		})
	}
	for _, root := range []string{hiddenRoot, inPlaceRoot} {
		assert.NoFileExists(t, filepath.Join(filepath.Dir(root), "f"))
	}
}

// lftp's upload is found under the name of the hook.
func TestClientLftpRenamedByHook(t *testing.T) {
	t.Parallel()
	s := newSite(t, "lftp", "lftp")
	dir, root := openDir(t, fsbridge.DirOptions{})
	_, network := serve(t, host.Config{Authenticator: accounts(dir), Hooks: host.Hooks{
		BeforeCommit: func(_ context.Context, s host.Session, u host.Upload) error {
			return u.Rename(fmt.Sprintf("%s.%d.%d", u.Path, s.Number, u.Bytes))
		},
	}})
	s.put(s.local("report"), []byte("content"))
	s.run("", "lftp", "-c", "set ftp:use-site-utime false; set ftp:use-mdtm-overloaded false; open -u u,p ftp://"+
		network.IPv4.String()+"; put report; bye")
	assert.Equal(t, []string{"report.1.7"}, inFolder(t, root))
}
