package kit

import (
	"bytes"
	"time"

	"wasiftp/wasi"
)

var changeChecks = []Check{
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
		c.succeed(wasi.FileRename, c.rename(file, folder+"/moved"))
		c.named = append(c.named, folder+"/moved")
		c.refused(wasi.ENOENT, wasi.FileStat, c.words(file, 0, c.At(ResultAt))...)
		c.has(folder+"/moved", content)
		c.succeed(wasi.FileRename, c.rename(folder, c.name("elsewhere")))
		c.named = append(c.named, c.name("elsewhere")+"/moved")
		c.has(c.name("elsewhere")+"/moved", content)
		if errno := c.rename(c.name("none"), c.name("new")); errno != wasi.ENOENT {
			c.T.Errorf("of what is not there: %v, not ENOENT", errno)
		}
	}},
	{Import: "file_rename", Proves: []string{"result"}, Promise: "replaces a file", Run: func(c *Trial) {
		c.enter()
		file, old := c.made("file", content), c.made("old", "old")
		c.succeed(wasi.FileRename, c.rename(file, old))
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

func (c *Trial) rename(from, to string) wasi.Errno {
	c.T.Helper()
	c.Poke(TextAt, []byte(from+to))
	middle := c.At(TextAt + uint64(len(from)))
	return c.Call(wasi.FileRename, c.Session, c.At(TextAt), uint64(len(from)), middle, uint64(len(to)))
}
