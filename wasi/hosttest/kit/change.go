package kit

import (
	"bytes"
	"time"

	"wasiftp/wasi"
)

var changeChecks = []Check{
	{"file_make", "result EEXIST ENOENT",
		"makes a directory; EEXIST when there is one, ENOENT when the one above is missing", loggedIn(func(c *Trial) {
			folder := c.folder("folder")
			c.isType(folder, 0, wasi.TypeDir)
			c.refused(wasi.EEXIST, wasi.FileMake, c.making(folder)...)
			c.refused(wasi.EEXIST, wasi.FileMake, c.making(c.made("file", content))...)
			c.refused(wasi.ENOENT, wasi.FileMake, c.making(c.name("none")+"/below")...)
		})},

	{"file_remove", "result ENOENT", "removes a file, or an empty directory; ENOENT when there is none", loggedIn(func(c *Trial) {
		for kind, name := range []string{c.made("file", content), c.folder("folder")} {
			c.MustNamed(wasi.FileRemove, name, uint64(kind))
			c.refused(wasi.ENOENT, wasi.FileStat, c.words(name, 0, c.At(ResultAt))...)
			c.refused(wasi.ENOENT, wasi.FileRemove, c.words(name, uint64(kind))...)
		}
	})},
	{"file_remove", "EISDIR ENOTDIR ENOTEMPTY",
		"EISDIR and ENOTDIR for the wrong kind, ENOTEMPTY for a directory that has entries", loggedIn(func(c *Trial) {
			folder, file := c.folder("folder"), c.made("file", content)
			inside := c.made("folder/file", content)
			c.refused(wasi.EISDIR, wasi.FileRemove, c.words(folder, wasi.RemoveFile)...)
			c.refused(wasi.ENOTDIR, wasi.FileRemove, c.words(file, wasi.RemoveDir)...)
			c.refused(wasi.ENOTEMPTY, wasi.FileRemove, c.words(folder, wasi.RemoveDir)...)
			c.has(inside, content)
		})},
	{"file_remove", "EINVAL", "EINVAL for another kind", loggedIn(func(c *Trial) {
		c.refused(wasi.EINVAL, wasi.FileRemove, c.words(c.made("file", content), 3)...)
	})},
	{"file_remove", "result", "kind 2 removes a directory with all that is in it, and no more", loggedIn(func(c *Trial) {
		c.needs(felling)
		folder, beside := c.folder("folder"), c.made("beside", content)
		c.made("folder/file", content)
		c.folder("folder/below")
		c.made("folder/below/file", content)
		c.MustNamed(wasi.FileRemove, folder, wasi.RemoveTree)
		c.refused(wasi.ENOENT, wasi.FileStat, c.words(folder, 0, c.At(ResultAt))...)
		c.has(beside, content)
	})},
	{"file_remove", "ENOENT ENOTDIR", "kind 2 is ENOENT when there is none, and ENOTDIR for a file", loggedIn(func(c *Trial) {
		c.needs(felling)
		file := c.made("file", content)
		c.refused(wasi.ENOENT, wasi.FileRemove, c.words(c.name("none"), wasi.RemoveTree)...)
		c.refused(wasi.ENOTDIR, wasi.FileRemove, c.words(file, wasi.RemoveTree)...)
		c.has(file, content)
	})},
	{"file_remove", "result", "kind 2 removes the links in a directory, and not what they lead to", loggedIn(func(c *Trial) {
		c.needs(felling)
		file, other := c.made("file", content), c.folder("other")
		inside := c.made("other/file", content)
		folder := c.folder("folder")
		c.link("folder/to file", "../"+file)
		c.link("folder/to other", "../"+other)
		c.MustNamed(wasi.FileRemove, folder, wasi.RemoveTree)
		c.refused(wasi.ENOENT, wasi.FileStat, c.words(folder, 0, c.At(ResultAt))...)
		c.has(file, content)
		c.has(inside, content)
	})},
	{"file_remove", "EACCES", "EACCES for kind 2 when that is not allowed", loggedIn(func(c *Trial) {
		c.forbids(felling)
		folder := c.folder("folder")
		inside := c.made("folder/file", content)
		c.refused(wasi.EACCES, wasi.FileRemove, c.words(folder, wasi.RemoveTree)...)
		c.has(inside, content)
	})},
	{"file_remove", "result", "removes a link, and not what it leads to", loggedIn(func(c *Trial) {
		file, folder := c.made("file", content), c.folder("folder")
		for _, link := range []string{c.link("to file", file), c.link("to folder", folder), c.link("to nothing", c.name("nothing"))} {
			c.MustNamed(wasi.FileRemove, link, wasi.RemoveFile)
			c.refused(wasi.ENOENT, wasi.FileStat, c.words(link, wasi.StatLink, c.At(ResultAt))...)
		}
		c.has(file, content)
		c.stat(folder, 0)
	})},
	{"file_remove", "result", "the root stays", loggedIn(func(c *Trial) {
		c.made("file", content)
		for _, kind := range []uint64{wasi.RemoveFile, wasi.RemoveDir, wasi.RemoveTree} {
			if errno := c.Named(wasi.FileRemove, ".", kind); errno == wasi.OK {
				c.T.Errorf("kind %d: OK", kind)
			}
		}
		c.stat(".", 0)
	})},

	{"file_rename", "result ENOENT",
		"renames a file or a directory, also to elsewhere; ENOENT when there is none", loggedIn(func(c *Trial) {
			file, folder := c.made("file", content), c.folder("folder")
			moved, elsewhere := c.name("folder/moved"), c.name("elsewhere")
			c.Must(wasi.FileRename, c.both(file, moved)...)
			c.refused(wasi.ENOENT, wasi.FileStat, c.words(file, 0, c.At(ResultAt))...)
			c.has(moved, content)
			c.Must(wasi.FileRename, c.both(folder, elsewhere)...)
			c.has(c.name("elsewhere/moved"), content)
			c.refused(wasi.ENOENT, wasi.FileRename, c.both(c.name("none"), c.name("new"))...)
		})},
	{"file_rename", "result", "replaces a file", loggedIn(func(c *Trial) {
		file, old := c.made("file", content), c.made("old", "old")
		c.Must(wasi.FileRename, c.both(file, old)...)
		c.has(old, content)
	})},
	{"file_rename", "result", "a directory goes not into itself, and a file takes not its place", loggedIn(func(c *Trial) {
		file, folder := c.made("file", content), c.folder("folder")
		inside := c.made("folder/file", content)
		for _, to := range []string{folder + "/below", "."} {
			if errno := c.rename(folder, to); errno == wasi.OK {
				c.T.Errorf("a directory is renamed to %q: OK", to)
			}
		}
		if errno := c.rename(file, folder); errno == wasi.OK {
			c.T.Errorf("a file is renamed to a directory's name: OK")
		}
		c.has(file, content)
		c.has(inside, content)
	})},

	{"file_set", "result ENOENT",
		"sets the modification time, to the second at least; ENOENT when there is none", loggedIn(func(c *Trial) {
			file := c.made("file", content)
			for _, year := range []int{1985, 2001, 2030} { // years that FAT can store, too
				want := time.Date(year, 2, 3, 4, 5, 6, 0, time.UTC)
				c.MustNamed(wasi.FileSet, file, wasi.SetTime, uint64(want.UnixNano()))
				if got := c.stat(file, 0).ModTime; got != want.UnixNano() {
					c.T.Errorf("the time was set to %v, but file_stat gives %v", want, time.Unix(0, got).UTC())
				}
			}
			c.refused(wasi.ENOENT, wasi.FileSet, c.words(c.name("none"), wasi.SetTime, 0)...)
		})},

	{"file_make", "result EEXIST",
		"makes a link that leads to the file, from another directory too; EEXIST when there is such a name", loggedIn(func(c *Trial) {
			c.needs(linking)
			file := c.made("file", content)
			c.folder("folder")
			for _, link := range []string{c.name("link"), c.name("folder/link")} {
				c.Must(wasi.FileMake, c.both(link, file)...)
				c.has(link, content)
				c.isType(link, wasi.StatLink, wasi.TypeLink)
				c.refused(wasi.EEXIST, wasi.FileMake, c.both(link, file)...)
			}
		})},
	{"file_make", "result ENOENT",
		"the target may be missing; ENOENT when the directory above the link is", loggedIn(func(c *Trial) {
			c.needs(linking)
			link, target := c.name("link"), c.name("target")
			c.Must(wasi.FileMake, c.both(link, target)...)
			c.refused(wasi.ENOENT, wasi.FileStat, c.words(link, 0, c.At(ResultAt))...)
			c.put(target, content)
			c.has(link, content)
			c.refused(wasi.ENOENT, wasi.FileMake, c.both(c.name("none")+"/link", target)...)
		})},
	{"file_make", "names", "the target of a link is a name too: else EINVAL", loggedIn(func(c *Trial) {
		c.needs(linking)
		for _, target := range badName {
			if errno := c.pair(wasi.FileMake, c.name("link"), target); errno != wasi.EINVAL && errno != wasi.ENOSYS {
				c.T.Errorf("a link to %q: %v, not EINVAL", target, errno)
			}
		}
	})},
	{"file_make", "EACCES", "EACCES for a link when that is not allowed", loggedIn(func(c *Trial) {
		c.forbids(linking)
		c.refused(wasi.EACCES, wasi.FileMake, c.both(c.name("link"), c.made("file", content))...)
	})},

	{"file_copy", "result EventTransfer",
		"copies a file, which EventTransfer and file_commit end; flag 1 adds it to the end of another", loggedIn(func(c *Trial) {
			c.needs(copying)
			large := string(pattern(1<<20 + 3))
			from, to := c.made("from", large), c.name("to")
			for flags, want := range []string{large, large + large} {
				c.copies(from, to, uint64(flags), len(large))
				c.has(to, want)
			}
			c.has(from, large)
			c.copies(c.made("short", content), to, 0, len(content))
			c.has(to, content)
		})},
	{"file_copy", "EINVAL ENOENT EISDIR",
		"EINVAL when both are the same file, or for an unknown flag, ENOENT when there is none, EISDIR for a directory",
		loggedIn(func(c *Trial) {
			c.needs(copying)
			from, folder := c.made("from", content), c.folder("folder")
			for _, call := range []struct {
				from, to string
				flags    uint64
				want     wasi.Errno
			}{
				{from, from, 0, wasi.EINVAL}, {from, c.name("to"), 2, wasi.EINVAL}, {c.name("none"), c.name("to"), 0, wasi.ENOENT},
				{from, c.name("none") + "/to", 0, wasi.ENOENT}, {folder, c.name("to"), 0, wasi.EISDIR}, {from, folder, 0, wasi.EISDIR},
			} {
				if errno := c.pair(wasi.FileCopy, call.from, call.to, call.flags, c.At(ResultAt)); errno != call.want &&
					errno != wasi.ENOSYS {
					c.T.Errorf("%q to %q with flags %d: %v, not %v", call.from, call.to, call.flags, errno, call.want)
				}
			}
			c.has(from, content)
		})},
	{"file_copy", "EINVAL", "EINVAL when both are the same file by another name, through a link", loggedIn(func(c *Trial) {
		c.needs(copying)
		file := c.made("file", content)
		link := c.link("link", file)
		for from, to := range map[string]string{file: link, link: file} {
			c.refused(wasi.EINVAL, wasi.FileCopy, c.both(from, to, 0, c.At(ResultAt))...)
		}
		c.has(file, content)
	})},
	{"file_copy", "result", "a copy that is given up is aborted, and nothing is left open", loggedIn(func(c *Trial) {
		c.needs(copying)
		from, to := c.made("from", string(pattern(large))), c.name("to")
		for range 10 {
			c.Must(wasi.HandleClose, c.Must(wasi.FileCopy, c.both(from, to, 0, c.At(ResultAt))...))
		}
		c.put(to, content)
		c.has(to, content)
	})},
	{"file_copy", "EACCES", "EACCES when that is not allowed", loggedIn(func(c *Trial) {
		c.forbids(copying)
		c.refused(wasi.EACCES, wasi.FileCopy, c.both(c.made("from", content), c.name("to"), 0, c.At(ResultAt))...)
	})},

	{"file_set", "EINVAL", "EINVAL for another attribute", loggedIn(func(c *Trial) {
		c.refused(wasi.EINVAL, wasi.FileSet, c.words(c.made("file", content), 2, 0)...)
	})},
	{"file_set", "result ENOENT",
		"sets the nine permission bits, and more of a directory where the host has them; ENOENT when there is none",
		loggedIn(func(c *Trial) {
			file := c.made("file", content)
			for _, want := range []uint32{0o640, 0o600, 0o444, 0o644} {
				c.MustNamed(wasi.FileSet, file, wasi.SetMode, uint64(want))
				if got := c.stat(file, 0).Mode; got != want {
					c.T.Errorf("the mode was set to %o, but file_stat gives %o", want, got)
				}
			}
			c.refused(wasi.ENOENT, wasi.FileSet, c.words(c.name("none"), wasi.SetMode, 0o644)...)
		})},

	{"file_space", "result", "how many bytes an upload to a directory could have", loggedIn(func(c *Trial) {
		c.MustNamed(wasi.FileSpace, ".", c.At(ResultAt))
		if n := c.Peek(ResultAt, 8); bytes.Equal(n, make([]byte, 8)) {
			c.T.Errorf("0 bytes, in a folder into which the kit can upload files")
		}
	})},
}

// made uploads a file, and returns its name.
func (c *Trial) made(name, content string) string {
	c.T.Helper()
	name = c.name(name)
	c.put(name, content)
	return name
}

// making are the arguments of file_make for a directory.
func (c *Trial) making(name string) []uint64 { return c.words(name, 0, 0) }

func (c *Trial) mkdir(name string) wasi.Errno {
	c.T.Helper()
	return c.Call(wasi.FileMake, c.making(name)...)
}

// folder makes a directory, and returns its name.
func (c *Trial) folder(name string) string {
	c.T.Helper()
	name = c.name(name)
	c.succeed(wasi.FileMake, c.mkdir(name))
	return name
}

func (c *Trial) rename(from, to string) wasi.Errno {
	c.T.Helper()
	return c.pair(wasi.FileRename, from, to)
}

// both are the arguments of an import whose first parameters are a session and two names.
func (c *Trial) both(first, second string, rest ...uint64) []uint64 {
	c.T.Helper()
	c.Poke(TextAt, []byte(first+second))
	middle := c.At(TextAt + uint64(len(first)))
	return append([]uint64{c.Session, c.At(TextAt), uint64(len(first)), middle, uint64(len(second))}, rest...)
}

// pair calls an import whose first parameters are a session and two names.
func (c *Trial) pair(n int, first, second string, rest ...uint64) wasi.Errno {
	c.T.Helper()
	return c.Call(n, c.both(first, second, rest...)...)
}

// copies copies a file of size bytes.
func (c *Trial) copies(from, to string, flags uint64, size int) {
	c.T.Helper()
	file := c.Must(wasi.FileCopy, c.both(from, to, flags, c.At(ResultAt))...)
	c.moved(c.Event(wasi.EventTransfer, file), size)
	if n := c.progress(file); n != uint64(size) {
		c.T.Errorf("transfer_progress says %d bytes, not %d", n, size)
	}
	c.Must(wasi.FileCommit, file)
}
