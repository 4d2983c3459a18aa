package kit

import (
	"io"
	"math"
	"net"
	"strings"
	"time"

	"wasiftp/wasi"
)

var sessionChecks = []Check{
	{"session_umask", "result", "new files and directories do not get these bits, until the next login", loggedIn(func(c *Trial) {
		before := c.stat(c.made("before", content), 0).Mode & 0o777
		c.Must(wasi.SessionUmask, c.Session, 0o077)
		for _, name := range []string{c.made("file", content), c.folder("folder")} {
			if mode := c.stat(name, 0).Mode & 0o777; mode&0o077 != 0 || mode&0o400 == 0 {
				c.T.Errorf("under the mask 077 %q is made with the mode %o", name, mode)
			}
		}
		c.Must(wasi.SessionUmask, c.Session, 0o022)
		if mode := c.stat(c.made("other", content), 0).Mode & 0o777; mode&0o022 != 0 || mode&0o044 == 0 {
			c.T.Errorf("under the mask 022 a file is made with the mode %o", mode)
		}
		c.Must(wasi.SessionUmask, c.Session, 0o777)
		c.enter()
		if mode := c.stat(c.made("again", content), 0).Mode & 0o777; mode != before {
			c.T.Errorf("a file was made with the mode %o before the mask, and with %o after the next login", before, mode)
		}
	})},
	{"session_umask", "EACCES", "EACCES without the right to write, and before the login", func(c *Trial) {
		c.refused(wasi.EACCES, wasi.SessionUmask, c.Session, 0o022)
		c.onlyRead()
		c.refused(wasi.EACCES, wasi.SessionUmask, c.Session, 0o022)
	}},
	{"session_umask", "EINVAL", "EINVAL for other bits than the nine", loggedIn(func(c *Trial) {
		for _, mask := range []uint64{0o1000, 0o1022, 1 << 31} {
			c.refused(wasi.EINVAL, wasi.SessionUmask, c.Session, mask)
		}
	})},

	{"session_names", "result", "has names be UTF-8 or not, and says how one is written now", loggedIn(func(c *Trial) {
		for _, on := range []uint64{1, 0, 1} {
			c.succeed(wasi.SessionNames, c.rewritten("a/name", on, outSize))
			if got := string(c.Peek(BufferAt, c.Number(ResultAt))); got != "a/name" {
				c.T.Errorf("the name %q, all ASCII, is now %q", "a/name", got)
			}
		}
		c.has(c.made("\u00fc", content), content)
	})},
	{"session_names", "result", "a name that is written anew is the same file's, and comes back as it was", loggedIn(func(c *Trial) {
		name := c.made("\u00fc", content)
		c.succeed(wasi.SessionNames, c.rewritten(name, 1, outSize))
		other := string(c.Peek(BufferAt, c.Number(ResultAt)))
		c.has(other, content)
		c.succeed(wasi.SessionNames, c.rewritten(other, 0, outSize))
		if got := string(c.Peek(BufferAt, c.Number(ResultAt))); got != name {
			c.T.Errorf("the name %q is %q in UTF-8, and %q when that is turned off again", name, other, got)
		}
		c.has(name, content)
	})},
	{"session_names", "EINVAL", "EINVAL when buf is too small, or for another switch", loggedIn(func(c *Trial) {
		c.succeed(wasi.SessionNames, c.rewritten("name", 1, 4))
		for on, room := range map[uint64]uint64{1: 3, 3: outSize} {
			if errno := c.rewritten("name", on, room); errno != wasi.EINVAL {
				c.T.Errorf("a name of 4 bytes into a buffer of %d, with on %d: %v, not EINVAL", room, on, errno)
			}
		}
	})},

	{"session_names", "result", "takes the name of the client's program, of any bytes, also before the login", func(c *Trial) {
		for _, program := range []string{"lftp/4.9.2", "\r\n\x00\xff", ""} {
			c.succeed(wasi.SessionNames, c.rewritten(program, wasi.NameProgram, 0))
			if n := c.Number(ResultAt); n != 0 {
				c.T.Errorf("n is %d after the name of a program", n)
			}
		}
	}},

	{"session_list", "result",
		"has every session of the host once, in the order of their numbers, by whatever pages", listsSessions},
	{"session_list", "result", "tells what a session does, with which file, and how many bytes of it are moved", seesDoings},
	{"session_list", "result", "tells what the client says of its program, where session_names takes that", func(c *Trial) {
		c.administer()
		for _, program := range []string{"lftp/4.9.2", ""} {
			c.succeed(wasi.SessionNames, c.rewritten(program, wasi.NameProgram, 0))
			c.listed(outSize, func(who wasi.Who) {
				if net.TCPAddrFromAddrPort(who.Client).String() == c.Conn.LocalAddr().String() && string(who.Program) != program {
					c.T.Errorf("the session of the program %q is listed with %q", program, who.Program)
				}
			})
		}
	}},
	{"session_list", "EINVAL", "EINVAL when buf has no room for one", func(c *Trial) {
		c.administer()
		for _, room := range []uint64{0, wasi.WhoSize - 1} {
			c.refused(wasi.EINVAL, wasi.SessionList, c.Session, 0, c.At(BufferAt), room, c.At(ResultAt))
		}
	}},
	{"session_list", "EACCES", "EACCES without the right of an administrator, and before the login", func(c *Trial) {
		c.refused(wasi.EACCES, wasi.SessionList, c.Session, 0, c.At(BufferAt), outSize, c.At(ResultAt))
		c.onlyRead()
		c.refused(wasi.EACCES, wasi.SessionList, c.Session, 0, c.At(BufferAt), outSize, c.At(ResultAt))
	}},

	{"session_kick", "result", "ends another session, and its client gets 421 with the text, in one line", func(c *Trial) {
		c.administer()
		for text, want := range map[string]string{"": "", "come back at ten": "come back at ten", "a\r\n230 b": "230 b"} {
			number, rest := c.expelled(text)
			if !strings.HasPrefix(rest, "421 ") || strings.Count(rest, "\n") != 1 || !strings.Contains(rest, want) {
				c.T.Errorf("the client of the session that is ended with %q gets %q", text, rest)
			}
			c.listed(outSize, func(who wasi.Who) {
				if who.Number == number {
					c.T.Errorf("the session that was ended is listed as %+v", who)
				}
			})
		}
	}},
	{"session_kick", "EACCES", "EACCES without the right of an administrator, and before the login", func(c *Trial) {
		c.refused(wasi.EACCES, wasi.SessionKick, c.Session, 0, c.At(TextAt), 0)
		c.onlyRead()
		c.refused(wasi.EACCES, wasi.SessionKick, c.Session, 0, c.At(TextAt), 0)
	}},
	{"session_kick", "ENOENT", "ENOENT for a number that no session has, or none any more", func(c *Trial) {
		c.administer()
		gone, _ := c.expelled("")
		for _, number := range []uint64{0, gone, math.MaxInt64, math.MaxUint64, c.number(c.Puppet) + 1<<32} {
			c.refused(wasi.ENOENT, wasi.SessionKick, c.Session, number, c.At(TextAt), 0)
		}
	}},
	{"session_kick", "EINVAL", "EINVAL for the session that asks", func(c *Trial) {
		c.administer()
		c.refused(wasi.EINVAL, wasi.SessionKick, c.Session, c.number(c.Puppet), c.At(TextAt), 0)
	}},
}

// abilities compares the abilities of auth_login with what the imports do.
func abilities(c *Trial) {
	c.enter()
	able := wasi.Abilities(c.Number(Result2At))
	file := c.made("file", content)
	for _, a := range []struct {
		able  wasi.Abilities
		n     int
		errno wasi.Errno
	}{
		{wasi.AbleTimes, wasi.FileSet, c.Named(wasi.FileSet, file, wasi.SetTime, 0)},
		{wasi.AbleModes, wasi.FileSet, c.Named(wasi.FileSet, file, wasi.SetMode, 0o644)},
		{wasi.AbleUmask, wasi.SessionUmask, c.Call(wasi.SessionUmask, c.Session, 0o022)},
		{wasi.AbleSpace, wasi.FileSpace, c.Named(wasi.FileSpace, ".", c.At(ResultAt))},
		{wasi.AbleMkdir, wasi.FileMake, c.mkdir(c.name("folder"))},
		{wasi.AbleSymlink, wasi.FileMake, c.pair(wasi.FileMake, c.name("link"), file)},
		{wasi.AbleTree, wasi.FileRemove, c.Named(wasi.FileRemove, c.name("none"), wasi.RemoveTree)},
	} {
		if a.errno == wasi.EACCES {
			continue // the configuration does not allow it
		}
		if can := able&a.able != 0; can != (a.errno != wasi.ENOSYS) {
			c.T.Errorf("the abilities %#x say %v to %s, but it is %v", able, can, wasi.Table[a.n].Name, a.errno)
		}
	}
	created := c.stat(file, 0).Created
	if can := able&wasi.AbleCreated != 0; can != (created != 0) {
		c.T.Errorf("the abilities %#x say %v to creation times, but that of a new file is %d", able, can, created)
	}
	if able&wasi.AbleUpload == 0 {
		c.T.Errorf("the abilities %#x say false to uploads, but the kit has just made one", able)
	}
}

// rewritten calls session_names.
func (c *Trial) rewritten(name string, on, room uint64) wasi.Errno {
	c.T.Helper()
	text := c.Text(name)
	return c.Raw(wasi.SessionNames, c.Session, on, text[0], text[1], c.At(BufferAt), room, c.At(ResultAt))
}

// administer logs the session in to the account that may list the sessions.
func (c *Trial) administer() {
	c.T.Helper()
	c.loginAs(c.Target.Admin, c.Target.AdminPassword, "that may list the sessions")
}

// listed reads all session records by pages of room bytes, and calls yield for each.
func (c *Trial) listed(room uint64, yield func(wasi.Who)) {
	c.T.Helper()
	for last := uint64(0); ; {
		n := c.Must(wasi.SessionList, c.Session, last, c.At(BufferAt), room, c.At(ResultAt))
		page := c.Peek(BufferAt, min(n, room))
		if len(page) == 0 {
			return
		}
		for len(page) > 0 {
			who, rest, ok := wasi.NextWho(page)
			if !ok || who.Number <= last {
				c.T.Fatalf("after session %d comes session %d, or no whole record", last, who.Number)
			}
			yield(who)
			last, page = who.Number, rest
		}
	}
}

// number is the number of a session in the list.
func (c *Trial) number(of *Puppet) (number uint64) {
	c.T.Helper()
	client := of.Conn.LocalAddr().String()
	c.listed(outSize, func(who wasi.Who) {
		if net.TCPAddrFromAddrPort(who.Client).String() == client {
			number = who.Number
		}
	})
	if number == 0 {
		c.T.Fatalf("the session of %s is not listed", client)
	}
	return number
}

// kick calls session_kick.
func (c *Trial) kick(number uint64, text string) wasi.Errno {
	c.T.Helper()
	said := c.Text(text)
	return c.Raw(wasi.SessionKick, c.Session, number, said[0], said[1])
}

// expelled ends a new session with a text, and returns its number and what its client gets.
func (c *Trial) expelled(text string) (number uint64, told string) {
	c.T.Helper()
	p := c.Connect(c.T)
	number = c.number(p)
	c.succeed(wasi.SessionKick, c.kick(number, text))
	told, err := p.Rest()
	if err != nil {
		c.T.Errorf("the client of the session that is ended gets %q, %v", told, err)
	}
	for c.kick(number, "") == wasi.OK { // the session is over soon, not at once
	}
	return number, told
}

func listsSessions(c *Trial) {
	c.administer()
	own := c.Conn.LocalAddr().String()
	others := map[string]bool{own: true}
	for range 3 {
		others[c.Connect(c.T).Conn.LocalAddr().String()] = true
	}
	for _, room := range []uint64{200, outSize} {
		found := map[string]bool{}
		c.listed(room, func(who wasi.Who) {
			client, user := net.TCPAddrFromAddrPort(who.Client).String(), string(who.User)
			if began := time.Since(time.Unix(0, who.Began)).Abs(); client == own && (user != c.Target.Admin || began > time.Hour) {
				c.T.Errorf("the session that asks is listed as %+v of %q", who, user)
			}
			found[client] = true
		})
		for client := range others {
			if !found[client] {
				c.T.Errorf("by pages of %d bytes the session of %s is missing", room, client)
			}
		}
	}
	if n := c.Must(wasi.SessionList, c.Session, math.MaxInt64, c.At(BufferAt), outSize, c.At(ResultAt)); n != 0 {
		c.T.Errorf("above the highest number come %d bytes of sessions", n)
	}
}

func seesDoings(c *Trial) {
	c.enter()
	file := c.made("large", string(pattern(large)))
	p := c.Connect(c.T)
	p.Login(c.Target.User, c.Target.Password)
	c.administer()
	sees := func(doing uint16, file string, bytes uint64) {
		c.T.Helper()
		client := p.Conn.LocalAddr().String()
		c.listed(outSize, func(who wasi.Who) {
			if net.TCPAddrFromAddrPort(who.Client).String() != client {
				return
			}
			user, name := string(who.User), string(who.Name)
			if who.Doing != doing || user != c.Target.User || file != "" && name != file || who.Bytes < bytes {
				c.T.Errorf("the session is listed as %+v of %q with %q, not as doing %d with %q and %d bytes or more", who, user,
					name, doing, file, bytes)
			}
		})
	}
	sees(wasi.DoingNothing, "", 0)

	dir := p.List(".", 0)
	sees(wasi.DoingList, "", 0)
	p.Must(wasi.HandleClose, dir)
	sees(wasi.DoingNothing, "", 0)

	download := p.Open(file, 0, 0)
	client := p.transfer(download, 0, 0)
	io.ReadFull(client, make([]byte, large/2))
	sees(wasi.DoingDownload, file, 1)
	io.Copy(io.Discard, client)
	c.moved(p.Event(wasi.EventTransfer, download), large)
	p.Must(wasi.HandleClose, download)
	sees(wasi.DoingNothing, "", 0)

	name := c.name("new")
	upload := p.Open(name, wasi.OpenWrite|wasi.OpenTruncate, 0)
	p.transfer(upload, 0, 0)
	sees(wasi.DoingUpload, name, 0)
	p.Must(wasi.HandleClose, upload)
	sees(wasi.DoingNothing, "", 0)
}
