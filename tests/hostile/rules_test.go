package hostile

import (
	"context"
	"os"
	"testing"

	"wasiftp/fsbridge"
	"wasiftp/host"
	"wasiftp/wasi"
	"wasiftp/wasi/hosttest/kit"
)

// ruled is a stage whose account has rules, and the files that they are about.
func ruled(t *testing.T) *stage {
	t.Helper()
	rules, err := fsbridge.CompileRules([]fsbridge.Rule{{Pattern: "/hidden"}, {Pattern: "/ro", Rights: host.ReadOnly},
		{Pattern: "/small", Rights: host.ReadWrite, MaxSize: 10, Refuse: []string{"*.exe"}}})
	if err != nil {
		t.Fatal(err)
	}
	s := newGuestStage(t, func(c *host.Config) {
		inner := c.Authenticator
		c.Authenticator = host.AuthenticatorFunc(func(ctx context.Context, l host.Login) (*host.Account, error) {
			account, err := inner.Authenticate(ctx, l)
			if err == nil {
				account.Rules = rules
			}
			return account, err
		})
	})
	for _, dir := range []string{"hidden", "hidden/dir", "ro", "ro/dir", "small", "own"} {
		if err := s.files.Mkdir(dir, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"hidden/file", "ro/file", "own/file"} {
		s.put(file, "content")
	}
	return s
}

// pair calls an import of two names.
func (p *puppet) pair(n int, from, to string, rest ...uint64) wasi.Errno {
	p.t.Helper()
	p.Poke(kit.TextAt, []byte(from+to))
	at, middle := p.At(kit.TextAt), p.At(kit.TextAt)+uint64(len(from))
	return p.Call(n, append([]uint64{p.Session, at, uint64(len(from)), middle, uint64(len(to))}, rest...)...)
}

// ruledAttempts are all calls with which an engine can reach a file or folder, and whether
// they change something there.
var ruledAttempts = map[string]struct {
	changes bool
	try     func(p *puppet, name string) wasi.Errno
}{
	"stat": {false, func(p *puppet, name string) wasi.Errno { return p.Named(wasi.FileStat, name, 0, p.At(kit.ResultAt)) }},
	"stat link": {false, func(p *puppet, name string) wasi.Errno {
		return p.Named(wasi.FileStat, name, wasi.StatLink, p.At(kit.ResultAt))
	}},
	"enter": {false, func(p *puppet, name string) wasi.Errno {
		return p.Named(wasi.FileStat, name, wasi.StatEnter, p.At(kit.ResultAt))
	}},
	"list":       {false, opens(wasi.OpenDir)},
	"list names": {false, opens(wasi.OpenDir | wasi.OpenNames)},
	"read":       {false, opens(0)},
	"write":      {true, opens(wasi.OpenWrite)},
	"replace":    {true, opens(wasi.OpenWrite | wasi.OpenTruncate)},
	"append":     {true, opens(wasi.OpenWrite | wasi.OpenAppend)},
	"make":       {true, opens(wasi.OpenWrite | wasi.OpenExclusive)},
	"mkdir":      {true, func(p *puppet, name string) wasi.Errno { return p.Named(wasi.FileMake, name, 0, 0) }},
	"link":       {true, func(p *puppet, name string) wasi.Errno { return p.pair(wasi.FileMake, name, "own/file") }},
	"delete":     {true, func(p *puppet, name string) wasi.Errno { return p.Named(wasi.FileRemove, name, wasi.RemoveFile) }},
	"rmdir":      {true, func(p *puppet, name string) wasi.Errno { return p.Named(wasi.FileRemove, name, wasi.RemoveDir) }},
	"rmtree":     {true, func(p *puppet, name string) wasi.Errno { return p.Named(wasi.FileRemove, name, wasi.RemoveTree) }},
	"rename":     {true, func(p *puppet, name string) wasi.Errno { return p.pair(wasi.FileRename, name, "own/new") }},
	"rename to":  {true, func(p *puppet, name string) wasi.Errno { return p.pair(wasi.FileRename, "own/file", name) }},
	"copy to":    {true, func(p *puppet, name string) wasi.Errno { return p.copies("own/file", name) }},
	"time":       {true, func(p *puppet, name string) wasi.Errno { return p.Named(wasi.FileSet, name, wasi.SetTime, 1) }},
	"mode":       {true, func(p *puppet, name string) wasi.Errno { return p.Named(wasi.FileSet, name, wasi.SetMode, 0o600) }},
	"space":      {true, func(p *puppet, name string) wasi.Errno { return p.Named(wasi.FileSpace, name, p.At(kit.ResultAt)) }},
}

func opens(flags uint64) func(p *puppet, name string) wasi.Errno {
	return func(p *puppet, name string) wasi.Errno {
		return p.Named(wasi.FileOpen, name, flags, 0, p.At(kit.ResultAt), p.At(kit.Result2At))
	}
}

// An engine that lies gets nothing out of a hidden folder, and puts nothing into one that may
// be read only.
func TestThreat46Rules(t *testing.T) {
	t.Parallel()
	s := ruled(t)
	p := s.puppet()
	p.login()
	for what, attempt := range ruledAttempts {
		for _, name := range []string{"hidden", "hidden/file", "hidden/dir", "hidden/new"} {
			if errno := attempt.try(p, name); errno != wasi.ENOENT {
				t.Errorf("%s %s: %v, not ENOENT", what, name, errno)
			}
		}
		for _, name := range []string{"ro", "ro/file", "ro/dir", "ro/new"} {
			if errno := attempt.try(p, name); attempt.changes && errno != wasi.EACCES {
				t.Errorf("%s %s: %v, not EACCES", what, name, errno)
			}
		}
	}
	if errno := p.copies("hidden/file", "own/copy"); errno != wasi.ENOENT {
		t.Errorf("a copy of a hidden file: %v", errno)
	}
	if errno := p.pair(wasi.FileMake, "own/link", "hidden/file"); errno != wasi.ENOENT {
		t.Errorf("a link to a hidden file: %v", errno)
	}
	p.lives()
	for name, size := range map[string]int64{"hidden/file": 7, "ro/file": 7, "own/file": 7} {
		if info, err := s.files.Stat(name); err != nil || info.Size() != size {
			t.Errorf("%s is %v afterwards, %v", name, info, err)
		}
	}
}

// An engine that lies commits no upload that its rule refuses.
func TestThreat46RulesOfUploads(t *testing.T) {
	t.Parallel()
	s := ruled(t)
	p := s.puppet()
	p.login()
	if errno := opens(wasi.OpenWrite|wasi.OpenTruncate)(p, "small/a.exe"); errno != wasi.EACCES {
		t.Errorf("a refused name: %v", errno)
	}
	if errno := p.pair(wasi.FileRename, "own/file", "small/a.exe"); errno != wasi.EACCES {
		t.Errorf("a refused name for a rename: %v", errno)
	}
	for text, want := range map[string]wasi.Errno{"0123456789": wasi.OK, "0123456789x": wasi.EFBIG} {
		name := "small/" + text
		file := p.Open(name, wasi.OpenWrite|wasi.OpenTruncate, 0)
		conn, client := p.Data()
		p.Must(wasi.TransferStart, file, conn, 0, 0)
		if _, err := client.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		client.Close()
		errno := p.Event(wasi.EventTransfer, file).Errno
		if errno != want {
			t.Errorf("%d bytes: the transfer ends with %v, not %v", len(text), errno, want)
		}
		if errno := p.Call(wasi.FileCommit, file); (errno == wasi.OK) != (want == wasi.OK) {
			t.Errorf("%d bytes: the commit says %v", len(text), errno)
		}
		if _, err := s.files.Stat(name); os.IsNotExist(err) != (want != wasi.OK) {
			t.Errorf("%d bytes: the file: %v", len(text), err)
		}
	}
}
