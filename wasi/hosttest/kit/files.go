package kit

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"wasiftp/wasi"
)

var fileChecks = []Check{
	{"file_stat", "result", "describes a file: size, type, permissions, time of the last change", loggedIn(func(c *Trial) {
		before := time.Now()
		name := c.made("file", content)
		s := c.stat(name, 0)
		if s.Mode&wasi.TypeMask != wasi.TypeRegular || s.Size != uint64(len(content)) || s.Mode&^(wasi.TypeMask|0o777) != 0 {
			c.T.Errorf("a file of %d bytes is described as %+v", len(content), s)
		}
		if off := time.Unix(0, s.ModTime).Sub(before).Abs(); off > time.Hour {
			c.T.Errorf("the modification time of a new file is %v off this machine's clock", off)
		}
		if off := time.Unix(0, s.Created).Sub(before).Abs(); off > time.Hour && s.Created != 0 {
			c.T.Errorf("the creation time of a new file is %v off this machine's clock", off)
		}
	})},
	{"file_stat", "result", "describes the root and a directory", loggedIn(func(c *Trial) {
		for _, name := range []string{".", c.folder("folder")} {
			c.isType(name, 0, wasi.TypeDir)
		}
	})},
	{"file_stat", "ENOENT", "ENOENT when there is none", loggedIn(func(c *Trial) {
		for _, flags := range []uint64{0, wasi.StatLink} {
			c.refused(wasi.ENOENT, wasi.FileStat, c.words(c.name("none"), flags, c.At(ResultAt))...)
		}
	})},
	{"file_stat", "EINVAL", "EINVAL for an unknown flag", loggedIn(func(c *Trial) {
		c.refused(wasi.EINVAL, wasi.FileStat, c.words(".", 4, c.At(ResultAt))...)
	})},
	{"file_stat", "ENOTDIR", "flag 2 describes a directory that is entered: ENOTDIR when it is none", loggedIn(func(c *Trial) {
		for _, name := range []string{".", c.folder("folder")} {
			c.isType(name, wasi.StatEnter, wasi.TypeDir)
		}
		c.refused(wasi.ENOTDIR, wasi.FileStat, c.words(c.made("file", content), wasi.StatEnter, c.At(ResultAt))...)
	})},
	{"file_stat", "EACCES", "flag 2: EACCES for a directory that the host's process may not search", closedFolder},
	{"file_stat", "result", "flag 1 describes a link itself, else what it leads to", loggedIn(func(c *Trial) {
		name := c.made("file", content)
		link := c.link("link", name)
		if s := c.stat(link, 0); s.Mode&wasi.TypeMask != wasi.TypeRegular || s.Size != uint64(len(content)) {
			c.T.Errorf("the file that the link leads to is described as %+v", s)
		}
		c.isType(link, wasi.StatLink, wasi.TypeLink)
	})},
	{"file_stat", "result", "nothing outside the root is reached through a link", staysInside},
	{"file_stat", "result", "a size that takes more than 32 bits is whole, and so is an offset", loggedIn(func(c *Trial) {
		name := c.made("file", content)
		const size = 5<<30 + 7
		c.possible(os.Truncate(c.onDisk(name, "make so large a file"), size))
		if s := c.stat(name, 0); s.Size != size {
			c.T.Errorf("a file of %d bytes has the size %d", uint64(size), s.Size)
		}
		if got, _ := c.download(c.Open(name, 0, size-3), 0, 0); got != "\x00\x00\x00" {
			c.T.Errorf("of the last 3 bytes of a file of %d bytes, %d come, or others", uint64(size), len(got))
		}
	})},
	{"file_stat", "result", "what is below a file is not there: ENOTDIR or ENOENT", loggedIn(func(c *Trial) {
		if errno := c.Named(wasi.FileStat, c.made("file", content)+"/below", 0, c.At(ResultAt)); errno != wasi.ENOTDIR &&
			errno != wasi.ENOENT {
			c.T.Errorf("%v, not ENOTDIR or ENOENT", errno)
		}
	})},
	{"file_stat", "result", "a name that is too long is refused", loggedIn(func(c *Trial) {
		for _, size := range []int{5000, 100_000} {
			long := bytes.Repeat([]byte("long"), size/4)
			c.Poke(BufferAt, long)
			if errno := c.Call(wasi.FileStat, c.Session, c.At(BufferAt), uint64(len(long)), 0, c.At(ResultAt)); errno == wasi.OK ||
				errno == wasi.EFAULT {
				c.T.Errorf("a name of %d bytes: %v", size, errno)
			}
		}
	})},

	{"file_open", "result", "opens a directory, and twice, independently", loggedIn(func(c *Trial) {
		name := c.made("file", content)
		first, second := c.List(".", 0), c.List(".", 0)
		for _, dir := range []uint64{first, second} {
			if s, ok := c.entries(dir, outSize)[name]; !ok || s.Size != uint64(len(content)) {
				c.T.Errorf("a file of %d bytes is listed as %+v, %v", len(content), s, ok)
			}
		}
	})},
	{"file_open", "result", "OpenNames asks for names only, the other fields being zero", loggedIn(func(c *Trial) {
		name := c.made("file", content)
		if s, ok := c.entries(c.List(".", wasi.OpenNames), outSize)[name]; !ok || s != (wasi.Stat{}) {
			c.T.Errorf("a file is listed as %+v, %v", s, ok)
		}
	})},
	{"file_open", "ENOTDIR", "ENOTDIR for a directory that is none", loggedIn(func(c *Trial) {
		c.refused(wasi.ENOTDIR, wasi.FileOpen, c.opening(c.made("file", content), wasi.OpenDir, 0)...)
	})},
	{"file_open", "ENOENT", "ENOENT when there is no directory", loggedIn(func(c *Trial) {
		c.refused(wasi.ENOENT, wasi.FileOpen, c.opening(c.name("none"), wasi.OpenDir, 0)...)
	})},
	{"file_open", "EINVAL", "EINVAL for a directory with a flag of files, or an offset", loggedIn(func(c *Trial) {
		for _, flag := range []uint64{wasi.OpenWrite, wasi.OpenTruncate, 1 << 20} {
			c.refused(wasi.EINVAL, wasi.FileOpen, c.opening(".", wasi.OpenDir|flag, 0)...)
		}
		c.refused(wasi.EINVAL, wasi.FileOpen, c.opening(".", wasi.OpenDir, 1)...)
	})},
	{"file_open", "rights", "EACCES for a directory before the login", func(c *Trial) {
		c.refused(wasi.EACCES, wasi.FileOpen, c.opening(".", wasi.OpenDir, 0)...)
	}},

	{"file_list", "result",
		"gives whole records, each entry once, however small buf is, and 0 at the end each time", listsInPages},
	{"file_list", "result", "names are bytes: what was made is what is listed", loggedIn(func(c *Trial) {
		for _, s := range []string{"a b", "\u00fc\u20ac\U0001f600", "-x", "x'\"$*?", "x\\y", "x\\..\\y", "\xe4\xff"} {
			name := c.name(s)
			errno := c.Call(wasi.FileOpen, c.opening(name, wasi.OpenWrite|wasi.OpenTruncate, 0)...)
			if errno != wasi.OK {
				if s == "a b" || s[0] == '\xc3' {
					c.T.Errorf("file_open of a new file %q: %v", name, errno)
				}
				continue // not every storage allows every byte in a name
			}
			c.store(c.Number(ResultAt), content)
			c.has(name, content)
			if _, ok := c.entries(c.List(".", 0), outSize)[name]; !ok {
				c.T.Errorf("the file %q was made, but is not listed", name)
			}
		}
	})},
	{"file_list", "result", "a directory of a thousand entries is whole", loggedIn(func(c *Trial) {
		folder := c.folder("folder")
		for n := range 1000 {
			path := c.onDisk(c.name(fmt.Sprintf("folder/%d", n)), "make so many files")
			c.possible(os.WriteFile(path, nil, 0o644))
		}
		if got := c.entries(c.List(folder, 0), outSize); len(got) != 1000 {
			c.T.Errorf("of 1000 entries %d are listed", len(got))
		}
	})},
	{"file_list", "result", "leaves . and .. out, and describes each entry by its own name", loggedIn(func(c *Trial) {
		folder := c.folder("folder")
		if got := c.entries(c.List(folder, 0), outSize); len(got) > 0 {
			c.T.Errorf("an empty directory is listed with %v", slices.Collect(maps.Keys(got)))
		}
		if s, ok := c.entries(c.List(".", 0), outSize)[folder]; !ok || s.Mode&wasi.TypeMask != wasi.TypeDir {
			c.T.Errorf("a directory is listed as %+v, %v", s, ok)
		}
	})},
	{"file_list", "result", "a link has its target behind the name", loggedIn(func(c *Trial) {
		link := c.link("link", "nowhere")
		dir := c.List(".", 0)
		for {
			page := c.Peek(BufferAt, c.Must(wasi.FileList, dir, c.At(BufferAt), outSize, c.At(ResultAt)))
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
	})},
}

// words are the arguments of an import whose first parameters are a session and a name.
func (c *Trial) words(name string, rest ...uint64) []uint64 {
	c.T.Helper()
	return slices.Concat([]uint64{c.Session}, c.Text(name), rest)
}

// link makes a symbolic link on disk.
func (c *Trial) link(name, target string) string {
	c.T.Helper()
	name = c.name(name)
	c.possible(os.Symlink(target, c.onDisk(name, "make links")))
	return name
}

// stat is the result of file_stat.
func (c *Trial) stat(name string, flags uint64) wasi.Stat {
	c.T.Helper()
	c.MustNamed(wasi.FileStat, name, flags, c.At(ResultAt))
	return wasi.GetStat(c.Peek(ResultAt, wasi.StatSize))
}

// isType checks the type of a file, as file_stat describes it with some flags.
func (c *Trial) isType(name string, flags uint64, want uint32) {
	c.T.Helper()
	if s := c.stat(name, flags); s.Mode&wasi.TypeMask != want {
		c.T.Errorf("file_stat of %s with flags %d has the type %#x, not %#x: %+v", name, flags, s.Mode&wasi.TypeMask, want, s)
	}
}

// entries are the entries of a directory by name, read by pages of size bytes.
func (c *Trial) entries(dir, size uint64) map[string]wasi.Stat {
	c.T.Helper()
	all := map[string]wasi.Stat{}
	for {
		n := c.Must(wasi.FileList, dir, c.At(BufferAt), size, c.At(ResultAt))
		if n > size {
			c.T.Fatalf("file_list puts %d bytes into a buffer of %d", n, size)
		}
		if n == 0 {
			return all
		}
		page := c.Peek(BufferAt, n)
		for len(page) > 0 {
			s, name, _, rest, ok := wasi.NextDirent(page)
			if !ok {
				c.T.Fatalf("the last %d bytes of file_list are no whole record", len(page))
			}
			if _, twice := all[string(name)]; twice || string(name) == "." || string(name) == ".." {
				c.T.Errorf("%q is listed, and must not be, or is listed twice", name)
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
			c.T.Errorf("after the end come %d more entries", len(got))
		}
		c.Must(wasi.HandleClose, dir)
	}
}

// staysInside tries links that lead out of the root. Another program that writes into the
// folder can make such links.
func staysInside(c *Trial) {
	c.enter()
	outside, err := os.MkdirTemp("", "hosttest")
	c.possible(err)
	c.T.Cleanup(func() { os.RemoveAll(outside) })
	c.possible(os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o644))
	absolute := c.link("absolute", outside)
	relative, err := filepath.Rel(c.Target.Root, outside)
	if err != nil {
		relative = outside
	}
	for _, link := range []string{absolute, c.link("relative", relative)} {
		for what, errno := range map[string]wasi.Errno{
			"file_stat":             c.Named(wasi.FileStat, link+"/secret", 0, c.At(ResultAt)),
			"file_open of a folder": c.Call(wasi.FileOpen, c.opening(link, wasi.OpenDir, 0)...),
			"file_open":             c.Call(wasi.FileOpen, c.opening(link+"/secret", 0, 0)...),
			"file_open for writing": c.Call(wasi.FileOpen, c.opening(link+"/new", wasi.OpenWrite|wasi.OpenTruncate, 0)...),
			"file_make":             c.mkdir(link + "/folder"),
			"file_remove":           c.Named(wasi.FileRemove, link+"/secret", wasi.RemoveFile),
			"file_set of the mode":  c.Named(wasi.FileSet, link+"/secret", wasi.SetMode, 0o600),
		} {
			if errno == wasi.OK {
				c.T.Errorf("%s through a link that leads out of the root: OK", what)
			}
		}
	}
	entries, _ := os.ReadDir(outside)
	if content, err := os.ReadFile(filepath.Join(outside, "secret")); len(entries) != 1 || err != nil ||
		string(content) != "secret" {
		c.T.Errorf("the folder outside the root has changed: it has %v, and the file %q, %v", entries, content, err)
	}
}

// closedFolder makes a directory that only an administrator of the system may search.
func closedFolder(c *Trial) {
	c.enter()
	name := c.folder("closed")
	path := c.onDisk(name, "close a directory")
	c.possible(os.Chmod(path, 0))
	defer os.Chmod(path, 0o700)
	if _, err := os.Stat(path + "/."); err == nil {
		c.T.Skipf(NotChecked + "the user who runs the kit may search every directory")
	}
	c.refused(wasi.EACCES, wasi.FileStat, c.words(name, wasi.StatEnter, c.At(ResultAt))...)
}
