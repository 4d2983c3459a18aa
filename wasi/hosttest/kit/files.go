package kit

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"wasiftp/wasi"
)

// words are the arguments of an import whose first parameters are a session and
// a name.
func (c *Trial) words(name string, rest ...uint64) []uint64 {
	c.T.Helper()
	return slices.Concat([]uint64{c.Session}, c.Text(name), rest)
}

var fileChecks = []Check{
	{Import: "file_stat", Proves: []string{"result"}, Promise: "describes a file: size, type, permissions, time of the last change", Run: func(c *Trial) {
		c.enter()
		before := time.Now()
		name := c.made("file", content)
		s := c.stat(name)
		if s.Mode&wasi.TypeMask != wasi.TypeRegular || s.Size != uint64(len(content)) || s.Mode&^(wasi.TypeMask|0o777) != 0 {
			c.T.Errorf("a file of %d bytes is %+v", len(content), s)
		}
		if off := time.Unix(0, s.ModTime).Sub(before).Abs(); off > time.Hour {
			c.T.Errorf("a file just made was changed %v ago", off)
		}
	}},
	{Import: "file_stat", Proves: []string{"result"}, Promise: "describes the root and a directory", Run: func(c *Trial) {
		c.enter()
		if s := c.stat("."); s.Mode&wasi.TypeMask != wasi.TypeDir {
			c.T.Errorf("the root is %+v", s)
		}
		if s := c.stat(c.folder("folder")); s.Mode&wasi.TypeMask != wasi.TypeDir {
			c.T.Errorf("a directory is %+v", s)
		}
	}},
	{Import: "file_stat", Proves: []string{"ENOENT"}, Promise: "ENOENT when there is none", Run: func(c *Trial) {
		c.enter()
		for _, flags := range []uint64{0, wasi.StatLink} {
			c.refused(wasi.ENOENT, wasi.FileStat, c.words(c.name("none"), flags, c.At(ResultAt))...)
		}
	}},
	{Import: "file_stat", Proves: []string{"EINVAL"}, Promise: "EINVAL for an unknown flag", Run: func(c *Trial) {
		c.enter()
		c.refused(wasi.EINVAL, wasi.FileStat, c.words(".", 2, c.At(ResultAt))...)
	}},
	{Import: "file_stat", Proves: []string{"result"}, Promise: "flag 1 describes a link itself, else what it leads to", Run: func(c *Trial) {
		c.enter()
		name := c.made("file", content)
		link := c.link("link", name)
		if s := c.stat(link); s.Mode&wasi.TypeMask != wasi.TypeRegular || s.Size != uint64(len(content)) {
			c.T.Errorf("what the link leads to is %+v", s)
		}
		c.succeed(wasi.FileStat, c.Named(wasi.FileStat, link, wasi.StatLink, c.At(ResultAt)))
		if s := wasi.GetStat(c.Peek(ResultAt, wasi.StatSize)); s.Mode&wasi.TypeMask != wasi.TypeLink {
			c.T.Errorf("the link is %+v", s)
		}
	}},
	{Import: "file_stat", Proves: []string{"result"}, Promise: "nothing outside the root is reached through a link", Run: staysInside},

	{Import: "file_stat", Proves: []string{"result"}, Promise: "a size that takes more than 32 bits is whole, and so is an offset", Run: func(c *Trial) {
		c.enter()
		name := c.made("file", content)
		if c.Target.Root == "" {
			c.T.Skipf(NotChecked + "for want of the root, to make so large a file in")
		}
		const size = 5<<30 + 7
		if err := os.Truncate(filepath.Join(c.Target.Root, name), size); err != nil {
			c.T.Skipf(NotChecked+"%v", err)
		}
		if s := c.stat(name); s.Size != size {
			c.T.Errorf("%d bytes are %d", uint64(size), s.Size)
		}
		if got, _ := c.download(c.Open(name, 0, size-3), 0, 0); got != "\x00\x00\x00" {
			c.T.Errorf("of 3 bytes at the end of %d %d come", uint64(size), len(got))
		}
	}},
	{Import: "file_stat", Proves: []string{"result"}, Promise: "what is below a file is not there: ENOTDIR or ENOENT", Run: func(c *Trial) {
		c.enter()
		if errno := c.Named(wasi.FileStat, c.made("file", content)+"/below", 0, c.At(ResultAt)); errno != wasi.ENOTDIR && errno != wasi.ENOENT {
			c.T.Errorf("%v", errno)
		}
	}},
	{Import: "file_stat", Proves: []string{"result"}, Promise: "a name that is too long is refused", Run: func(c *Trial) {
		c.enter()
		for _, size := range []int{5000, 100_000} {
			long := bytes.Repeat([]byte("long"), size/4)
			c.Poke(BufferAt, long)
			if errno := c.Call(wasi.FileStat, c.Session, c.At(BufferAt), uint64(len(long)), 0, c.At(ResultAt)); errno == wasi.OK || errno == wasi.EFAULT {
				c.T.Errorf("%d bytes: %v", size, errno)
			}
		}
	}},

	{Import: "file_list", Proves: []string{"result"}, Promise: "opens a directory, and twice, independently", Run: func(c *Trial) {
		c.enter()
		name := c.made("file", content)
		first, second := c.List(".", 0), c.List(".", 0)
		for _, dir := range []uint64{first, second} {
			if s, ok := c.entries(dir, outSize)[name]; !ok || s.Size != uint64(len(content)) {
				c.T.Errorf("a file of %d bytes is listed as %+v, %v", len(content), s, ok)
			}
		}
	}},
	{Import: "file_list", Proves: []string{"result"}, Promise: "flag 1 asks for names only, the other fields being zero", Run: func(c *Trial) {
		c.enter()
		name := c.made("file", content)
		if s, ok := c.entries(c.List(".", wasi.ListNames), outSize)[name]; !ok || s != (wasi.Stat{}) {
			c.T.Errorf("a file is listed as %+v, %v", s, ok)
		}
	}},
	{Import: "file_list", Proves: []string{"ENOTDIR"}, Promise: "ENOTDIR for anything else", Run: func(c *Trial) {
		c.enter()
		c.refused(wasi.ENOTDIR, wasi.FileList, c.words(c.made("file", content), 0, c.At(ResultAt))...)
	}},
	{Import: "file_list", Proves: []string{"ENOENT"}, Promise: "ENOENT when there is none", Run: func(c *Trial) {
		c.enter()
		c.refused(wasi.ENOENT, wasi.FileList, c.words(c.name("none"), 0, c.At(ResultAt))...)
	}},
	{Import: "file_list", Proves: []string{"EINVAL"}, Promise: "EINVAL for an unknown flag", Run: func(c *Trial) {
		c.enter()
		c.refused(wasi.EINVAL, wasi.FileList, c.words(".", 2, c.At(ResultAt))...)
	}},

	{Import: "file_list_next", Proves: []string{"result"}, Promise: "gives whole records, each entry once, however small buf is, and 0 at the end each time", Run: listsInPages},
	{Import: "file_list_next", Proves: []string{"result"}, Promise: "names are bytes: what was made is what is listed", Run: func(c *Trial) {
		c.enter()
		for _, s := range []string{"a b", "\u00fc\u20ac\U0001f600", "-x", "x'\"$*?", "x\\y", "x\\..\\y", "\xe4\xff"} {
			name := c.name(s)
			errno := c.Call(wasi.FileOpen, c.opening(name, wasi.OpenWrite|wasi.OpenTruncate, 0)...)
			if errno != wasi.OK {
				if s == "a b" || s[0] == '\xc3' {
					c.T.Errorf("a file %q: %v", name, errno)
				}
				continue // not every storage can
			}
			file := c.Number(ResultAt)
			c.finish(c.upload(file, content, 0, 0))
			c.succeed(wasi.FileCommit, c.Call(wasi.FileCommit, file))
			c.has(name, content)
			if _, ok := c.entries(c.List(".", 0), outSize)[name]; !ok {
				c.T.Errorf("a file %q is made, and not listed", name)
			}
		}
	}},
	{Import: "file_list_next", Proves: []string{"result"}, Promise: "a directory of a thousand entries is whole", Run: func(c *Trial) {
		c.enter()
		folder := c.folder("folder")
		if c.Target.Root == "" {
			c.T.Skipf(NotChecked + "for want of the root, to make so many files in")
		}
		for n := range 1000 {
			name := c.name(fmt.Sprintf("folder/%d", n))
			if err := os.WriteFile(filepath.Join(c.Target.Root, name), nil, 0o644); err != nil {
				c.T.Skipf(NotChecked+"%v", err)
			}
		}
		if got := c.entries(c.List(folder, 0), outSize); len(got) != 1000 {
			c.T.Errorf("%d are listed", len(got))
		}
	}},
	{Import: "file_list_next", Proves: []string{"result"}, Promise: "leaves . and .. out, and describes each entry by its own name", Run: func(c *Trial) {
		c.enter()
		folder := c.folder("folder")
		dir := c.List(folder, 0)
		if got := c.entries(dir, outSize); len(got) > 0 {
			c.T.Errorf("an empty directory has %v", slices.Collect(maps.Keys(got)))
		}
		s, ok := c.entries(c.List(".", 0), outSize)[folder]
		if !ok || s.Mode&wasi.TypeMask != wasi.TypeDir {
			c.T.Errorf("a directory is listed as %+v, %v", s, ok)
		}
	}},
	{Import: "file_list_next", Proves: []string{"result"}, Promise: "a link has its target behind the name", Run: func(c *Trial) {
		c.enter()
		link := c.link("link", "nowhere")
		dir := c.List(".", 0)
		for {
			c.succeed(wasi.FileListNext, c.Call(wasi.FileListNext, dir, c.At(BufferAt), outSize, c.At(ResultAt)))
			page := c.Peek(BufferAt, c.Number(ResultAt))
			if len(page) == 0 {
				c.T.Fatalf("the link is not listed")
			}
			for s, name, target, rest, ok := wasi.NextDirent(page); ok; s, name, target, rest, ok = wasi.NextDirent(rest) {
				if string(name) == link {
					if s.Mode&wasi.TypeMask == wasi.TypeLink && string(target) != "nowhere" {
						c.T.Errorf("the target of the link is %q, not %q", target, "nowhere")
					}
					return
				}
			}
		}
	}},

	{Import: "file_open", Proves: []string{"result"}, Promise: "opens a file for reading, and describes it", Run: func(c *Trial) {
		c.enter()
		c.Open(c.made("file", content), 0, 0)
		if s := wasi.GetStat(c.Peek(Result2At, wasi.StatSize)); s.Size != uint64(len(content)) || s.Mode&wasi.TypeMask != wasi.TypeRegular {
			c.T.Errorf("a file of %d bytes is %+v", len(content), s)
		}
	}},
	{Import: "file_open", Proves: []string{"ENOENT"}, Promise: "ENOENT when there is none, also for an upload into a directory that is not there", Run: func(c *Trial) {
		c.enter()
		c.refused(wasi.ENOENT, wasi.FileOpen, c.opening(c.name("none"), 0, 0)...)
		c.refused(wasi.ENOENT, wasi.FileOpen, c.opening(c.name("none")+"/file", wasi.OpenWrite|wasi.OpenTruncate, 0)...)
	}},
	{Import: "file_open", Proves: []string{"EISDIR"}, Promise: "EISDIR for a directory", Run: func(c *Trial) {
		c.enter()
		folder := c.folder("folder")
		c.refused(wasi.EISDIR, wasi.FileOpen, c.opening(folder, 0, 0)...)
		c.refused(wasi.EISDIR, wasi.FileOpen, c.opening(folder, wasi.OpenWrite|wasi.OpenTruncate, 0)...)
	}},
	{Import: "file_open", Proves: []string{"EEXIST"}, Promise: "OpenExclusive is EEXIST when there is such a file, and makes it otherwise", Run: func(c *Trial) {
		c.enter()
		c.refused(wasi.EEXIST, wasi.FileOpen, c.opening(c.made("file", content), wasi.OpenWrite|wasi.OpenExclusive, 0)...)
		name := c.name("new")
		c.uploads(name, wasi.OpenWrite|wasi.OpenExclusive, 0, "new", "new")
	}},
	{Import: "file_open", Proves: []string{"result"}, Promise: "OpenTruncate replaces what was there", Run: func(c *Trial) {
		c.enter()
		c.uploads(c.made("file", content), wasi.OpenWrite|wasi.OpenTruncate, 0, "new", "new")
	}},
	{Import: "file_open", Proves: []string{"result"}, Promise: "OpenAppend adds to the end, whatever the offset, and makes a file that is missing", Run: func(c *Trial) {
		c.enter()
		c.uploads(c.made("file", "old"), wasi.OpenWrite|wasi.OpenAppend, 0, "new", "oldnew")
		c.uploads(c.name("missing"), wasi.OpenWrite|wasi.OpenAppend, 0, "new", "new")
	}},
	{Import: "file_open", Proves: []string{"result"}, Promise: "OpenWrite alone overwrites from offset on, and leaves what is behind", Run: func(c *Trial) {
		c.enter()
		c.uploads(c.made("file", "0123456789"), wasi.OpenWrite, 3, "xyz", "012xyz6789")
		c.uploads(c.made("end", "0123456789"), wasi.OpenWrite, 10, "xyz", "0123456789xyz")
	}},
	{Import: "file_open", Proves: []string{"EINVAL"}, Promise: "EINVAL for an unknown flag, for a negative offset, and for an upload past the end", Run: func(c *Trial) {
		c.enter()
		name := c.made("file", content)
		c.refused(wasi.EINVAL, wasi.FileOpen, c.opening(name, 16, 0)...)
		for _, flags := range []uint64{0, wasi.OpenWrite} {
			c.refused(wasi.EINVAL, wasi.FileOpen, c.opening(name, flags, -1)...)
		}
		c.refused(wasi.EINVAL, wasi.FileOpen, c.opening(name, wasi.OpenWrite, int64(len(content)+1))...)
		c.refused(wasi.EINVAL, wasi.FileOpen, c.opening(name, wasi.OpenWrite, 1<<32)...)
	}},
	{Import: "file_open", Proves: []string{"pointers"}, Promise: "a call whose result cannot be written makes no file", Run: func(c *Trial) {
		c.enter()
		name := c.name("none")
		args := c.opening(name, wasi.OpenWrite|wasi.OpenTruncate, 0)
		args[len(args)-1] = c.MemoryEnd()
		c.refused(wasi.EFAULT, wasi.FileOpen, args...)
		c.refused(wasi.ENOENT, wasi.FileStat, c.words(name, 0, c.At(ResultAt))...)
	}},
	{Import: "file_open", Proves: []string{"result"}, Promise: "answers that are given up leave no file open", Run: func(c *Trial) {
		c.enter()
		name := c.made("file", content)
		open := Numbers(wasi.FileOpen, c.opening(name, 0, 0)...)
		stat := Numbers(wasi.FileStat, c.Session, c.At(TextAt), uint64(len(name)), 0, c.At(ResultAt))
		for range 40 {
			for _, call := range []string{open, stat} {
				errno := c.Errno(c.Answer("call %s", call))
				if errno == wasi.OK && call == open {
					c.Must(wasi.HandleClose, c.Number(ResultAt))
				}
			}
		}
		c.Forget()
		for errno := wasi.EBUSY; errno != wasi.OK; { // what was given up may still be at work
			if errno = c.Call(wasi.FileOpen, c.opening(name, 0, 0)...); errno != wasi.OK && errno != wasi.EBUSY {
				c.T.Fatalf("%v, not OK", errno)
			}
		}
	}},

	{Import: "file_commit", Proves: []string{"result"}, Promise: "makes an upload final, and closes it", Run: func(c *Trial) {
		c.enter()
		name := c.name("file")
		file := c.Open(name, wasi.OpenWrite|wasi.OpenTruncate, 0)
		c.finish(c.upload(file, content, 0, 0))
		c.succeed(wasi.FileCommit, c.Call(wasi.FileCommit, file))
		c.refused(wasi.EBADF, wasi.HandleClose, file)
		c.has(name, content)
	}},
	{Import: "file_commit", Proves: []string{"EINVAL"}, Promise: "EINVAL for a file that is read, or whose upload has not begun", Run: func(c *Trial) {
		c.enter()
		for _, file := range []uint64{c.Open(c.made("file", content), 0, 0), c.Open(c.name("new"), wasi.OpenWrite|wasi.OpenTruncate, 0)} {
			c.refused(wasi.EINVAL, wasi.FileCommit, file)
			c.Must(wasi.HandleClose, file) // it is still there
		}
	}},
	{Import: "file_commit", Proves: []string{"EBUSY"}, Promise: "EBUSY while the upload goes on", Run: func(c *Trial) {
		c.enter()
		file := c.Open(c.name("file"), wasi.OpenWrite|wasi.OpenTruncate, 0)
		conn, client := c.Data()
		c.Must(wasi.TransferStart, file, conn, 0, 0)
		c.refused(wasi.EBUSY, wasi.FileCommit, file)
		io.WriteString(client, content)
		client.Close()
		c.finish(c.Event(wasi.EventTransfer, file))
		c.succeed(wasi.FileCommit, c.Call(wasi.FileCommit, file))
	}},
	{Import: "file_commit", Proves: []string{"EINVAL"}, Promise: "EINVAL for an upload that broke off", Run: func(c *Trial) {
		c.enter()
		file := c.Open(c.name("file"), wasi.OpenWrite|wasi.OpenTruncate, 0)
		conn, client := c.Data()
		c.Must(wasi.TransferStart, file, conn, 0, 0)
		io.WriteString(client, content)
		client.SetLinger(0)
		client.Close()
		if e := c.Event(wasi.EventTransfer, file); e.Errno == wasi.OK {
			c.T.Fatalf("an upload that was reset ends with %v", e.Errno)
		}
		c.refused(wasi.EINVAL, wasi.FileCommit, file)
		c.Must(wasi.HandleClose, file)
	}},

	{Import: "file_mkdir", Proves: []string{"result", "EEXIST", "ENOENT"}, Promise: "makes a directory; EEXIST when there is one, ENOENT when the one above is missing", Run: func(c *Trial) {
		c.enter()
		folder := c.folder("folder")
		if s := c.stat(folder); s.Mode&wasi.TypeMask != wasi.TypeDir {
			c.T.Errorf("what was made is %+v", s)
		}
		c.refused(wasi.EEXIST, wasi.FileMkdir, c.words(folder)...)
		c.refused(wasi.EEXIST, wasi.FileMkdir, c.words(c.made("file", content))...)
		c.refused(wasi.ENOENT, wasi.FileMkdir, c.words(c.name("none")+"/below")...)
	}},

	{Import: "file_remove", Proves: []string{"result", "ENOENT"}, Promise: "removes a file, or an empty directory; ENOENT when there is none", Run: func(c *Trial) {
		c.enter()
		for kind, name := range []string{c.made("file", content), c.folder("folder")} {
			c.succeed(wasi.FileRemove, c.Named(wasi.FileRemove, name, uint64(kind)))
			c.refused(wasi.ENOENT, wasi.FileStat, c.words(name, 0, c.At(ResultAt))...)
			c.refused(wasi.ENOENT, wasi.FileRemove, c.words(name, uint64(kind))...)
		}
	}},
	{Import: "file_remove", Proves: []string{"EISDIR", "ENOTDIR", "ENOTEMPTY"}, Promise: "EISDIR and ENOTDIR for the wrong kind, ENOTEMPTY for a directory that has entries", Run: func(c *Trial) {
		c.enter()
		folder, file := c.folder("folder"), c.made("file", content)
		inside := c.made("folder/file", content)
		c.refused(wasi.EISDIR, wasi.FileRemove, c.words(folder, wasi.RemoveFile)...)
		c.refused(wasi.ENOTDIR, wasi.FileRemove, c.words(file, wasi.RemoveDir)...)
		c.refused(wasi.ENOTEMPTY, wasi.FileRemove, c.words(folder, wasi.RemoveDir)...)
		c.has(inside, content)
	}},
	{Import: "file_remove", Proves: []string{"EINVAL"}, Promise: "EINVAL for another kind", Run: func(c *Trial) {
		c.enter()
		c.refused(wasi.EINVAL, wasi.FileRemove, c.words(c.made("file", content), 2)...)
	}},

	{Import: "file_remove", Proves: []string{"result"}, Promise: "removes a link, and not what it leads to", Run: func(c *Trial) {
		c.enter()
		file, folder := c.made("file", content), c.folder("folder")
		for _, link := range []string{c.link("to file", file), c.link("to folder", folder), c.link("to nothing", c.name("nothing"))} {
			c.succeed(wasi.FileRemove, c.Named(wasi.FileRemove, link, wasi.RemoveFile))
			c.refused(wasi.ENOENT, wasi.FileStat, c.words(link, wasi.StatLink, c.At(ResultAt))...)
		}
		c.has(file, content)
		c.stat(folder)
	}},
	{Import: "file_remove", Proves: []string{"result"}, Promise: "the root stays", Run: func(c *Trial) {
		c.enter()
		c.made("file", content)
		for _, kind := range []uint64{wasi.RemoveFile, wasi.RemoveDir} {
			if errno := c.Named(wasi.FileRemove, ".", kind); errno == wasi.OK {
				c.T.Errorf("kind %d: OK", kind)
			}
		}
		c.stat(".")
	}},

	{Import: "file_rename", Proves: []string{"result", "ENOENT"}, Promise: "renames a file or a directory, also to elsewhere; ENOENT when there is none", Run: func(c *Trial) {
		c.enter()
		file, folder := c.made("file", content), c.folder("folder")
		c.must(c.rename(file, folder+"/moved"))
		c.named = append(c.named, folder+"/moved")
		c.refused(wasi.ENOENT, wasi.FileStat, c.words(file, 0, c.At(ResultAt))...)
		c.has(folder+"/moved", content)
		c.must(c.rename(folder, c.name("elsewhere")))
		c.named = append(c.named, c.name("elsewhere")+"/moved")
		c.has(c.name("elsewhere")+"/moved", content)
		if errno := c.rename(c.name("none"), c.name("new")); errno != wasi.ENOENT {
			c.T.Errorf("of what is not there: %v, not ENOENT", errno)
		}
	}},
	{Import: "file_rename", Proves: []string{"result"}, Promise: "replaces a file", Run: func(c *Trial) {
		c.enter()
		file, old := c.made("file", content), c.made("old", "old")
		c.must(c.rename(file, old))
		c.has(old, content)
	}},

	{Import: "file_rename", Proves: []string{"result"}, Promise: "a directory goes not into itself, and a file takes not its place", Run: func(c *Trial) {
		c.enter()
		file, folder := c.made("file", content), c.folder("folder")
		inside := c.made("folder/file", content)
		for _, to := range []string{folder + "/below", "."} {
			if errno := c.rename(folder, to); errno == wasi.OK {
				c.T.Errorf("a directory to %q: OK", to)
			}
		}
		if errno := c.rename(file, folder); errno == wasi.OK {
			c.T.Errorf("a file to a directory's name: OK")
		}
		c.has(file, content)
		c.has(inside, content)
	}},

	{Import: "file_set_time", Proves: []string{"result", "ENOENT"}, Promise: "sets the modification time, to the second at least; ENOENT when there is none", Run: func(c *Trial) {
		c.enter()
		file := c.made("file", content)
		for _, year := range []int{1985, 2001, 2030} { // what FAT can have too
			want := time.Date(year, 2, 3, 4, 5, 6, 0, time.UTC)
			c.succeed(wasi.FileSetTime, c.Named(wasi.FileSetTime, file, uint64(want.UnixNano())))
			if got := c.stat(file).ModTime; got != want.UnixNano() {
				c.T.Errorf("%v was set, and is now %v", want, time.Unix(0, got).UTC())
			}
		}
		c.refused(wasi.ENOENT, wasi.FileSetTime, c.words(c.name("none"), 0)...)
	}},
	{Import: "file_set_mode", Proves: []string{"result", "ENOENT"}, Promise: "sets the nine permission bits; ENOENT when there is none", Run: func(c *Trial) {
		c.enter()
		file := c.made("file", content)
		for _, want := range []uint32{0o640, 0o600, 0o444, 0o644} {
			c.succeed(wasi.FileSetMode, c.Named(wasi.FileSetMode, file, uint64(want)))
			if got := c.stat(file).Mode; got != want {
				c.T.Errorf("%o was set, and is now %o", want, got)
			}
		}
		c.refused(wasi.ENOENT, wasi.FileSetMode, c.words(c.name("none"), 0o644)...)
	}},
	{Import: "file_space", Proves: []string{"result"}, Promise: "how many bytes an upload to a directory could have", Run: func(c *Trial) {
		c.enter()
		c.succeed(wasi.FileSpace, c.Named(wasi.FileSpace, ".", c.At(ResultAt)))
		if n := c.Peek(ResultAt, 8); bytes.Equal(n, make([]byte, 8)) {
			c.T.Errorf("0, in a folder into which the kit has put files")
		}
	}},
}

// made makes a file.
func (c *Trial) made(name, content string) string {
	c.T.Helper()
	name = c.name(name)
	c.put(name, content)
	return name
}

// folder makes a directory.
func (c *Trial) folder(name string) string {
	c.T.Helper()
	name = c.name(name)
	c.succeed(wasi.FileMkdir, c.Named(wasi.FileMkdir, name))
	return name
}

// link makes a symbolic link, which takes the root at hand.
func (c *Trial) link(name, target string) string {
	c.T.Helper()
	if c.Target.Root == "" {
		c.T.Skipf(NotChecked + "for want of the root, to make links in")
	}
	name = c.name(name)
	if err := os.Symlink(target, filepath.Join(c.Target.Root, name)); err != nil {
		c.T.Skipf(NotChecked+"links cannot be made: %v", err)
	}
	return name
}

func (c *Trial) stat(name string) wasi.Stat {
	c.T.Helper()
	c.succeed(wasi.FileStat, c.Named(wasi.FileStat, name, 0, c.At(ResultAt)))
	return wasi.GetStat(c.Peek(ResultAt, wasi.StatSize))
}

// opening are the arguments of file_open.
func (c *Trial) opening(name string, flags uint64, offset int64) []uint64 {
	c.T.Helper()
	return c.words(name, flags, uint64(offset), c.At(ResultAt), c.At(Result2At))
}

func (c *Trial) rename(from, to string) wasi.Errno {
	c.T.Helper()
	c.Poke(TextAt, []byte(from+to))
	middle := c.At(TextAt + uint64(len(from)))
	return c.Call(wasi.FileRename, c.Session, c.At(TextAt), uint64(len(from)), middle, uint64(len(to)))
}

func (c *Trial) must(errno wasi.Errno) {
	c.T.Helper()
	c.succeed(wasi.FileRename, errno)
}

// uploads makes an upload and checks what the file has then.
func (c *Trial) uploads(name string, flags, offset uint64, content, want string) {
	c.T.Helper()
	file := c.Open(name, flags, offset)
	c.finish(c.upload(file, content, 0, 0))
	c.succeed(wasi.FileCommit, c.Call(wasi.FileCommit, file))
	c.has(name, want)
}

// has checks what a file has.
func (c *Trial) has(name, want string) {
	c.T.Helper()
	if got := c.content(name); got != want {
		c.T.Errorf("the file has %d bytes: %.80q, not %d: %.80q", len(got), got, len(want), want)
	}
}

// content downloads a file.
func (c *Trial) content(name string) string {
	c.T.Helper()
	got, e := c.download(c.Open(name, 0, 0), 0, 0)
	c.finish(e)
	return got
}

// download reads an open file to its end.
func (c *Trial) download(file, flags, length uint64) (string, wasi.Event) {
	c.T.Helper()
	conn, client := c.Data()
	c.Must(wasi.TransferStart, file, conn, flags, length)
	got, err := io.ReadAll(client)
	e := c.Event(wasi.EventTransfer, file)
	if e.Errno == wasi.OK && err != nil {
		c.T.Errorf("EventTransfer says OK, and the client gets %d bytes and %v", len(got), err)
	}
	c.Must(wasi.HandleClose, file)
	return string(got), e
}

// entries reads a directory by pages of a size.
func (c *Trial) entries(dir, size uint64) map[string]wasi.Stat {
	c.T.Helper()
	all := map[string]wasi.Stat{}
	for {
		c.succeed(wasi.FileListNext, c.Call(wasi.FileListNext, dir, c.At(BufferAt), size, c.At(ResultAt)))
		n := c.Number(ResultAt)
		if n > size {
			c.T.Fatalf("%d bytes in a buffer of %d", n, size)
		}
		if n == 0 {
			return all
		}
		page := c.Peek(BufferAt, n)
		for len(page) > 0 {
			s, name, _, rest, ok := wasi.NextDirent(page)
			if !ok {
				c.T.Fatalf("the last %d bytes of a page are no whole record", len(page))
			}
			if _, twice := all[string(name)]; twice || string(name) == "." || string(name) == ".." {
				c.T.Errorf("%q is listed, or twice", name)
			}
			all[string(name)], page = s, rest
		}
	}
}

func listsInPages(c *Trial) {
	c.enter()
	folder := c.folder("folder")
	want := map[string]bool{}
	for n := range 30 {
		name := fmt.Sprintf("a name of some length, so that few fit %d", n)
		c.made("folder/"+name, "")
		want[name] = true
	}
	for _, size := range []uint64{128, 1000, outSize} {
		dir := c.List(folder, 0)
		got := c.entries(dir, size)
		for name := range want {
			if _, ok := got[name]; !ok {
				c.T.Errorf("by pages of %d bytes %q is missing", size, name)
			}
		}
		if len(got) != len(want) {
			c.T.Errorf("by pages of %d bytes there are %d entries, not %d", size, len(got), len(want))
		}
		if got := c.entries(dir, size); len(got) > 0 {
			c.T.Errorf("after the end there are %d entries more", len(got))
		}
		c.Must(wasi.HandleClose, dir)
	}
}

// staysInside tries links that lead out, as a client can make them on a host
// whose folders are shared by others.
func staysInside(c *Trial) {
	c.enter()
	outside, err := os.MkdirTemp("", "hosttest")
	if err != nil {
		c.T.Skipf(NotChecked+"%v", err)
	}
	c.T.Cleanup(func() { os.RemoveAll(outside) })
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o644); err != nil {
		c.T.Skipf(NotChecked+"%v", err)
	}
	absolute := c.link("absolute", outside)
	relative, err := filepath.Rel(c.Target.Root, outside)
	if err != nil {
		relative = outside
	}
	for _, link := range []string{absolute, c.link("relative", relative)} {
		for what, errno := range map[string]wasi.Errno{
			"file_stat":             c.Named(wasi.FileStat, link+"/secret", 0, c.At(ResultAt)),
			"file_list":             c.Named(wasi.FileList, link, 0, c.At(ResultAt)),
			"file_open":             c.Call(wasi.FileOpen, c.opening(link+"/secret", 0, 0)...),
			"file_open for writing": c.Call(wasi.FileOpen, c.opening(link+"/new", wasi.OpenWrite|wasi.OpenTruncate, 0)...),
			"file_mkdir":            c.Named(wasi.FileMkdir, link+"/folder"),
			"file_remove":           c.Named(wasi.FileRemove, link+"/secret", wasi.RemoveFile),
			"file_set_mode":         c.Named(wasi.FileSetMode, link+"/secret", 0o600),
		} {
			if errno == wasi.OK {
				c.T.Errorf("%s through a link that leads out: OK", what)
			}
		}
	}
	entries, _ := os.ReadDir(outside)
	if content, err := os.ReadFile(filepath.Join(outside, "secret")); len(entries) != 1 || err != nil || string(content) != "secret" {
		c.T.Errorf("what is outside has been changed: %v, %q, %v", entries, content, err)
	}
}
