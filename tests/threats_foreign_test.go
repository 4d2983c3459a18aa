package tests

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

// trap makes one method of an embedder's code panic or, if there is a gate, hang until
// the gate is closed.
type trap struct {
	method string
	gate   chan struct{}
	armed  bool // guarded by mu
	mu     sync.Mutex
	hit    chan struct{} // closed by the first call
	once   sync.Once
}

func newTrap(method string, hangs bool) *trap {
	tr := &trap{method: method, hit: make(chan struct{})}
	if hangs {
		tr.gate = make(chan struct{})
	}
	return tr
}

func (tr *trap) arm(armed bool) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.armed = armed
}

// pass is called at the beginning of each method. It springs the trap if the trap is
// armed for the method.
func (tr *trap) pass(method string) {
	tr.mu.Lock()
	caught := tr.armed && method == tr.method
	tr.mu.Unlock()
	if !caught {
		return
	}
	tr.once.Do(func() { close(tr.hit) })
	if tr.gate == nil {
		panic(method)
	}
	<-tr.gate
}

// sprung waits for the first call.
func (tr *trap) sprung(t testing.TB) {
	t.Helper()
	select {
	case <-tr.hit:
	case <-time.After(script.Patience):
		require.Fail(t, "nobody calls "+tr.method)
	}
}

// trappedFS is a storage with all abilities that a storage can have, and a trap. Its
// folder d has a file f and a link l.
type trappedFS struct {
	*fsbridge.Memory
	*trap
}

func newTrappedFS(t testing.TB, tr *trap) trappedFS {
	t.Helper()
	m := fsbridge.NewMemory()
	require.NoError(t, m.Mkdir("d", nil))
	require.NoError(t, m.Mkdir("empty", nil))
	require.NoError(t, putFile(m, "f", []byte("content"), past))
	require.NoError(t, putFile(m, "d/f", []byte("content"), past))
	return trappedFS{m, tr}
}

func (f trappedFS) Open(name string) (fs.File, error) {
	f.pass("FS.Open")
	file, err := f.Memory.Open(name)
	if err != nil {
		return nil, err
	}
	if dir, ok := file.(fs.ReadDirFile); ok {
		return &trappedDir{trappedFile{dir, f.trap}, dir}, nil
	}
	return trappedFile{file, f.trap}, nil
}

func (f trappedFS) Stat(name string) (fs.FileInfo, error) {
	f.pass("StatFS.Stat")
	return f.info(f.Memory.Stat(name))
}

func (f trappedFS) Lstat(name string) (fs.FileInfo, error) {
	f.pass("ReadLinkFS.Lstat")
	return f.info(f.Memory.Stat(name))
}

func (f trappedFS) ReadLink(string) (string, error) { f.pass("ReadLinkFS.ReadLink"); return "f", nil }
func (f trappedFS) Enter(string) error              { f.pass("EnterFS.Enter"); return nil }
func (f trappedFS) Mkdir(name string, perm *fs.FileMode) error {
	f.pass("MkdirFS.Mkdir")
	return f.Memory.Mkdir(name, perm)
}
func (f trappedFS) Remove(name string) error     { f.pass("RemoveFS.Remove"); return f.Memory.Remove(name) }
func (f trappedFS) Symlink(string, string) error { f.pass("SymlinkFS.Symlink"); return nil }

func (f trappedFS) Rename(ctx context.Context, from, to string) error {
	f.pass("RenameFS.Rename")
	return f.Memory.Rename(ctx, from, to)
}

func (f trappedFS) TellsCreated() bool { f.pass("CreatedFS.TellsCreated"); return true }

func (f trappedFS) Chtimes(name string, mtime time.Time) error {
	f.pass("ChtimesFS.Chtimes")
	return f.Memory.Chtimes(name, mtime)
}

func (f trappedFS) Chmod(name string, mode fs.FileMode) error {
	f.pass("ChmodFS.Chmod")
	return f.Memory.Chmod(name, mode)
}

func (f trappedFS) Space(name string) (int64, error) {
	f.pass("SpaceFS.Space")
	return f.Memory.Space(name)
}

func (f trappedFS) Create(name string, flag int, offset int64, perm *fs.FileMode) (fsbridge.Upload, error) {
	f.pass("CreateFS.Create")
	upload, err := f.Memory.Create(name, flag, offset, perm)
	if err != nil {
		return nil, err
	}
	u := trappedUpload{upload, f.trap}
	if f.method == "ReaderFrom.ReadFrom" {
		return readerFrom{u}, nil
	}
	return u, nil
}

func (f trappedFS) info(info fs.FileInfo, err error) (fs.FileInfo, error) {
	if err != nil {
		return nil, err
	}
	return trappedInfo{FileInfo: info, trap: f.trap}, nil
}

type trappedFile struct {
	fs.File
	*trap
}

func (f trappedFile) Read(p []byte) (int, error) { f.pass("File.Read"); return f.File.Read(p) }
func (f trappedFile) Close() error               { f.pass("File.Close"); return f.File.Close() }

func (f trappedFile) Stat() (fs.FileInfo, error) {
	f.pass("File.Stat")
	return trappedFS{trap: f.trap}.info(f.File.Stat())
}

func (f trappedFile) Seek(offset int64, whence int) (int64, error) {
	f.pass("Seeker.Seek")
	return f.File.(io.Seeker).Seek(offset, whence)
}

type trappedDir struct {
	trappedFile
	dir fs.ReadDirFile
}

func (d *trappedDir) Close() error { d.pass("ReadDirFile.Close"); return d.dir.Close() }

func (d *trappedDir) ReadDir(n int) (entries []fs.DirEntry, err error) {
	d.pass("ReadDirFile.ReadDir")
	all, err := d.dir.ReadDir(n)
	for _, entry := range all {
		entries = append(entries, trappedEntry{entry, d.trap, entry.Name()}, trappedEntry{entry, d.trap, "l"})
	}
	return entries, err
}

type trappedEntry struct {
	fs.DirEntry
	*trap
	name string
}

func (e trappedEntry) Name() string      { e.pass("DirEntry.Name"); return e.name }
func (e trappedEntry) IsDir() bool       { e.pass("DirEntry.IsDir"); return false }
func (e trappedEntry) Type() fs.FileMode { e.pass("DirEntry.Type"); return 0 }

func (e trappedEntry) Info() (fs.FileInfo, error) {
	e.pass("DirEntry.Info")
	info, err := e.DirEntry.Info()
	return trappedInfo{info, e.trap, e.name == "l"}, err
}

type trappedInfo struct {
	fs.FileInfo
	*trap
	link bool
}

func (i trappedInfo) Name() string       { i.pass("FileInfo.Name"); return i.FileInfo.Name() }
func (i trappedInfo) Size() int64        { i.pass("FileInfo.Size"); return i.FileInfo.Size() }
func (i trappedInfo) ModTime() time.Time { i.pass("FileInfo.ModTime"); return i.FileInfo.ModTime() }
func (i trappedInfo) Created() time.Time { i.pass("FileInfo.Created"); return past }
func (i trappedInfo) IsDir() bool        { i.pass("FileInfo.IsDir"); return i.FileInfo.IsDir() }
func (i trappedInfo) Sys() any           { i.pass("FileInfo.Sys"); return nil }

func (i trappedInfo) Mode() fs.FileMode {
	i.pass("FileInfo.Mode")
	if i.link {
		return fs.ModeSymlink | 0o777
	}
	return i.FileInfo.Mode()
}

type trappedUpload struct {
	fsbridge.Upload
	*trap
}

func (u trappedUpload) Commit() error { u.pass("Upload.Commit"); return u.Upload.Commit() }
func (u trappedUpload) Abort() error  { u.pass("Upload.Abort"); return u.Upload.Abort() }
func (u trappedUpload) Hidden() bool  { u.pass("HiddenUpload.Hidden"); return true }

func (u trappedUpload) Write(p []byte) (int, error) {
	u.pass("Upload.Write")
	switch u.method {
	case "Upload.Abort":
		return 0, syscall.ENOSPC
	case "error.Is":
		return 0, trappedError{u.trap}
	}
	return u.Upload.Write(p)
}

// trappedError is an error with a method Is, which errors.Is calls.
type trappedError struct{ *trap }

func (e trappedError) Error() string   { return "trapped" }
func (e trappedError) Is(error) bool   { e.pass("error.Is"); return false }
func (e trappedError) Unwrap() []error { return nil }

type readerFrom struct{ trappedUpload }

func (u readerFrom) ReadFrom(r io.Reader) (int64, error) {
	u.pass("ReaderFrom.ReadFrom")
	return io.Copy(u.Upload, r)
}

// deeds has for each method the commands of a client that make the server call it, "" if
// no command does. The trap is armed before the last command.
var deeds = map[string][]string{
	"FS.Open": {"RETR f"}, "StatFS.Stat": {"SIZE f"}, "ReadLinkFS.Lstat": {"DELE f"}, "ReadLinkFS.ReadLink": {"LIST d"},
	"EnterFS.Enter": {"CWD d"}, "CreateFS.Create": {"STOR new"}, "MkdirFS.Mkdir": {"MKD new"}, "RemoveFS.Remove": {"DELE f"},
	"RenameFS.Rename": {"RNFR f", "RNTO g"}, "ChtimesFS.Chtimes": {"MFMT 20010203040506 f"},
	"ChmodFS.Chmod": {"SITE CHMOD 600 f"}, "SpaceFS.Space": {"AVBL"},
	"SymlinkFS.Symlink": {"SITE SYMLINK f k"}, "CreatedFS.TellsCreated": {"USER v", "PASS p"},

	"File.Stat": {"RETR f"}, "File.Read": {"RETR f"}, "File.Close": {"RETR f"}, "Seeker.Seek": {"REST 1", "RETR f"},
	"ReadDirFile.ReadDir": {"NLST d"}, "ReadDirFile.Close": {"NLST d"},
	"DirEntry.Name": {"NLST d"}, "DirEntry.Info": {"MLSD d"}, "DirEntry.Type": {"SITE RMDIR d"}, "DirEntry.IsDir": {""},
	"FileInfo.Size": {"MLSD d"}, "FileInfo.Mode": {"MLSD d"}, "FileInfo.ModTime": {"MDTM f"}, "FileInfo.Created": {"MLST f"},
	"FileInfo.IsDir": {"CWD d"}, "FileInfo.Sys": {"MLSD d"}, "FileInfo.Name": {""},

	"Upload.Write": {"STOR new"}, "Upload.Commit": {"STOR new"}, "Upload.Abort": {"STOR new"}, "HiddenUpload.Hidden": {"STOR new"},
	"ReaderFrom.ReadFrom": {"STOR new"}, "error.Is": {"STOR new"},

	"Authenticator.Authenticate": {"USER v", "PASS p"}, "Account.Close": {"REIN"},
}

// TestThreat39MethodsAreKnown: the tests of this class try every method that an embedder
// can write.
func TestThreat39MethodsAreKnown(t *testing.T) {
	t.Parallel()
	known := map[string]bool{"Observer.Observe": true, "ContextFS.WithContext": true} // TestThreat39Observer, …ContextFS
	for method := range deeds {
		known[method] = true
	}
	for name, of := range map[string]reflect.Type{
		"FS": reflect.TypeFor[fs.FS](), "StatFS": reflect.TypeFor[fs.StatFS](), "ReadLinkFS": reflect.TypeFor[fs.ReadLinkFS](),
		"File": reflect.TypeFor[fs.File](), "DirEntry": reflect.TypeFor[fs.DirEntry](), "FileInfo": reflect.TypeFor[fs.FileInfo](),
		"Seeker": reflect.TypeFor[io.Seeker](), "ReaderFrom": reflect.TypeFor[io.ReaderFrom](),
	} {
		for method := range of.Methods() {
			inherited := method.Name == "Open" && name != "FS"
			assert.True(t, inherited || known[name+"."+method.Name], "%s.%s", name, method.Name)
		}
	}
	sources, err := filepath.Glob("../host/*.go")
	require.NoError(t, err)
	for _, source := range sources {
		file, err := parser.ParseFile(token.NewFileSet(), source, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool { return hasKnown(t, known, n) })
	}
}

// hasKnown checks that the methods of an exported interface are known. It returns true,
// so that ast.Inspect goes on.
func hasKnown(t *testing.T, known map[string]bool, n ast.Node) bool {
	spec, ok := n.(*ast.TypeSpec)
	if !ok || !spec.Name.IsExported() {
		return true
	}
	if of, ok := spec.Type.(*ast.InterfaceType); ok {
		for _, method := range of.Methods.List {
			for _, name := range method.Names {
				assert.True(t, known[spec.Name.Name+"."+name.Name], "%s.%s", spec.Name.Name, name.Name)
			}
		}
	}
	return true
}

// foreigners is an authenticator of accounts with trapped storages, by user.
type foreigners struct {
	mu    sync.Mutex
	files map[string]trappedFS
}

func (f *foreigners) Authenticate(ctx context.Context, login host.Login) (*host.Account, error) {
	f.mu.Lock()
	files, trapped := f.files[login.User]
	f.mu.Unlock()
	if !trapped {
		return accounts(fsbridge.NewMemory())(ctx, login)
	}
	files.pass("Authenticator.Authenticate")
	return &host.Account{FS: files, Rights: host.ReadWrite, Close: func() error { files.pass("Account.Close"); return nil }}, nil
}

// add makes an account with a storage.
func (f *foreigners) add(user string, files trappedFS) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files[user] = files
}

// text is a log that can be read while it is written.
type text struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *text) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *text) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *text) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// TestThreat39Storage: each method of a storage, of what a storage returns and of an
// authenticator panics or hangs. One call or one session is hurt; the others of the same
// instance go on.
func TestThreat39Storage(t *testing.T) {
	t.Parallel()
	for kind, hangs := range map[string]bool{"panics": false, "hangs": true} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			people, log := &foreigners{files: map[string]trappedFS{}}, &text{}
			_, network := serve(t, host.Config{Authenticator: people, Allow: allowed, Logger: log.logger(), Instances: 1})
			others := login(t, network, "u")
			for _, method := range slices.Sorted(maps.Keys(deeds)) {
				if !hangs || method != "error.Is" { // which no one's errno could wait for
					t.Run(method, func(t *testing.T) { trapped(t, method, hangs, people, network, log) })
					others.alive()
				}
			}
		})
	}
}

// trapped makes a client call one method.
func trapped(t *testing.T, method string, hangs bool, people *foreigners, network script.Network, log *text) {
	tr := newTrap(method, hangs)
	people.add(method, newTrappedFS(t, tr))
	c := login(t, network, method)
	if hangs {
		t.Cleanup(func() { close(tr.gate) })
	}
	lines := deeds[method]
	if lines[0] == "" {
		tr.arm(true)
		_, code := c.get("MLSD d")
		assert.Equal(t, 226, code, "the server calls it; say by which command")
		return
	}
	if lines[0] == "USER v" {
		lines = []string{"USER " + method, "PASS p"}
	}
	for _, line := range lines[:len(lines)-1] {
		require.Less(t, c.do(line), 400, line)
	}
	line := lines[len(lines)-1]
	verb, _, _ := strings.Cut(line, " ")
	var data script.Conn
	if slices.Contains([]string{"RETR", "STOR", "NLST", "MLSD", "LIST"}, verb) {
		data = c.data()
	}
	tr.arm(true)
	c.send(line + "\r\n")
	if verb == "STOR" {
		io.WriteString(data, "content") // the server may have hung up already
		data.Close()
	}
	tr.sprung(t)
	if !hangs {
		code := c.reply().Code
		for code < 200 {
			code = c.reply().Code
		}
		tr.arm(false)
		c.alive()
		eventually(t, "it is not logged", func() bool {
			return method == "error.Is" || strings.Contains(log.String(), "panic="+method) && strings.Contains(log.String(),
				"threats_foreign_test.go")
		})
	}
	fine(t, network)
}

// fine checks that another session works as it should.
func fine(t testing.TB, network script.Network) {
	t.Helper()
	c := login(t, network, "u")
	require.Equal(t, 226, c.store("STOR f", "content"))
	content, code := c.get("RETR f")
	require.Equal(t, 226, code)
	require.Equal(t, "content", string(content))
	require.Equal(t, 221, c.do("QUIT"))
}
