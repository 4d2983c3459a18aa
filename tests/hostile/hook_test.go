package hostile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/wasi"
	"wasiftp/wasi/hosttest/kit"
)

// refusing are hooks that refuse all but the names that are let pass, and count what they
// were asked.
type refusing struct {
	mu    sync.Mutex
	pass  map[string]bool
	asked int
}

func (r *refusing) rule(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	if r.pass[name] {
		return nil
	}
	return host.Refuse(550, "Not "+name)
}

func (r *refusing) hooks() host.Hooks {
	return host.Hooks{
		BeforeUpload: func(_ context.Context, _ host.Session, u host.Upload) error { return r.rule("upload " + u.Path) },
		BeforeDownload: func(_ context.Context, _ host.Session, d host.Download) error {
			return r.rule("download " + d.Path)
		},
		BeforeChange: func(_ context.Context, _ host.Session, c host.Change) error {
			return r.rule(c.Kind.String() + " " + c.Path)
		},
		BeforeCommit: func(_ context.Context, _ host.Session, u host.Upload) error { return r.rule("commit " + u.Path) },
	}
}

// What a hook refuses cannot be had by any call of the guest, however often and in whatever
// order it asks, and also where files are opened within the call.
func TestThreat47HookIsSteppedAround(t *testing.T) {
	t.Parallel()
	memory := "/dev/shm"
	if _, err := os.Stat(memory); err != nil {
		memory = ""
	}
	root, err := os.MkdirTemp(memory, "wasiftp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	if err := errors.Join(os.MkdirAll(filepath.Join(root, "dir/in"), 0o755),
		os.WriteFile(filepath.Join(root, "file"), []byte("content"), 0o644)); err != nil {
		t.Fatal(err)
	}
	dir, err := fsbridge.OpenDir(root, fsbridge.DirOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	r := &refusing{pass: map[string]bool{"copy /file": true, "upload /new": true, "rmtree /dir": true}}
	s := newGuestStage(t, func(c *host.Config) {
		c.Hooks = r.hooks()
		c.Authenticator = host.AuthenticatorFunc(func(context.Context, host.Login) (*host.Account, error) {
			return &host.Account{FS: dir, Rights: host.ReadWrite}, nil
		})
	})
	p := s.puppet()
	p.login()
	open := func(name string, flags uint64) wasi.Errno {
		return p.Named(wasi.FileOpen, name, flags, 0, p.At(kit.ResultAt), p.At(kit.Result2At))
	}
	for range 2 {
		for _, flags := range []uint64{0, wasi.OpenWrite, wasi.OpenWrite | wasi.OpenTruncate, wasi.OpenWrite | wasi.OpenAppend,
			wasi.OpenWrite | wasi.OpenExclusive} {
			if errno := open("file", flags); errno != wasi.EACCES {
				t.Errorf("file_open with %d: %v", flags, errno)
			}
		}
		if errno := p.copies("file", "new"); errno != wasi.EACCES {
			t.Errorf("file_copy of what may not be read: %v", errno)
		}
		for what, errno := range map[string]wasi.Errno{
			"file_make":             p.Named(wasi.FileMake, "made", 0, 0),
			"file_remove":           p.Named(wasi.FileRemove, "file", wasi.RemoveFile),
			"file_remove of a dir":  p.Named(wasi.FileRemove, "dir/in", wasi.RemoveDir),
			"file_remove of a tree": p.Named(wasi.FileRemove, "dir", wasi.RemoveTree),
			"file_set of a time":    p.Named(wasi.FileSet, "file", wasi.SetTime, 1),
			"file_set of a mode":    p.Named(wasi.FileSet, "file", wasi.SetMode, 0),
		} {
			if errno != wasi.EACCES {
				t.Errorf("%s: %v", what, errno)
			}
		}
	}
	p.Poke(kit.TextAt, []byte("filemoved"))
	for _, n := range []int{wasi.FileRename, wasi.FileMake} {
		if errno := p.Call(n, p.Session, p.At(kit.TextAt), 4, p.At(kit.TextAt+4), 5); errno != wasi.EACCES {
			t.Errorf("%s: %v", wasi.Table[n].Name, errno)
		}
	}

	// An upload that has come whole is judged, and gone if it is refused.
	file := p.Open("new", wasi.OpenWrite|wasi.OpenTruncate, 0)
	conn, client := p.Data()
	p.Must(wasi.TransferStart, file, conn, 0, 0)
	client.Close()
	p.Event(wasi.EventTransfer, file)
	if errno := p.Call(wasi.FileCommit, file); errno != wasi.EACCES {
		t.Errorf("file_commit: %v", errno)
	}
	if errno := p.Call(wasi.FileCommit, file); errno != wasi.EBADF {
		t.Errorf("file_commit again: %v", errno)
	}
	var left []string
	entries, err := os.ReadDir(root)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if content, _ := os.ReadFile(filepath.Join(root, "file")); fmt.Sprint(left) != "[dir file]" || string(content) != "content" {
		t.Errorf("there are %v, %v; the file has %q", left, err, content)
	}
	if _, err := os.Stat(filepath.Join(root, "dir/in")); err != nil {
		t.Error(err)
	}
	if r.asked == 0 {
		t.Error("nobody was asked")
	}
	p.lives()
}

// A guest that asks for something else while a hook judges an upload does not get the upload
// committed, nor a second answer.
func TestThreat47HookIsAbandoned(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	var judged atomic.Int32
	s := newGuestStage(t, func(c *host.Config) {
		c.Hooks.BeforeCommit = func(context.Context, host.Session, host.Upload) error {
			judged.Add(1)
			<-gate
			return host.Refuse(550, "No.")
		}
	})
	p := s.puppet()
	p.login()
	file := p.Open("new", wasi.OpenWrite|wasi.OpenTruncate, 0)
	conn, client := p.Data()
	p.Must(wasi.TransferStart, file, conn, 0, 0)
	io.WriteString(client, "content")
	client.Close()
	p.Event(wasi.EventTransfer, file)
	if errno := p.Raw(wasi.FileCommit, file); errno != wasi.EAGAIN {
		t.Fatalf("file_commit: %v", errno)
	}
	eventually(t, "the hook is asked", func() bool { return judged.Load() == 1 })
	for range 3 {
		p.Named(wasi.FileStat, "new", 0, p.At(kit.ResultAt))
		if errno := p.Raw(wasi.FileCommit, file); errno != wasi.EBUSY {
			t.Errorf("file_commit meanwhile: %v", errno)
		}
	}
	close(gate)
	p.Must(wasi.HandleClose, file)
	for range 100 {
		if errno := p.Named(wasi.FileStat, "new", 0, p.At(kit.ResultAt)); errno != wasi.ENOENT {
			t.Fatalf("file_stat: %v", errno)
		}
	}
	if judged.Load() != 1 {
		t.Errorf("the hook was asked %d times", judged.Load())
	}
	p.lives()
}

// A session that the host has closed is gone for its guest, which gains nothing by going on,
// and its rights are those that the host has set, whatever the guest heard at the login.
func TestThreat47ClosedSession(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, nil)
	s.put("file", "content")
	p, other := s.puppet(), s.puppet()
	p.login()
	other.login()
	file := other.Open("file", 0, 0)
	live := s.server.Sessions()
	if len(live) != 2 || !live[0].SetRights(host.RightList) {
		t.Fatalf("%+v", live)
	}
	if errno := p.Named(wasi.FileOpen, "file", 0, 0, p.At(kit.ResultAt), p.At(kit.Result2At)); errno != wasi.EACCES {
		t.Errorf("file_open without the right: %v", errno)
	}
	live[1].Close("Go.")
	other.ends()
	for n, args := range map[int][]uint64{
		wasi.FileStat:    {other.Session, p.At(kit.TextAt), 1, 0, p.At(kit.ResultAt)},
		wasi.NetWrite:    {other.Session, p.At(kit.TextAt), 1, p.At(kit.ResultAt)},
		wasi.HandleClose: {file},
	} {
		if errno := p.Raw(n, args...); errno != wasi.EBADF {
			t.Errorf("%s of a closed session: %v", wasi.Table[n].Name, errno)
		}
	}
	p.lives()
}
