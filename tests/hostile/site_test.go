package hostile

import (
	"math"
	"strings"
	"testing"

	"wasiftp/host"
	"wasiftp/wasi"
	"wasiftp/wasi/hosttest/kit"
)

// copies calls file_copy.
func (p *puppet) copies(from, to string) wasi.Errno {
	p.t.Helper()
	p.Poke(kit.TextAt, []byte(from+to))
	at, middle := p.At(kit.TextAt), p.At(kit.TextAt)+uint64(len(from))
	return p.Call(wasi.FileCopy, p.Session, at, uint64(len(from)), middle, uint64(len(to)), 0, p.At(kit.ResultAt))
}

// What Allow does not turn on is refused, whatever the engine asks for.
func TestThreat31TurnedOff(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, func(c *host.Config) { c.Allow = host.Allow{} })
	s.put("file", "content")
	if err := s.files.Mkdir("dir", nil); err != nil {
		t.Fatal(err)
	}
	p := s.puppet()
	p.login()
	if errno := p.copies("file", "copy"); errno != wasi.EACCES {
		t.Errorf("file_copy: %v, not EACCES", errno)
	}
	if errno := p.Named(wasi.FileRemove, "dir", wasi.RemoveTree); errno != wasi.EACCES {
		t.Errorf("file_remove of a tree: %v, not EACCES", errno)
	}
	p.Poke(kit.TextAt, []byte("linkfile"))
	if errno := p.Call(wasi.FileMake, p.Session, p.At(kit.TextAt), 4, p.At(kit.TextAt+4), 4); errno != wasi.EACCES {
		t.Errorf("file_make of a link: %v, not EACCES", errno)
	}
	p.lives()
}

// A copy is an upload like any other: it cannot be committed before it has ended, it goes
// to no data connection, and a copy that is given up leaves no file.
func TestThreat31Copies(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, nil)
	s.put("file", strings.Repeat("content", 100_000))
	p := s.puppet()
	p.login()
	if errno := p.copies("file", "given-up"); errno != wasi.OK {
		t.Fatal(errno)
	}
	p.Must(wasi.HandleClose, p.Number(kit.ResultAt))
	if errno := p.copies("file", "copy"); errno != wasi.OK {
		t.Fatal(errno)
	}
	file := p.Number(kit.ResultAt)
	conn, _ := p.Data()
	if errno := p.Raw(wasi.TransferStart, file, conn, 0, 0); errno != wasi.EBADF {
		t.Errorf("transfer_start of a copy: %v, not EBADF", errno)
	}
	if errno := p.Raw(wasi.TransferHash, file, 0, 0, p.At(kit.BufferAt), 64, p.At(kit.ResultAt)); errno != wasi.EBADF {
		t.Errorf("transfer_hash of a copy: %v, not EBADF", errno)
	}
	if errno := p.Raw(wasi.FileCommit, file); errno != wasi.EBUSY && errno != wasi.EAGAIN {
		t.Errorf("file_commit at once: %v", errno)
	}
	if e := p.Event(wasi.EventTransfer, file); e.Errno != wasi.OK || e.Value != 700_000 {
		t.Errorf("the copy ended with %v after %d bytes", e.Errno, e.Value)
	}
	p.Must(wasi.FileCommit, file)
	if info, err := s.files.Stat("copy"); err != nil || info.Size() != 700_000 {
		t.Errorf("the copy: %v", err)
	}
	if _, err := s.files.Stat("given-up"); err == nil {
		t.Error("what was given up is there")
	}
	for from, to := range map[string]string{"file": "file", ".": "x", "none": "x"} {
		if errno := p.copies(from, to); errno == wasi.OK {
			t.Errorf("%s was copied to %s", from, to)
		}
	}
	if errno := p.copies("file", "."); errno != wasi.EISDIR {
		t.Errorf("file_copy onto the root: %v", errno)
	}
	if errno := p.Named(wasi.FileRemove, ".", wasi.RemoveTree); errno != wasi.EACCES {
		t.Errorf("file_remove of the root: %v", errno)
	}
	p.lives()
}

func (p *puppet) sessions(after, size uint64) wasi.Errno {
	p.t.Helper()
	return p.Call(wasi.SessionList, p.Session, after, p.At(kit.BufferAt), size, p.At(kit.ResultAt))
}

// Only an administrator may list sessions, whatever the guest asks for.
func TestThreat31SessionsAreSecret(t *testing.T) {
	t.Parallel()
	p := newGuestStage(t, nil).puppet()
	for _, step := range []func(){func() {}, p.login} {
		step()
		if errno := p.sessions(0, 4096); errno != wasi.EACCES {
			t.Errorf("session_list without the right: %v, not EACCES", errno)
		}
	}
}

func TestThreat31Sessions(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, func(c *host.Config) { c.Authenticator = withRights(c.Authenticator, host.RightAdmin) })
	p := s.puppet()
	p.login()
	witness := s.puppet()
	if errno := p.sessions(0, 4096); errno != wasi.OK {
		t.Fatal(errno)
	}
	page := p.Peek(kit.BufferAt, p.Number(kit.ResultAt))
	first, rest, _ := wasi.NextWho(page)
	second, rest, ok := wasi.NextWho(rest)
	if !ok || len(rest) > 0 || string(first.User) != "user" || len(second.User) > 0 || first.Number >= second.Number {
		t.Errorf("%+v, %+v", first, second)
	}
	if first.Client.String() != p.Conn.LocalAddr().String() {
		t.Errorf("its client is %s, not %s", first.Client, p.Conn.LocalAddr())
	}
	for _, size := range []uint64{0, 1, wasi.WhoSize - 1} {
		if errno := p.sessions(0, size); errno != wasi.EINVAL {
			t.Errorf("session_list into %d bytes: %v, not EINVAL", size, errno)
		}
	}
	for _, after := range []uint64{second.Number, math.MaxInt64, math.MaxUint64} {
		if errno := p.sessions(after, 4096); errno != wasi.OK || p.Number(kit.ResultAt) != 0 {
			t.Errorf("session_list after %d: %v, %d bytes", after, errno, p.Number(kit.ResultAt))
		}
	}
	witness.lives()
}

// Only an administrator may end sessions, whatever the guest asks for and whoever it says is
// one. Nothing that it says for the text forges a reply or a line of the log.
func TestThreat31Kick(t *testing.T) {
	t.Parallel()
	over := make(chan host.Event, 8)
	s := newGuestStage(t, func(c *host.Config) {
		c.SessionsPerInstance, c.Authenticator = 1, withRights(c.Authenticator, host.RightAdmin)
		c.Observer = host.ObserverFunc(func(e host.Event) {
			if e.Kind == host.Disconnected {
				over <- e
			}
		})
	})
	p, plain := s.puppet(), s.puppet()
	p.login()
	plain.login()
	live := s.server.Sessions()
	live[1].SetRights(host.ReadWrite)
	kick := func(by *puppet, number uint64, text string) wasi.Errno {
		t.Helper()
		by.Poke(kit.TextAt, []byte(text))
		return by.Call(wasi.SessionKick, by.Session, number, by.At(kit.TextAt), uint64(len(text)))
	}
	if errno := kick(plain, live[0].Number, ""); errno != wasi.EACCES {
		t.Errorf("session_kick without the right: %v, not EACCES", errno)
	}
	for number, want := range map[uint64]wasi.Errno{
		live[0].Number: wasi.EINVAL, live[0].Number | 1<<32: wasi.ENOENT, 0: wasi.ENOENT, math.MaxUint64: wasi.ENOENT,
	} {
		if errno := kick(p, number, ""); errno != want {
			t.Errorf("session_kick of %d: %v, not %v", number, errno, want)
		}
	}
	for _, text := range []string{"a\r\n230 b\nlevel=INFO\x00\x1b[2J\x9b", strings.Repeat("\xff", 4000),
		strings.Repeat("\n", 4000)} {
		victim := s.puppet()
		all := s.server.Sessions()
		number := all[len(all)-1].Number
		if errno := kick(p, number, text); errno != wasi.OK {
			t.Fatalf("session_kick: %v", errno)
		}
		reply, err := victim.Rest()
		told := (<-over).Reason
		if err != nil || !strings.HasPrefix(reply, "421 ") || !strings.Contains(told, "kicked by user") || len(reply+told) > 900 ||
			strings.ContainsAny(strings.TrimSuffix(reply, "\r\n")+told, "\r\n\x00\x1b\u009b") {
			t.Errorf("after session_kick with %.40q its client gets %q, %v, and the event says %q", text, reply, err, told)
		}
		if errno := kick(p, number, text); errno != wasi.ENOENT {
			t.Errorf("session_kick of one that is over: %v, not ENOENT", errno)
		}
	}
	live[0].SetRights(host.ReadOnly)
	if errno := kick(p, live[1].Number, ""); errno != wasi.EACCES {
		t.Errorf("session_kick with the right no more: %v, not EACCES", errno)
	}
	plain.lives()
	p.lives()
}

// A umask ends with its login. auth_login tells what the storage is able to do.
func TestThreat31Umask(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, nil)
	p := s.puppet()
	refused := func(when string) {
		if errno := p.Call(wasi.SessionUmask, p.Session, 0o77); errno != wasi.EACCES {
			t.Errorf("session_umask %s: %v", when, errno)
		}
	}
	refused("before the login")
	p.login()
	able := uint32(p.Number(kit.Result2At))
	p.Must(wasi.SessionUmask, p.Session, 0o77)
	if errno := p.Named(wasi.FileMake, "private", 0, 0); errno != wasi.OK {
		t.Fatal(errno)
	}
	if info, _ := s.files.Stat("private"); info.Mode().Perm() != 0o700 {
		t.Errorf("under a mask: %v", info.Mode())
	}
	if errno := p.Call(wasi.SessionUmask, p.Session, 0o1000); errno != wasi.EINVAL {
		t.Errorf("session_umask of ten bits: %v", errno)
	}
	if want := uint32(wasi.AbleUpload | wasi.AbleTimes | wasi.AbleCreated | wasi.AbleModes | wasi.AbleUmask | wasi.AbleTree |
		wasi.AbleMkdir); able != want {
		t.Errorf("a tree in memory is able to %b, not %b", able, want)
	}
	p.Logout()
	refused("after the logout")
	p.login()
	if errno := p.Named(wasi.FileMake, "public", 0, 0); errno != wasi.OK {
		t.Fatal(errno)
	}
	if info, _ := s.files.Stat("public"); info.Mode().Perm() != 0o755 {
		t.Errorf("after the next login: %v", info.Mode())
	}
}
