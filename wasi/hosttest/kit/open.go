package kit

import (
	"io"

	"wasiftp/wasi"
)

var openChecks = []Check{
	{"file_open", "result", "opens a file for reading, and describes it", loggedIn(func(c *Trial) {
		c.Open(c.made("file", content), 0, 0)
		if s := wasi.GetStat(c.Peek(Result2At, wasi.StatSize)); s.Size != uint64(len(content)) ||
			s.Mode&wasi.TypeMask != wasi.TypeRegular {
			c.T.Errorf("a file of %d bytes is described as %+v", len(content), s)
		}
	})},
	{"file_open", "ENOENT",
		"ENOENT when there is none, also for an upload into a directory that is not there", loggedIn(func(c *Trial) {
			c.refused(wasi.ENOENT, wasi.FileOpen, c.opening(c.name("none"), 0, 0)...)
			c.refused(wasi.ENOENT, wasi.FileOpen, c.opening(c.name("none")+"/file", wasi.OpenWrite|wasi.OpenTruncate, 0)...)
		})},
	{"file_open", "EISDIR", "EISDIR for a directory", loggedIn(func(c *Trial) {
		folder := c.folder("folder")
		c.refused(wasi.EISDIR, wasi.FileOpen, c.opening(folder, 0, 0)...)
		c.refused(wasi.EISDIR, wasi.FileOpen, c.opening(folder, wasi.OpenWrite|wasi.OpenTruncate, 0)...)
	})},
	{"file_open", "EEXIST", "OpenExclusive is EEXIST when there is such a file, and makes it otherwise", loggedIn(func(c *Trial) {
		c.refused(wasi.EEXIST, wasi.FileOpen, c.opening(c.made("file", content), wasi.OpenWrite|wasi.OpenExclusive, 0)...)
		name := c.name("new")
		c.uploads(name, wasi.OpenWrite|wasi.OpenExclusive, 0, "new", "new")
	})},
	{"file_open", "result", "OpenTruncate replaces what was there", loggedIn(func(c *Trial) {
		c.uploads(c.made("file", content), wasi.OpenWrite|wasi.OpenTruncate, 0, "new", "new")
	})},
	{"file_open", "result",
		"OpenAppend adds to the end, whatever the offset, and makes a file that is missing", loggedIn(func(c *Trial) {
			c.uploads(c.made("file", "old"), wasi.OpenWrite|wasi.OpenAppend, 0, "new", "oldnew")
			c.uploads(c.name("missing"), wasi.OpenWrite|wasi.OpenAppend, 0, "new", "new")
		})},
	{"file_open", "result", "OpenWrite alone overwrites from offset on, and leaves what is behind", loggedIn(func(c *Trial) {
		c.uploads(c.made("file", "0123456789"), wasi.OpenWrite, 3, "xyz", "012xyz6789")
		c.uploads(c.made("end", "0123456789"), wasi.OpenWrite, 10, "xyz", "0123456789xyz")
	})},
	{"file_open", "result",
		"an upload that is closed before a byte has come leaves what was there, and makes no file", loggedIn(func(c *Trial) {
			for _, flags := range []uint64{wasi.OpenWrite | wasi.OpenTruncate, wasi.OpenWrite | wasi.OpenAppend, wasi.OpenWrite} {
				for _, begin := range []func(uint64){
					func(uint64) {}, // nobody connects
					func(file uint64) { c.finish(c.upload(file, "", 0, 0)) },
					func(file uint64) { c.resetUpload(file, "") },
				} {
					old, fresh := c.made("old", content), c.name("fresh")
					for _, name := range []string{old, fresh} {
						file := c.Open(name, flags, 0)
						begin(file)
						c.Must(wasi.HandleClose, file)
					}
					c.has(old, content)
					c.refused(wasi.ENOENT, wasi.FileStat, c.words(fresh, 0, c.At(ResultAt))...)
				}
			}
		})},
	{"file_open", "result", "OpenTruncate replaces by nothing, when the upload of nothing is committed", loggedIn(func(c *Trial) {
		c.uploads(c.made("file", content), wasi.OpenWrite|wasi.OpenTruncate, 0, "", "")
	})},
	{"file_open", "EINVAL",
		"EINVAL for an unknown flag, for a negative offset, and for an upload past the end", loggedIn(func(c *Trial) {
			name := c.made("file", content)
			c.refused(wasi.EINVAL, wasi.FileOpen, c.opening(name, 1<<6, 0)...)
			for _, flags := range []uint64{0, wasi.OpenWrite} {
				c.refused(wasi.EINVAL, wasi.FileOpen, c.opening(name, flags, -1)...)
			}
			c.refused(wasi.EINVAL, wasi.FileOpen, c.opening(name, wasi.OpenWrite, int64(len(content)+1))...)
			c.refused(wasi.EINVAL, wasi.FileOpen, c.opening(name, wasi.OpenWrite, 1<<32)...)
		})},
	{"file_open", "pointers", "a call whose result cannot be written makes no file", loggedIn(func(c *Trial) {
		name := c.name("none")
		args := c.opening(name, wasi.OpenWrite|wasi.OpenTruncate, 0)
		args[len(args)-1] = c.MemoryEnd()
		c.refused(wasi.EFAULT, wasi.FileOpen, args...)
		c.refused(wasi.ENOENT, wasi.FileStat, c.words(name, 0, c.At(ResultAt))...)
	})},
	{"file_open", "result", "answers that are given up leave no file open", loggedIn(func(c *Trial) {
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
		for errno := wasi.EBUSY; errno != wasi.OK; { // abandoned calls may still be at work
			if errno = c.Call(wasi.FileOpen, c.opening(name, 0, 0)...); errno != wasi.OK && errno != wasi.EBUSY {
				c.T.Fatalf("%v, not OK", errno)
			}
		}
	})},

	{"file_commit", "result", "makes an upload final, and closes it", loggedIn(func(c *Trial) {
		name := c.name("file")
		file := c.create(name)
		c.store(file, content)
		c.refused(wasi.EBADF, wasi.HandleClose, file)
		c.has(name, content)
	})},
	{"file_commit", "EINVAL", "EINVAL for a file that is read, or whose upload has not begun", loggedIn(func(c *Trial) {
		for _, file := range []uint64{c.Open(c.made("file", content), 0, 0), c.create(c.name("new"))} {
			c.refused(wasi.EINVAL, wasi.FileCommit, file)
			c.Must(wasi.HandleClose, file) // the file is still open
		}
	})},
	{"file_commit", "EBUSY", "EBUSY while the upload goes on", loggedIn(func(c *Trial) {
		file := c.create(c.name("file"))
		client := c.transfer(file, 0, 0)
		c.refused(wasi.EBUSY, wasi.FileCommit, file)
		io.WriteString(client, content)
		client.Close()
		c.finish(c.Event(wasi.EventTransfer, file))
		c.Must(wasi.FileCommit, file)
	})},
	{"file_commit", "EINVAL", "EINVAL for an upload that broke off", loggedIn(func(c *Trial) {
		file := c.create(c.name("file"))
		if e := c.resetUpload(file, content); e.Errno == wasi.OK {
			c.T.Fatalf("an upload that was reset ends with OK")
		}
		c.refused(wasi.EINVAL, wasi.FileCommit, file)
		c.Must(wasi.HandleClose, file)
	})},
}

// opening are the arguments of file_open.
func (c *Trial) opening(name string, flags uint64, offset int64) []uint64 {
	c.T.Helper()
	return c.words(name, flags, uint64(offset), c.At(ResultAt), c.At(Result2At))
}

// uploads uploads content with some flags of file_open, and checks that the file is want then.
func (c *Trial) uploads(name string, flags, offset uint64, content, want string) {
	c.T.Helper()
	c.store(c.Open(name, flags, offset), content)
	c.has(name, want)
}

// has checks the content of a file.
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

// download downloads an open file, and closes it.
func (c *Trial) download(file, flags, length uint64) (string, wasi.Event) {
	c.T.Helper()
	client := c.transfer(file, flags, length)
	got, err := io.ReadAll(client)
	e := c.Event(wasi.EventTransfer, file)
	if e.Errno == wasi.OK && err != nil {
		c.T.Errorf("EventTransfer says OK, but the client gets %d bytes and %v", len(got), err)
	}
	c.Must(wasi.HandleClose, file)
	return string(got), e
}
