package kit

import (
	"math"
	"slices"
	"strings"
	"time"

	"wasiftp/wasi"
)

// generalChecks are the checks that follow from the kinds of an import's parameters, and from
// its group.
func generalChecks(n int) []Check {
	i := wasi.Table[n]
	var checks []Check
	add := func(proves, promise string, run func(*Trial, int)) {
		checks = append(checks, Check{i.Name, proves, promise, func(c *Trial) { run(c, n) }})
	}
	if has(i, wasi.In, wasi.Out, wasi.InAddr, wasi.RetAddr, wasi.RetStat, wasi.RetUint32, wasi.RetUint64) {
		add("pointers", "a pointer or a length that leads outside the memory is EFAULT, and nothing is done", badPointers)
	}
	if has(i, wasi.Handle) {
		add("handles", "a handle that is none, is closed, or is of another kind is EBADF", badHandles)
	}
	if waits(i) {
		add("waiting", "answers at once, or EAGAIN, an EventReady, and then the answer to the same call", answersOnce)
		if n != wasi.FileCommit {
			add("waiting", "a different call abandons it, and neither gets the other's answer", abandoned)
		}
	}
	if i.Group == "files" && i.Params[0].Name == "session" {
		add("rights", "a session that is not logged in has no files: EACCES", beforeLogin)
		if !slices.Contains(reads, n) {
			add("rights", "an account that may only read changes nothing: EACCES", noRight)
		}
	}
	if i.Group == "files" && has(i, wasi.In) {
		add("names", "a name is relative, with no empty element, no . and .. and no NUL: else EINVAL", badNames)
	}
	return checks
}

func has(i wasi.Import, kinds ...wasi.Kind) bool {
	return slices.ContainsFunc(i.Params, func(p wasi.Param) bool { return slices.Contains(kinds, p.Kind) })
}

func waits(i wasi.Import) bool { return strings.HasPrefix(i.Text, "may wait") }

// harmless has calls that show whether a host offers an import, for the imports whose
// faultless call would use up what a check needs. If it offers the import, these calls fail.
var harmless = map[int]func(c *cast) wasi.Errno{
	wasi.FileMake:   func(c *cast) wasi.Errno { return c.mkdir(c.file) },
	wasi.FileRemove: func(c *cast) wasi.Errno { return c.Named(wasi.FileRemove, c.fresh, wasi.RemoveFile) },
	wasi.FileRename: func(c *cast) wasi.Errno { return c.rename(c.fresh, c.name("fresh too")) },
	wasi.NetDeflate: func(c *cast) wasi.Errno { return c.Raw(wasi.NetDeflate, c.handles["conn"], 10) },
	wasi.TransferHash: func(c *cast) wasi.Errno {
		return c.Raw(wasi.TransferHash, c.handles["file"], wasi.HashCount, 0, c.At(BufferAt), outSize, c.At(ResultAt))
	},
	wasi.NetTLS: func(c *cast) wasi.Errno {
		return c.Raw(wasi.NetTLS, c.handles["conn"], wasi.TLSServer, c.At(TextAt), 1)
	},
	wasi.FileCopy: func(c *cast) wasi.Errno { return c.pair(wasi.FileCopy, c.file, c.file, 0, c.At(ResultAt)) },
}

// permission is a thing that a host does only if its configuration allows it.
type permission struct {
	what    string
	allowed func(wasi.Allow) bool
}

var (
	joining  = permission{"being the client in a TLS handshake", func(a wasi.Allow) bool { return a.SSCN || a.CPSV }}
	stopping = permission{"ending TLS", func(a wasi.Allow) bool { return a.CCC }}
	linking  = permission{"making links", func(a wasi.Allow) bool { return a.SiteSymlink }}
	copying  = permission{"copying files", func(a wasi.Allow) bool { return a.SiteCopy || a.Combine }}
	felling  = permission{"removing a directory with its contents", func(a wasi.Allow) bool { return a.SiteRmdir }}
)

// needs skips the check when the configuration does not allow p.
func (c *Trial) needs(p permission) {
	c.T.Helper()
	if !p.allowed(c.config().Allow) {
		c.T.Skipf(NotOffered+"the configuration does not allow %s", p.what)
	}
}

// forbids skips the check when the configuration allows p.
func (c *Trial) forbids(p permission) {
	c.T.Helper()
	if p.allowed(c.config().Allow) {
		c.T.Skipf(NotChecked+"the configuration allows %s", p.what)
	}
}

// offered skips the check when the host does not offer import n.
func (c *cast) offered(n int) {
	c.T.Helper()
	if n == wasi.FileCopy {
		c.needs(copying)
	}
	if !Optional(n) {
		return
	}
	try := harmless[n]
	if try == nil {
		try = func(c *cast) wasi.Errno {
			args, _ := c.args(n)
			return c.Call(n, args...)
		}
	}
	c.skipAbsent(n, try(c))
}

func badPointers(t *Trial, n int) {
	c := t.cast()
	c.offered(n)
	i := wasi.Table[n]
	args, at := c.args(n)
	for param, p := range i.Params {
		end := c.MemoryEnd()
		bad := outside(p.Kind, args[at[param]], end)
		for tried := 0; tried < len(bad); tried++ {
			errno := c.Call(n, with(args, at[param], bad[tried]...)...)
			if grown := c.MemoryEnd(); grown != end { // the module has grown meanwhile: begin anew with its new end
				end, bad, tried = grown, outside(p.Kind, args[at[param]], grown), -1
				continue
			}
			if errno != wasi.EFAULT {
				c.T.Errorf("with %s at %#x of a memory of %#x bytes: %v, not EFAULT", p.Name, bad[tried], end, errno)
			}
		}
	}
}

// outside are values of a pointer parameter, of one or two numbers each, that lead out of a
// memory of end bytes, by a little and by much. good is a pointer into the memory.
func outside(kind wasi.Kind, good, end uint64) [][]uint64 {
	if kind == wasi.In || kind == wasi.Out {
		return [][]uint64{
			{end, 1}, {end - 1, 2}, {math.MaxUint32, 1}, {math.MaxUint32, math.MaxUint32}, {1<<32 - 16, 32},
			{good, math.MaxUint32}, {good, end - good + 1}, {good, 1 << 31},
		}
	}
	if size := uint64(kind.Size()); size > 0 {
		return [][]uint64{{end}, {end - size + 1}, {math.MaxUint32}, {math.MaxUint32 - size + 1}, {end + 1<<20}}
	}
	return nil
}

func badHandles(t *Trial, n int) {
	c := t.cast()
	c.offered(n)
	closed, _ := c.Listen()
	c.Must(wasi.HandleClose, closed)
	i := wasi.Table[n]
	args, at := c.args(n)
	for param, p := range i.Params {
		if p.Kind != wasi.Handle {
			continue
		}
		bad := map[string]uint64{"0": 0, "0xffffffff": math.MaxUint32, "a listener that was closed": closed, "2^30": 1 << 30}
		for what, handle := range c.handles {
			if !slices.Contains(Takes(i, p.Name), what) {
				bad["a "+what] = handle
			}
		}
		for what, handle := range bad {
			if errno := c.Call(n, with(args, at[param], handle)...); errno != wasi.EBADF {
				c.T.Errorf("with %s for %s: %v, not EBADF", what, p.Name, errno)
			}
		}
	}
}

// ready are the arguments of a call that must succeed. Those of file_commit need an upload.
func (c *cast) ready(n int) []uint64 {
	if n == wasi.FileCommit {
		file := c.create(c.fresh)
		c.finish(c.upload(file, content, 0, 0))
		return []uint64{file}
	}
	args, _ := c.args(n)
	return args
}

func answersOnce(t *Trial, n int) {
	c := t.cast()
	c.offered(n)
	args := c.ready(n)
	errno := c.Raw(n, args...)
	if errno == wasi.EAGAIN {
		c.Event(wasi.EventReady, 0)
		if errno = c.Raw(n, args...); errno == wasi.EAGAIN {
			c.T.Fatalf("EAGAIN after EventReady, with the same arguments")
		}
		c.once(wasi.EventReady)
	}
	c.succeed(n, errno)
}

// abandoned sends a call and a file_stat, twice, at once: each abandons the one before it,
// before the host can tell of its answer.
func abandoned(t *Trial, n int) {
	c := t.cast()
	c.offered(n)
	args, _ := c.args(n)
	if n == wasi.FileRemove || n == wasi.FileRename {
		c.put(c.name("other"), content) // the abandoned call may have removed the file all the same
	}
	call := "call " + Numbers(n, args...)
	c.Poke(TextAt+8192, []byte("."))
	other := []uint64{c.Session, c.At(TextAt + 8192), 1, 0, c.At(ResultAt)}
	c.Send("%s\ncall %s\n%s\ncall %s", call, Numbers(wasi.FileStat, other...), call, Numbers(wasi.FileStat, other...))
	var last wasi.Errno
	for range 4 {
		last = c.Errno(c.Reply())
	}
	for last == wasi.EAGAIN {
		c.Event(wasi.EventReady, 0)
		last = c.Raw(wasi.FileStat, other...)
	}
	if s := wasi.GetStat(c.Peek(ResultAt, wasi.StatSize)); last != wasi.OK || s.Mode&wasi.TypeMask != wasi.TypeDir {
		c.T.Errorf("file_stat of the root, in between: %v with mode %#x, not OK with that of a directory", last, s.Mode)
	}
	errno := c.Call(n, args...)
	for deadline := time.Now().Add(c.patience / 2); errno == wasi.EBUSY && time.Now().Before(deadline); {
		errno = c.Call(n, args...) // an abandoned call may still be at work
	}
	if errno == wasi.EBUSY || errno == wasi.EMFILE || errno == wasi.EBADF {
		c.T.Errorf("the same call once more, in the end: %v", errno)
	}
}

func beforeLogin(t *Trial, n int) {
	c := &cast{Trial: t, handles: map[string]uint64{"session": t.Session}, file: "file", dir: ".", fresh: "fresh"}
	args, _ := c.args(n)
	c.refused(wasi.EACCES, n, args...)
}

// reads are the imports that change nothing in the storage. file_open is not one of them: it
// can open a file for writing.
var reads = []int{wasi.FileStat, wasi.FileSpace}

func noRight(t *Trial, n int) {
	c := t.cast()
	c.offered(n)
	args, at := c.args(n)
	if n == wasi.FileOpen {
		args[at[2]] = wasi.OpenWrite | wasi.OpenTruncate
	}
	c.Poke(BufferAt+outSize, c.Peek(TextAt, textSize/2)) // the login writes over the arguments
	c.onlyRead()
	c.Poke(TextAt, c.Peek(BufferAt+outSize, textSize/2))
	if errno := c.Call(n, args...); errno != wasi.EACCES {
		c.T.Errorf("%v, not EACCES", errno)
	}
	c.enter()
	c.has(c.file, content)
}

// badName are names that no file can have, besides the empty one.
var badName = []string{"..", "../x", "x/../../y", "x/..", "/", "/x", "x//y", "x/", "./x", "x/.", "x/./y", "x\x00y", "..\x00"}

func badNames(t *Trial, n int) {
	c := t.cast()
	c.offered(n)
	i := wasi.Table[n]
	args, at := c.args(n)
	for param, p := range i.Params {
		if p.Kind != wasi.In || p.Name == "target" {
			continue // the target of a link has checks of its own
		}
		for _, name := range append([]string{""}, badName...) {
			c.Poke(TextAt+8192, []byte(name))
			if errno := c.Call(n, with(args, at[param], c.At(TextAt+8192), uint64(len(name)))...); errno != wasi.EINVAL {
				c.T.Errorf("%s %q: %v, not EINVAL", p.Name, name, errno)
			}
		}
	}
}
