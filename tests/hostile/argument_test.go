package hostile

import (
	"math"
	"slices"
	"testing"

	"wasiftp/host"
	"wasiftp/wasi"
	"wasiftp/wasi/hosttest/kit"
)

func TestThreat31BadPointers(t *testing.T) {
	t.Parallel()
	c := newGuestStage(t, nil).cast()
	end := c.memoryEnd()
	everyParam(func(n int, i wasi.Import, param int) {
		honest, at := c.args(i)
		kind := i.Params[param].Kind
		var bad [][]uint64
		if size := uint64(kind.Size()); size > 0 {
			bad = [][]uint64{{end}, {end - size + 1}, {math.MaxUint32}, {math.MaxUint32 - size + 1}, {1 << 31}}
		} else {
			ok := honest[at[param]]
			bad = [][]uint64{
				{end, 1}, {end - 1, 2}, {end + 1, 0}, {math.MaxUint32, 1}, {math.MaxUint32, math.MaxUint32},
				{1<<32 - 16, 32}, {ok, math.MaxUint32}, {ok, end - ok + 1}, {ok, 1 << 31}, {0, 1<<32 - 1},
			}
		}
		for _, values := range bad {
			args := slices.Replace(slices.Clone(honest), at[param], at[param]+len(values), values...)
			if errno := c.Raw(n, args...); errno != wasi.EFAULT {
				t.Errorf("%s with %s at %#x: %v, not EFAULT", i.Name, i.Params[param].Name, values, errno)
			}
		}
	}, wasi.In, wasi.Out, wasi.InAddr, wasi.RetAddr, wasi.RetStat, wasi.RetUint32, wasi.RetUint64)
	c.lives()
}

// Pointers may lead to the same place, to the guest's own code and data, or to
// nothing: the guest harms itself only.
func TestThreat31OverlappingPointers(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, nil)
	c := s.cast()
	for n, i := range wasi.Table {
		if n == wasi.HandleClose {
			continue
		}
		args, at := c.args(i)
		for param, p := range i.Params {
			switch {
			case p.Kind == wasi.In || p.Kind == wasi.Out:
				args[at[param]], args[at[param]+1] = c.At(kit.ResultAt), 20
			case p.Kind > wasi.Int64:
				args[at[param]] = c.At(kit.ResultAt)
			}
		}
		c.Raw(n, args...)
	}
	c.lives()
}

func TestThreat31WrongHandles(t *testing.T) {
	t.Parallel()
	c := newGuestStage(t, nil).cast()
	closed, _ := c.Listen()
	c.Must(wasi.HandleClose, closed)
	everyParam(func(n int, i wasi.Import, param int) {
		bad := map[string]uint64{
			"0": 0, "-1": math.MaxUint32, "closed": closed, "next": c.handles["dir"] + 1,
			"another generation": c.Session ^ 1<<31, "2^20": 1 << 20,
		}
		good := takes(t, i, i.Params[param].Name)
		for what, handle := range c.handles {
			if !slices.Contains(good, what) {
				bad[what] = handle
			}
		}
		for what, handle := range bad {
			args, at := c.args(i)
			args[at[param]] = handle
			if errno := c.Raw(n, args...); errno != wasi.EBADF {
				t.Errorf("%s with handle %s for %s: %v, not EBADF", i.Name, what, i.Params[param].Name, errno)
			}
		}
	}, wasi.Handle)
	c.lives()
}

// After handle_close every import answers EBADF for the handle.
func TestThreat31UseAfterClose(t *testing.T) {
	t.Parallel()
	c := newGuestStage(t, nil).cast()
	witness := c.stage.puppet()
	for _, what := range []string{"dir", "file", "listener", "conn", "session"} {
		if errno := witness.Raw(wasi.HandleClose, c.handles[what]); errno != wasi.OK {
			t.Errorf("handle_close of the %s: %v", what, errno)
		}
		if errno := witness.Raw(wasi.HandleClose, c.handles[what]); errno != wasi.EBADF {
			t.Errorf("handle_close again of the %s: %v, not EBADF", what, errno)
		}
	}
	everyParam(func(n int, i wasi.Import, param int) {
		args, _ := c.args(i)
		if errno := witness.Raw(n, args...); errno != wasi.EBADF {
			t.Errorf("%s after the end of all: %v, not EBADF", i.Name, errno)
		}
	}, wasi.Handle)
	witness.lives()
}

func TestThreat31UnknownFlags(t *testing.T) {
	t.Parallel()
	c := newGuestStage(t, nil).cast()
	for _, flags := range []uint64{1 << 6, 1 << 31, math.MaxUint32} {
		for _, n := range []int{wasi.NetAddress, wasi.NetListen, wasi.FileStat, wasi.FileOpen, wasi.FileRemove,
			wasi.FileCopy, wasi.TransferStart} {
			i := wasi.Table[n]
			args, at := c.args(i)
			for param, p := range i.Params {
				switch {
				case p.Kind == wasi.Uint32:
					args[at[param]] = flags
				case p.Name == "name", p.Name == "from":
					c.Poke(kit.TextAt, []byte("name"))
					args[at[param]], args[at[param]+1] = c.At(kit.TextAt), 4
				case p.Name == "to":
					args[at[param]], args[at[param]+1] = c.At(kit.TextAt), 3
				}
			}
			if errno := c.Raw(n, args...); errno != wasi.EINVAL {
				t.Errorf("%s with %#x: %v, not EINVAL", i.Name, flags, errno)
			}
		}
	}
	c.lives()
}

func TestThreat31Names(t *testing.T) {
	t.Parallel()
	c := newGuestStage(t, nil).cast()
	names := []string{
		"", "..", "../secret", "a/../../secret", "a/..", "/", "/etc/passwd", "//srv/share", "a//b", "a/", "./a", "a/.", "a/./b",
		"\x00", "a\x00b", "a/\x00", "..\x00", "\x00/..",
	}
	tried := 0
	everyParam(func(n int, i wasi.Import, param int) {
		switch i.Params[param].Name {
		case "name", "from", "to", "target":
			if i.Group != "files" {
				return
			}
		case "data", "user", "password", "reply", "text":
			return
		default:
			t.Fatalf("%s takes bytes called %s: say whether they are a name", i.Name, i.Params[param].Name)
		}
		for _, name := range names {
			if name == "" && i.Params[param].Name == "target" {
				continue // file_make makes a directory then
			}
			args, at := c.args(i)
			c.Poke(kit.BufferAt, slices.Repeat([]byte("good"), 256)) // for the other name of file_rename
			c.Poke(kit.BufferAt+1024, slices.Repeat([]byte("good"), 256))
			copy(args[at[param]:], c.Text(name))
			if errno := c.Raw(n, args...); errno != wasi.EINVAL {
				t.Errorf("%s of %q: %v, not EINVAL", i.Name, name, errno)
			}
			tried++
		}
	}, wasi.In)
	if tried == 0 {
		t.Error("no import takes a name")
	}
	c.lives()
}

func TestThreat31Offsets(t *testing.T) {
	t.Parallel()
	c := newGuestStage(t, nil).cast()
	c.stage.put("seven", "content")
	for _, offset := range []int64{-1, math.MinInt64, math.MinInt64 + 1, 8, math.MaxInt64} {
		for _, flags := range []uint64{
			0, wasi.OpenWrite, wasi.OpenWrite | wasi.OpenTruncate,
			wasi.OpenWrite | wasi.OpenExclusive, wasi.OpenWrite | wasi.OpenTruncate | wasi.OpenExclusive,
		} {
			name := "seven"
			if flags&wasi.OpenExclusive != 0 {
				name = "new"
			}
			errno := c.Named(wasi.FileOpen, name, flags, uint64(offset), c.At(kit.ResultAt), c.At(kit.Result2At))
			if flags == 0 && offset > 0 && errno == wasi.OK {
				continue // there is nothing to read then
			}
			if errno != wasi.EINVAL {
				t.Errorf("file_open with flags %d at %d: %v, not EINVAL", flags, offset, errno)
			}
		}
	}
	for _, mtime := range []int64{math.MinInt64, -1, math.MaxInt64} {
		if errno := c.Named(wasi.FileSet, "seven", wasi.SetTime, uint64(mtime)); errno != wasi.OK && errno != wasi.EINVAL {
			t.Errorf("file_set of the time %d: %v", mtime, errno)
		}
	}
	c.lives()
}

// A session that is not logged in has no files, whatever the guest asks.
func TestThreat31FilesBeforeLogin(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, nil)
	c := &cast{puppet: s.puppet(), handles: map[string]uint64{}}
	c.handles["session"] = c.Session
	c.Poke(kit.BufferAt, slices.Repeat([]byte("good"), 1024))
	check := func(when string) {
		for n, i := range wasi.Table {
			if i.Group != "files" || i.Params[0].Name != "session" {
				continue
			}
			args, _ := c.args(i)
			if errno := c.Raw(n, args...); errno != wasi.EACCES {
				t.Errorf("%s %s: %v, not EACCES", i.Name, when, errno)
			}
		}
	}
	check("before the login")
	c.Poke(kit.TextAt, []byte("userwrong!"))
	if errno := c.Call(wasi.AuthLogin, c.Session, c.At(kit.TextAt), 4, c.At(kit.TextAt+4), 6, c.At(kit.ResultAt),
		c.At(kit.Result2At)); errno != wasi.EACCES {
		t.Errorf("auth_login with a wrong password: %v", errno)
	}
	check("after a failed login")
	c.login()
	c.Logout()
	check("after the logout")
}

// An account's rights hold whatever the guest asks for.
func TestThreat31RightsAreTheHosts(t *testing.T) {
	t.Parallel()
	s := newGuestStage(t, func(c *host.Config) { c.Authenticator = withRights(c.Authenticator, 0) })
	c := &cast{puppet: s.puppet(), handles: map[string]uint64{}}
	c.handles["session"] = c.Session
	s.put("goodgood", "content")
	c.login()
	for n, i := range wasi.Table {
		if i.Group != "files" || i.Params[0].Name != "session" {
			continue
		}
		args, _ := c.args(i)
		c.Poke(kit.BufferAt, slices.Repeat([]byte("good"), 1024)) // the results of the last call were there
		args[2] = 8
		if errno := c.Call(n, args...); errno != wasi.EACCES {
			t.Errorf("%s without a right: %v, not EACCES", i.Name, errno)
		}
	}
	if errno := c.Named(wasi.FileOpen, "new", wasi.OpenWrite, 0, c.At(kit.ResultAt), c.At(kit.Result2At)); errno != wasi.EACCES {
		t.Errorf("file_open to write without a right: %v", errno)
	}
}
