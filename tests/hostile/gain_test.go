package hostile

import (
	"context"
	"io"
	"io/fs"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/host/bans"
	"wasiftp/host/quota"
	"wasiftp/wasi"
	"wasiftp/wasi/hosttest/kit"
)

// twoAccounts is a stage with the accounts "user", which has a quota, and "other", which may
// only list. Both have their own files.
func twoAccounts(t *testing.T, limit int64) (s *stage, own *quota.Account, others *fsbridge.Memory) {
	t.Helper()
	store, err := quota.Open(t.TempDir(), func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	others = fsbridge.NewMemory()
	s = newGuestStage(t, func(c *host.Config) {
		before := c.Authenticator
		c.Authenticator = host.AuthenticatorFunc(func(ctx context.Context, l host.Login) (*host.Account, error) {
			if l.User == "other" && l.Password.Reveal() == "secret" {
				return &host.Account{FS: others, Rights: host.RightList}, nil
			}
			account, err := before.Authenticate(ctx, l)
			if err == nil {
				account.Quota = own
			}
			return account, err
		})
	})
	own, err = store.Account("user", quota.Limits{Bytes: limit, Files: 20}, func() (fs.FS, func() error, error) {
		return s.files, func() error { return nil }, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "what is there is counted", own.Counted)
	return s, own, others
}

// counts waits until what is counted is what is there.
func (s *stage) counts(own *quota.Account, what string) {
	s.t.Helper()
	eventually(s.t, what, func() bool {
		found, err := fsbridge.Measure(s.t.Context(), s.files)
		return err == nil && found == own.Usage()
	})
}

// upload opens an upload and lets the client send content. It returns how the transfer ended.
func (p *puppet) upload(name, content string) (file uint64, errno wasi.Errno) {
	p.t.Helper()
	data, client := p.Data()
	file = p.Open(name, wasi.OpenWrite|wasi.OpenTruncate, 0)
	p.Must(wasi.TransferStart, file, data, 0, 0)
	go func() {
		io.WriteString(client, content)
		client.CloseWrite()
	}()
	return file, p.Event(wasi.EventTransfer, file).Errno
}

// An upload that was begun by one account stays its own when the engine logs the session in to
// another: its bytes count for the first, and the second gets neither file nor rights.
func TestThreat46AnotherAccountMeanwhile(t *testing.T) {
	t.Parallel()
	s, own, others := twoAccounts(t, 1000)
	p := s.puppet()
	p.login()
	data, client := p.Data()
	file := p.Open("file", wasi.OpenWrite|wasi.OpenTruncate, 0)
	p.Must(wasi.TransferStart, file, data, 0, 0)
	io.WriteString(client, strings.Repeat("x", 300))
	if errno := p.Login("other", "secret"); errno != wasi.OK {
		t.Fatal(errno)
	}
	io.WriteString(client, strings.Repeat("x", 300))
	client.CloseWrite()
	if event := p.Event(wasi.EventTransfer, file); event.Errno != wasi.OK {
		t.Errorf("the transfer ends with %v", event.Errno)
	}
	p.Call(wasi.FileCommit, file)
	s.counts(own, "the upload counts for who has begun it")
	if found, err := fsbridge.Measure(t.Context(), others); err != nil || found.Files != 0 {
		t.Errorf("the other account has %+v, %v", found, err)
	}
	if used := own.Usage(); used.Bytes != 600 {
		t.Errorf("%d bytes count", used.Bytes)
	}
	p.namedRefused(wasi.FileOpen, "file", wasi.OpenWrite|wasi.OpenTruncate, 0, p.At(kit.ResultAt), p.At(kit.Result2At))
	p.lives()
}

// A second commit, a commit after the close, and a close after the commit count nothing.
func TestThreat46CommitsTwice(t *testing.T) {
	t.Parallel()
	s, own, _ := twoAccounts(t, 1000)
	p := s.puppet()
	p.login()
	for _, name := range []string{"new", "new", "other"} {
		file, errno := p.upload(name, strings.Repeat("x", 400))
		if errno != wasi.OK {
			t.Fatal(errno)
		}
		p.Must(wasi.FileCommit, file)
		p.refuses(wasi.EBADF, "twice", wasi.FileCommit, file)
		if errno := p.Raw(wasi.HandleClose, file); errno != wasi.EBADF {
			t.Errorf("a close after the commit: %v", errno)
		}
		s.counts(own, "a commit")
		if left, _ := own.Left(); left != 1000-own.Usage().Bytes {
			t.Errorf("%d bytes are left of %d", left, 1000-own.Usage().Bytes)
		}
		given, errno := p.upload("given up", strings.Repeat("x", 10))
		if errno != wasi.OK {
			t.Fatal(errno)
		}
		p.Must(wasi.HandleClose, given)
		p.refuses(wasi.EBADF, "after the close", wasi.FileCommit, given)
		s.counts(own, "an upload that was given up")
	}
	p.lives()
}

// Copies, also those that append, do not pass the limit, nor do renames of what is being
// uploaded.
func TestThreat46CopiesBeyondTheQuota(t *testing.T) {
	t.Parallel()
	const limit = 2000
	s, own, _ := twoAccounts(t, limit)
	p := s.puppet()
	p.login()
	file, _ := p.upload("file", strings.Repeat("x", 700))
	p.Must(wasi.FileCommit, file)
	refused := 0
	for n := range 6 {
		p.Poke(kit.TextAt, []byte("filecopy"))
		errno := p.Call(wasi.FileCopy, p.Session, p.At(kit.TextAt), 4, p.At(kit.TextAt+4), 4, wasi.CopyAppend, p.At(kit.ResultAt))
		if errno == wasi.EDQUOT {
			refused++
			continue
		}
		if errno != wasi.OK {
			t.Fatal(errno)
		}
		copied := p.Number(kit.ResultAt)
		if event := p.Event(wasi.EventTransfer, copied); event.Errno == wasi.EDQUOT {
			refused++
		}
		if n%2 == 0 {
			p.Raw(wasi.HandleClose, copied)
		} else {
			p.Call(wasi.FileCommit, copied)
		}
		s.counts(own, "a copy")
		if used := own.Usage(); used.Bytes > limit {
			t.Errorf("%d bytes are stored", used.Bytes)
		}
	}
	if refused == 0 {
		t.Error("no copy met the quota")
	}

	open := p.Open("under way", wasi.OpenWrite|wasi.OpenTruncate, 0)
	p.pair(wasi.FileRename, "under way", "file")
	data, client := p.Data()
	p.Must(wasi.TransferStart, open, data, 0, 0)
	go func() {
		client.Write(make([]byte, 3*limit))
		client.CloseWrite()
	}()
	if event := p.Event(wasi.EventTransfer, open); event.Errno == wasi.OK {
		p.Call(wasi.FileCommit, open)
	} else {
		p.Raw(wasi.HandleClose, open)
	}
	if found, err := fsbridge.Measure(t.Context(), s.files); err != nil || found.Bytes > limit {
		t.Errorf("there are %+v, %v", found, err)
	}
	p.lives()
}

// A guest that takes the handles of another session of its instance gets at no file that
// rules hide from its own account.
func TestThreat46HandlesBesideRules(t *testing.T) {
	t.Parallel()
	s := ruled(t)
	p, q := s.puppet(), s.puppet()
	p.login()
	q.login()
	file := p.Open("own/file", wasi.OpenWrite, 0)
	folder := p.List("own", 0)
	data, client := q.Data()
	if errno := q.Raw(wasi.TransferStart, file, data, 0, 0); errno != wasi.EBADF {
		t.Errorf("transfer_start of another session's upload: %v", errno)
	}
	q.Must(wasi.HandleClose, data)
	nothingCame(t, client)
	if errno := q.pair(wasi.FileRename, "own/file", "hidden/file"); errno != wasi.ENOENT {
		t.Errorf("a rename of an open file to a hidden name: %v", errno)
	}
	if errno := q.pair(wasi.FileRename, "own", "hidden"); errno == wasi.OK {
		t.Error("a folder that is being listed was renamed over a hidden one")
	}
	p.Must(wasi.HandleClose, folder)
	p.Must(wasi.HandleClose, file)
	p.lives()
	q.lives()
}

// A guest that never logs in has no files, whatever the accounts of others may.
func TestThreat46NoLogin(t *testing.T) {
	t.Parallel()
	s := ruled(t)
	other, p := s.puppet(), s.puppet()
	other.login()
	for what, attempt := range ruledAttempts {
		if errno := attempt.try(p, "own/file"); errno != wasi.EACCES {
			t.Errorf("%s without a login: %v, not EACCES", what, errno)
		}
	}
	p.copyRefused()
	other.lives()
}

// An account that needs TLS judges by what the host knows of the connection: a guest that only
// begins a handshake has no TLS.
func TestThreat46AccountNeedsTLS(t *testing.T) {
	t.Parallel()
	var admitted atomic.Int32
	s := newGuestStage(t, func(c *host.Config) {
		inner := c.Authenticator
		c.Authenticator = host.AuthenticatorFunc(func(ctx context.Context, l host.Login) (*host.Account, error) {
			if l.TLS == nil {
				return nil, host.ErrDenied
			}
			admitted.Add(1)
			return inner.Authenticate(ctx, l)
		})
	})
	p := s.puppet()
	p.Poke(kit.TextAt, []byte("usersecret"))
	login := kit.Numbers(wasi.AuthLogin, p.Session, p.At(kit.TextAt), 4, p.At(kit.TextAt+4), 6, p.At(kit.ResultAt),
		p.At(kit.Result2At))
	if errno := p.Login("user", "secret"); errno != wasi.EACCES {
		t.Errorf("in the clear: %v", errno)
	}
	p.Send("call %s\ncall %s\ncall %s", kit.Numbers(wasi.NetTLS, p.Session, wasi.TLSServer, p.At(kit.BufferAt), 0), login, login)
	p.Conn.(*net.TCPConn).CloseWrite()
	p.Rest()
	if n := admitted.Load(); n != 0 {
		t.Errorf("%d logins without TLS were taken for such with it", n)
	}
	s.securePuppet().login()
}

// An engine that guesses in many sessions at once meets the ban like an honest one, also with
// the right password.
func TestThreat46GuessesUnderABan(t *testing.T) {
	t.Parallel()
	const after = 3
	var asked atomic.Int32
	s := newGuestStage(t, func(c *host.Config) {
		c.Bans = bans.Policy{After: after, Time: time.Hour}
		inner := c.Authenticator
		c.Authenticator = host.AuthenticatorFunc(func(ctx context.Context, l host.Login) (*host.Account, error) {
			asked.Add(1)
			return inner.Authenticate(ctx, l)
		})
	})
	var sessions []*puppet
	for range after + 3 {
		sessions = append(sessions, s.puppet())
	}
	for _, p := range sessions[:after+1] {
		if errno := p.Login("user", "wrong!"); errno == wasi.OK {
			t.Fatal("a wrong password was taken")
		}
	}
	before := asked.Load()
	if errno := sessions[after+1].Login("user", "secret"); errno != wasi.EMFILE {
		t.Errorf("the right password under a ban: %v", errno)
	}
	if asked.Load() != before {
		t.Errorf("%d more guesses were checked under a ban", asked.Load()-before)
	}
}
