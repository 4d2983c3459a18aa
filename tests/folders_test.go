package tests

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/tests/script"
)

// sick is a storage with files that cannot be described or opened, as on a dead disk or
// without permission.
type sick struct {
	*fsbridge.Memory
	faults map[string]error // by the name of the file
	broken string           // a directory whose entries end in an error
}

func (s sick) Open(name string) (fs.File, error) {
	if err := s.faults[name]; err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	file, err := s.Memory.Open(name)
	if dir, ok := file.(fs.ReadDirFile); ok && err == nil {
		return sickDir{dir, s, name}, nil
	}
	return file, err
}

type sickDir struct {
	fs.ReadDirFile
	files sick
	name  string
}

func (d sickDir) ReadDir(n int) ([]fs.DirEntry, error) {
	entries, err := d.ReadDirFile.ReadDir(n)
	for i, entry := range entries {
		entries[i] = sickEntry{entry, d.files.faults[path.Join(d.name, entry.Name())]}
	}
	if d.name == d.files.broken && err == nil {
		err = syscall.EIO
	}
	return entries, err
}

type sickEntry struct {
	fs.DirEntry
	fault error
}

func (e sickEntry) Info() (fs.FileInfo, error) {
	if e.fault != nil {
		return nil, e.fault
	}
	return e.DirEntry.Info()
}

// lastWords are the last words of a listing's lines, which are the names.
func lastWords(listing []byte) (all []string) {
	for line := range strings.SplitSeq(strings.TrimSpace(string(listing)), "\r\n") {
		if words := strings.Fields(line); len(words) > 0 {
			all = append(all, words[len(words)-1])
		}
	}
	return all
}

// LIST and MLSD leave out an entry that cannot be described, and have all others. NLST
// has its name.
func TestBadEntrySpoilsNoListing(t *testing.T) {
	t.Parallel()
	for _, fault := range []error{
		syscall.EIO, syscall.ESTALE, syscall.EACCES, syscall.ENOTCONN, syscall.ELOOP, fs.ErrNotExist, errors.New("other"),
	} {
		t.Run(fault.Error(), func(t *testing.T) {
			t.Parallel()
			files := sick{Memory: fsbridge.NewMemory(), faults: map[string]error{"bad": fault, "dir/bad": fault}}
			require.NoError(t, files.Mkdir("dir", nil))
			for _, name := range []string{"bad", "good", "dir/bad", "dir/good"} {
				require.NoError(t, putFile(files, name, nil, past))
			}
			c := login(t, serveFiles(t, files), "u")
			for line, want := range map[string][]string{
				"NLST": {"bad", "dir", "good"}, "NLST dir": {"dir/bad", "dir/good"},
				"LIST": {"dir", "good"}, "MLSD": {"dir", "good"}, "LIST dir": {"good"}, "LIST -R": {"dir", "good", "./dir:", "good"},
			} {
				listing, code := c.get(line)
				assert.Equal(t, 226, code, line)
				assert.Equal(t, want, lastWords(listing), line)
			}
		})
	}
}

// LIST -R leaves out the content of a folder that may not be read.
func TestListOfAFolderThatMayNotBeRead(t *testing.T) {
	t.Parallel()
	files := sick{Memory: fsbridge.NewMemory(), faults: map[string]error{}}
	for _, dir := range []string{"a", "locked", "z"} {
		require.NoError(t, files.Mkdir(dir, nil))
		require.NoError(t, putFile(files, dir+"/in-"+dir, nil, past))
	}
	// The folder can be described, but not opened.
	network := serveFiles(t, locked{files, "locked"})
	c := login(t, network, "u")
	listing, code := c.get("LIST -R")
	assert.Equal(t, 226, code)
	for _, name := range []string{"locked", "in-a", "in-z"} {
		assert.Contains(t, lastWords(listing), name)
	}
	assert.NotContains(t, string(listing), "in-locked")
	_, code = c.get("LIST locked")
	assert.Equal(t, 550, code)
}

// locked is a storage with a folder that cannot be opened.
type locked struct {
	sick
	name string
}

func (l locked) Open(name string) (fs.File, error) {
	if name == l.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EACCES}
	}
	return l.sick.Open(name)
}

// A listing does not end well if reading its directory fails in the middle.
func TestListingThatBreaksOff(t *testing.T) {
	t.Parallel()
	files := sick{Memory: fsbridge.NewMemory(), broken: "dir"}
	require.NoError(t, files.Mkdir("dir", nil))
	require.NoError(t, putFile(files, "dir/file", nil, past))
	c := login(t, serveFiles(t, files), "u")
	for _, line := range []string{"NLST dir", "LIST dir", "MLSD dir"} {
		_, code := c.get(line)
		assert.Equal(t, 451, code, line)
	}
}

// DELE removes files only and RMD directories only, also for an account that may do
// nothing but delete.
func TestRemovingAsksForTheKind(t *testing.T) {
	t.Parallel()
	for _, rights := range []host.Rights{host.RightDelete, host.RightDelete | host.RightWrite, host.ReadWrite} {
		files := fsbridge.NewMemory()
		require.NoError(t, files.Mkdir("dir", nil))
		require.NoError(t, putFile(files, "file", nil, past))
		only := func(context.Context, host.Login) (*host.Account, error) {
			return &host.Account{FS: files, Rights: rights}, nil
		}
		_, network := serve(t, host.Config{Authenticator: host.AuthenticatorFunc(only)})
		c := login(t, network, "u")
		assert.Equal(t, 550, c.do("RMD file"))
		assert.Equal(t, 550, c.do("DELE dir"))
		assert.Len(t, states(t, files), 2)
		assert.Equal(t, 250, c.do("RMD dir"))
		assert.Equal(t, 250, c.do("DELE file"))
		assert.Empty(t, states(t, files))
	}
}

// twoDisks is a storage in which every renaming is a move from one disk to another.
type twoDisks struct {
	*fsbridge.Memory
	move func(ctx context.Context, from, to string) error
}

func (d twoDisks) Rename(ctx context.Context, from, to string) error {
	if ctx.Err() != nil {
		return &fs.PathError{Op: "rename", Path: from, Err: syscall.EXDEV}
	}
	return d.move(ctx, from, to)
}

// renamer is a storage whose files can be renamed, but not moved to another disk.
type renamer struct{ fs.FS }

func (r renamer) Rename(_ context.Context, from, _ string) error {
	return &fs.PathError{Op: "rename", Path: from, Err: syscall.EXDEV}
}

func TestRenameToAnotherDisk(t *testing.T) {
	t.Parallel()
	files := twoDisks{Memory: fsbridge.NewMemory()}
	files.move = func(ctx context.Context, from, to string) error {
		if to == "elsewhere" {
			return syscall.EXDEV
		}
		return files.Memory.Rename(ctx, from, to)
	}
	require.NoError(t, putFile(files, "file", nil, past))
	known := func(_ context.Context, login host.Login) (*host.Account, error) {
		account := &host.Account{FS: files, Rights: host.ReadWrite}
		switch login.User {
		case "renamer":
			account.FS = renamer{files}
		case "reader":
			account.Rights = host.ReadWrite &^ host.RightWrite
		}
		return account, nil
	}
	_, network := serve(t, host.Config{Authenticator: host.AuthenticatorFunc(known)})
	rename := func(user, to string) script.Reply {
		c := login(t, network, user)
		require.Equal(t, 350, c.do("RNFR file"))
		return c.say("RNTO " + to)
	}
	for user, to := range map[string]string{"renamer": "new", "reader": "new", "u": "elsewhere"} {
		r := rename(user, to)
		assert.Equal(t, 553, r.Code, user)
		assert.Contains(t, r.Text(), "another disk", user)
	}
	assert.Equal(t, 250, rename("u", "new").Code)
	assert.Contains(t, states(t, files.Memory), "new")
}

// A move ends with its session.
func TestMoveEndsWithItsSession(t *testing.T) {
	t.Parallel()
	begun, ended := make(chan struct{}), make(chan error, 1)
	files := twoDisks{fsbridge.NewMemory(), func(ctx context.Context, _, _ string) error {
		close(begun)
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}}
	require.NoError(t, putFile(files, "file", nil, past))
	server, network := serve(t, host.Config{Authenticator: accounts(files)})
	c := login(t, network, "u")
	require.Equal(t, 350, c.do("RNFR file"))
	c.send("RNTO new\r\n")
	<-begun
	require.NoError(t, server.Close())
	assert.ErrorIs(t, <-ended, context.Canceled)
}

// A folder keeps its set-group-ID bit, whatever mode a client sets, and LIST shows it as
// ls does.
func TestFourDigitsOfAMode(t *testing.T) {
	t.Parallel()
	if os.PathSeparator == '\\' {
		t.Skip("Windows has no such bits")
	}
	world := dirPlace(t).(folder)
	c := login(t, world.Network, "u")
	require.Equal(t, 257, c.do("MKD d"))
	for _, step := range []struct{ mode, fact, line string }{
		{"2775", "UNIX.mode=02775;", "drwxrwsr-x"}, {"0750", "UNIX.mode=02750;", "drwxr-s---"},
		{"3700", "UNIX.mode=03700;", "drwx--S--T"}, {"02771", "UNIX.mode=02771;", "drwxrws--x"},
	} {
		assert.Equal(t, 200, c.do("SITE CHMOD "+step.mode+" d"), step.mode)
		assert.Contains(t, c.say("MLST d").Text(), step.fact)
		listing, _ := c.get("LIST")
		assert.Contains(t, string(listing), step.line)
	}
	require.Equal(t, 226, c.store("STOR d/file", "content"))
	assert.Equal(t, 200, c.do("SITE CHMOD 6755 d/file"), "what a file does not get is no error")
	assert.Contains(t, c.say("MLST d/file").Text(), "UNIX.mode=0755;")
	assert.Equal(t, 213, c.do("MFF UNIX.mode=2770; d"))
	assert.Contains(t, c.say("MLST d").Text(), "UNIX.mode=02770;")
	assert.Equal(t, 501, c.do("SITE CHMOD 10000 d"))
	assert.Equal(t, 501, c.do("SITE UMASK 1022"))
	require.Equal(t, 200, c.do("SITE UMASK 027"))
	require.Equal(t, 257, c.do("MKD d/below"))
	assert.Contains(t, c.say("MLST d/below").Text(), "UNIX.mode=02750;")
}

func openFolder(t testing.TB, root string) *fsbridge.Dir {
	dir, err := fsbridge.OpenDir(root, fsbridge.DirOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { dir.Close() })
	return dir
}

// What each verb does with links, for a client that knows nothing of them.
func TestThroughLinks(t *testing.T) {
	t.Parallel()
	world := dirPlace(t).(folder)
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(world.Root, name)); err != nil {
			t.Skipf("no links here: %v", err)
		}
	}
	c := login(t, world.Network, "u")
	for _, dir := range []string{"c19", "c19/2026", "empty", "full"} {
		require.Equal(t, 257, c.do("MKD "+dir))
	}
	require.Equal(t, 226, c.store("STOR full/file", "content"))
	link("/c19/2026", "year")
	link("c19/nothing", "broken")
	link("/c19/none", "c19/lost")
	link("../outside", "out")
	link("/etc/passwd", "passwd")
	for _, step := range []struct {
		code int
		line string
	}{
		{250, "CWD /year"}, {250, "CWD /"}, {257, "MKD year/d"}, {250, "RMD c19/2026/d"}, {550, "RMD year"}, {257, "MKD year/e"},
		{250, "RMD year/e"}, {350, "RNFR full/file"}, {250, "RNTO year/file"}, {213, "SIZE c19/2026/file"},
		{350, "RNFR year/file"}, {250, "RNTO full/file"}, {550, "SIZE broken"}, {550, "MDTM broken"}, {550, "SIZE c19/lost"},
		{550, "SIZE passwd"}, {550, "CWD out"}, {550, "MKD broken"}, {350, "RNFR c19/lost"}, {250, "RNTO c19/found"},
		{250, "DELE c19/found"}, {250, "DELE out"}, {250, "DELE passwd"}, {350, "RNFR full"}, {250, "RNTO empty"},
		{257, "MKD other"}, {350, "RNFR other"}, {553, "RNTO empty"}, {350, "RNFR empty/file"}, {553, "RNTO other"},
		{350, "RNFR other"}, {553, "RNTO empty/file"},
	} {
		assert.Equal(t, step.code, c.do(step.line), step.line)
	}
	_, code := c.get("RETR broken")
	assert.Equal(t, 550, code)
	listing, code := c.get("LIST")
	assert.Equal(t, 226, code)
	assert.Contains(t, string(listing), "broken -> c19/nothing\r\n")
	assert.Contains(t, string(listing), "year -> /c19/2026\r\n")
	followed, network := serve(t, host.Config{Authenticator: accounts(openFolder(t, world.Root)), FollowLinks: true})
	defer followed.Close()
	listing, code = login(t, network, "u").get("MLSD")
	assert.Equal(t, 226, code)
	assert.Regexp(t, `type=dir;[^ ]* year\r\n`, string(listing))
	assert.Regexp(t, `type=OS.unix=symlink;[^ ]* broken\r\n`, string(listing))

	assert.Equal(t, 226, c.store("STOR broken", "made"), "where the link leads, as other programs do")
	assert.Equal(t, 213, c.do("SIZE c19/nothing"))
	assert.Equal(t, 226, c.store("STOR year/new", "made"))
	assert.Equal(t, 250, c.do("DELE broken"))
	assert.Equal(t, 213, c.do("SIZE c19/nothing"))
	assert.Equal(t, 250, c.do("DELE year"))
	assert.Equal(t, 213, c.do("SIZE c19/2026/new"))
}
