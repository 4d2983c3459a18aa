package hostile

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/wasi"
	"wasiftp/wasi/hosttest/kit"
)

// slow is a file system whose Stat and Commit wait for gate.
type slow struct {
	*fsbridge.Memory
	gate              chan struct{} // closed when Stat and Commit may end
	asked             atomic.Int32
	committing, ended atomic.Int32
}

func (f *slow) Stat(name string) (fs.FileInfo, error) {
	f.asked.Add(1)
	<-f.gate
	return f.Memory.Stat(name)
}

func (f *slow) Create(name string, flag int, offset int64, perm *fs.FileMode) (fsbridge.Upload, error) {
	u, err := f.Memory.Create(name, flag, offset, perm)
	return &slowUpload{u, f}, err
}

type slowUpload struct {
	fsbridge.Upload
	fs *slow
}

func (u *slowUpload) Commit() error {
	u.fs.committing.Add(1)
	<-u.fs.gate
	defer u.fs.ended.Add(1)
	return u.Upload.Commit()
}

func (u *slowUpload) Abort() error {
	u.fs.ended.Add(1)
	return u.Upload.Abort()
}

func newSlowStage(t *testing.T) (*stage, *slow) {
	files := &slow{gate: make(chan struct{})}
	s := newGuestStage(t, func(c *host.Config) {
		c.Authenticator = host.AuthenticatorFunc(func(context.Context, host.Login) (*host.Account, error) {
			return &host.Account{FS: files, Rights: host.ReadWrite}, nil
		})
	})
	files.Memory = s.files
	return s, files
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// An upload is committed once, however often the guest asks for that and whatever it
// calls in between.
func TestThreat31CommitTwice(t *testing.T) {
	t.Parallel()
	s, files := newSlowStage(t)
	c := &cast{puppet: s.puppet()}
	c.login()
	p := c.puppet
	open := func() wasi.Errno {
		return p.Named(wasi.FileOpen, "new", wasi.OpenWrite|wasi.OpenExclusive, 0, p.At(kit.ResultAt), p.At(kit.Result2At))
	}
	go func() { // file_open asks for the file's state first
		for files.asked.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		files.gate <- struct{}{}
	}()
	if errno := open(); errno != wasi.OK {
		t.Fatal(errno)
	}
	file := p.Number(kit.ResultAt)
	conn, client := p.Data()
	p.Must(wasi.TransferStart, file, conn, 0, 0)
	client.Write([]byte("content"))
	client.Close()
	p.Event(wasi.EventTransfer, file)

	commit := fmt.Sprintf("call %s", kit.Numbers(wasi.FileCommit, file))
	stat := fmt.Sprintf("call %s", kit.Numbers(wasi.FileStat, slices.Concat([]uint64{p.Session}, p.Text("other"),
		[]uint64{0, p.At(kit.BufferAt)})...))
	p.Send("%s", strings.Join([]string{commit, stat, commit, stat, commit}, "\n"))
	for range 5 {
		p.Reply()
	}
	eventually(t, "the commit begins", func() bool { return files.committing.Load() > 0 })
	p.Raw(wasi.HandleClose, file)
	close(files.gate)
	eventually(t, "the commit ends", func() bool { return files.ended.Load() > 0 })
	p.lives()
	s.server.Close()
	if n := files.committing.Load(); n != 1 {
		t.Errorf("committed %d times", n)
	}
	if n := files.ended.Load(); n != 1 {
		t.Errorf("ended %d times", n)
	}
}

// exclusive is a file system that has one upload at a time. Abort waits for gate.
type exclusive struct {
	*fsbridge.Memory
	gate chan struct{} // closed when Abort may end
	held atomic.Bool
}

func (f *exclusive) Create(name string, flag int, offset int64, perm *fs.FileMode) (fsbridge.Upload, error) {
	if f.held.Swap(true) {
		return nil, syscall.EBUSY
	}
	u, err := f.Memory.Create(name, flag, offset, perm)
	return &exclusiveUpload{u, f}, err
}

type exclusiveUpload struct {
	fsbridge.Upload
	fs *exclusive
}

func (u *exclusiveUpload) Abort() error {
	<-u.fs.gate
	defer u.fs.held.Store(false)
	return u.Upload.Abort()
}

// A client that gives an upload up and uploads again at once is not refused because of
// the first upload.
func TestUploadAgainAfterAbort(t *testing.T) {
	t.Parallel()
	files := &exclusive{Memory: fsbridge.NewMemory(), gate: make(chan struct{})}
	s := newGuestStage(t, func(c *host.Config) {
		c.Authenticator = host.AuthenticatorFunc(func(context.Context, host.Login) (*host.Account, error) {
			return &host.Account{FS: files, Rights: host.ReadWrite}, nil
		})
	})
	p := s.puppet()
	p.login()
	p.Must(wasi.HandleClose, p.Open("file", wasi.OpenWrite|wasi.OpenTruncate, 0))
	open := slices.Concat([]uint64{p.Session}, p.Text("file"), []uint64{wasi.OpenWrite | wasi.OpenTruncate, 0,
		p.At(kit.ResultAt), p.At(kit.Result2At)})
	if errno := p.Raw(wasi.FileOpen, open...); errno != wasi.EAGAIN {
		t.Errorf("file_open while the upload before is being aborted: %v, not EAGAIN", errno)
	}
	close(files.gate)
	p.Event(wasi.EventReady, 0)
	if errno := p.Raw(wasi.FileOpen, open...); errno != wasi.OK {
		t.Errorf("file_open after that: %v, not OK", errno)
	}
}

// A guest that asks questions and takes no answers keeps few goroutines of the host busy.
func TestThreat31AbandonedQuestions(t *testing.T) {
	t.Parallel()
	s, files := newSlowStage(t)
	p := s.puppet()
	p.login()
	before := goroutines(t.Name())
	p.Poke(kit.TextAt, []byte(strings.Repeat("a", 4096)))
	args := kit.Numbers(wasi.FileStat, p.Session, p.At(kit.TextAt))
	errno := p.Errno(p.Answer("repeat 4000 %s * 0 %d", args, p.At(kit.BufferAt)))
	if n := goroutines(t.Name()) - before; n > 64 {
		t.Errorf("%d goroutines at work for one session", n)
	}
	if errno != wasi.EBUSY {
		t.Errorf("one question too many: %v, not EBUSY", errno)
	}
	s.puppet().lives()
	close(files.gate)
	eventually(t, "questions are answered again",
		func() bool { return p.Named(wasi.FileStat, "none", 0, p.At(kit.BufferAt)) == wasi.ENOENT })
}

// Pages of a directory that a guest asked for and gave up do not disturb a later one. The
// race detector would find it.
func TestThreat31AbandonedPages(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, nil)
	p := s.puppet()
	p.login()
	for i := range 100 {
		s.put(fmt.Sprintf("a file with a name of some length, number %d", i), "")
	}
	for range 20 {
		eventually(t, "enough of what was given up has ended", func() bool {
			return p.Named(wasi.FileOpen, ".", wasi.OpenDir, 0, p.At(kit.ResultAt), p.At(kit.Result2At)) != wasi.EBUSY
		})
		dir := p.Number(kit.ResultAt)
		p.Send("repeat 16 %s * %d", kit.Numbers(wasi.FileList, dir, p.At(kit.BufferAt)), p.At(kit.ResultAt))
		p.Reply()
		p.Call(wasi.FileList, dir, p.At(kit.BufferAt), 16<<10, p.At(kit.ResultAt))
		p.Must(wasi.HandleClose, dir)
	}
	p.lives()
}

// The host refuses names that are too long to be kept with a question.
func TestThreat31HugeNames(t *testing.T) {
	t.Parallel()
	c := newGuestStage(t, nil).cast()
	everyParam(func(n int, i wasi.Import, param int) {
		if i.Name == "net_write" || i.Name == "session_kick" { // which is EACCES here, and keeps little
			return
		}
		args, at := c.args(i)
		c.Poke(kit.BufferAt, slices.Repeat([]byte("good"), 512))
		args[at[param]], args[at[param]+1] = c.At(kit.TextAt), c.Size-kit.TextAt
		if i.Name == "net_tls" {
			args[0] = c.Session
		}
		if errno := c.Raw(n, args...); errno != wasi.EINVAL {
			t.Errorf("%s with %d bytes of %s: %v, not EINVAL", i.Name, c.Size-kit.TextAt, i.Params[param].Name, errno)
		}
	}, wasi.In)
	c.lives()
}

// A guest that keeps a session whose account was revoked can begin nothing. An upload
// that was under way may end.
func TestRevokedGuest(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, nil)
	s.put("file", "content")
	p := s.puppet()
	p.login()
	file := p.Open("new", wasi.OpenWrite|wasi.OpenExclusive, 0)
	if n := s.server.Revoke(func(account string) bool { return account == "user" }); n != 1 {
		t.Fatalf("%d logins are revoked", n)
	}
	if e := p.Event(wasi.EventDrain, 0); uint64(e.Session) != p.Session {
		t.Errorf("the guest hears %+v", e)
	}
	for call, args := range map[int][]uint64{
		wasi.FileStat: {0, p.At(kit.ResultAt)}, wasi.FileOpen: {0, 0, p.At(kit.ResultAt), p.At(kit.ResultAt)},
		wasi.FileRemove: {wasi.RemoveFile}, wasi.FileMake: {0, 0},
	} {
		if errno := p.Named(call, "file", args...); errno != wasi.EACCES {
			t.Errorf("%s: %v", wasi.Table[call].Name, errno)
		}
	}
	data, conn := p.Data()
	p.Must(wasi.TransferStart, file, data, 0, 0)
	conn.Write([]byte("content"))
	conn.Close()
	p.Event(wasi.EventTransfer, file)
	if errno := p.Call(wasi.FileCommit, file); errno != wasi.OK {
		t.Errorf("file_commit: %v", errno)
	}
	p.login()
	if errno := p.Named(wasi.FileRemove, "new", wasi.RemoveFile); errno != wasi.OK {
		t.Errorf("file_remove after a new login: %v", errno)
	}
}
