package kit

import "wasiftp/wasi"

// allRights are the rights of the account that the kit logs in to.
const allRights = uint64(wasi.ReadWrite)

var accountChecks = []Check{
	{"auth_host", "result", "takes no name for no virtual host", func(c *Trial) {
		c.MustNamed(wasi.AuthHost, "")
		c.enter()
	}},
	{"auth_host", "ENOENT", "ENOENT when there is no such host", func(c *Trial) {
		switch errno := c.Named(wasi.AuthHost, "no-such-host.invalid"); errno {
		case wasi.ENOENT:
		case wasi.OK, wasi.ENOSYS:
			c.T.Skipf(NotOffered+"auth_host of a name that no virtual host has is %v", errno)
		default:
			c.T.Errorf("%v, not ENOENT", errno)
		}
		c.MustNamed(wasi.AuthHost, "")
		c.enter()
	}},

	{"auth_login", "result", "logs the session in, and rights are what the account may do", func(c *Trial) {
		c.enter()
		if rights := c.Number(ResultAt); rights != allRights {
			c.T.Errorf("the rights of %s are %#x, not %#x, which are all", c.Target.User, rights, allRights)
		}
		c.Must(wasi.HandleClose, c.List(".", 0))
	}},
	{"auth_login", "result", "a reader's rights are to read and to list", func(c *Trial) {
		c.onlyRead()
		if rights := c.Number(ResultAt); rights != uint64(wasi.ReadOnly) {
			c.T.Errorf("the rights of %s are %#x, not %#x", c.Target.Reader, rights, wasi.ReadOnly)
		}
	}},
	{"auth_login", "result", "tells what the account's files can do, and the imports keep to it", abilities},
	{"auth_login", "EACCES", "EACCES for wrong credentials", func(c *Trial) {
		for _, wrong := range [][2]string{
			{c.Target.User, "wrong"}, {c.Target.User, ""}, {c.Target.User, c.Target.Password + "x"},
			{"nobody of that name", c.Target.Password}, {"\xff\xfe", "\xff"},
			{c.Target.User + "\x00", c.Target.Password}, {c.Target.User, c.Target.Password + "\x00"},
		} {
			p := c.Connect(c.T) // a host may refuse all logins of a session after some failures
			if errno := p.Login(wrong[0], wrong[1]); errno != wasi.EACCES {
				c.T.Errorf("user %q with password %q: %v, not EACCES", wrong[0], wrong[1], errno)
			}
			if errno := p.Named(wasi.FileStat, ".", 0, p.At(ResultAt)); errno != wasi.EACCES {
				c.T.Errorf("file_stat after user %q with password %q: %v, not EACCES", wrong[0], wrong[1], errno)
			}
			p.Conn.Close()
		}
		if errno := c.Login(c.Target.User, "wrong"); errno != wasi.EACCES {
			c.T.Errorf("a wrong password: %v, not EACCES", errno)
		}
		c.enter()
	}},
	{"auth_login", "EMFILE", "EMFILE when the account has all its sessions, until one ends", func(c *Trial) {
		if c.Target.Single == "" {
			c.T.Skipf(NotChecked + "the target has no account that may have one session")
		}
		single := func(p *Puppet) wasi.Errno { return p.Login(c.Target.Single, c.Target.SinglePassword) }
		if errno := single(c.Puppet); errno != wasi.OK {
			c.T.Fatalf("the first session: %v, not OK", errno)
		}
		other := c.Connect(c.T)
		if errno := single(other); errno != wasi.EMFILE {
			c.T.Errorf("the second session: %v, not EMFILE", errno)
		}
		c.Logout()
		if errno := single(other); errno != wasi.OK {
			c.T.Errorf("the second session, when the first has logged out: %v, not OK", errno)
		}
		if errno := single(other); errno != wasi.OK && errno != wasi.EMFILE {
			c.T.Errorf("the second session, once more: %v, not OK or EMFILE", errno)
		}
	}},

	{"auth_login", "result",
		"an empty user logs the session out: it has no files then, and may log in again", loggedIn(func(c *Trial) {
			c.Logout()
			c.refused(wasi.EACCES, wasi.FileStat, c.words(".", 0, c.At(ResultAt))...)
			c.Logout()
			c.enter()
			c.has(c.made("again", content), content)
		})},
	{"auth_login", "result", "logging out takes nothing from another session", loggedIn(func(c *Trial) {
		other := c.Connect(c.T)
		other.Login(c.Target.User, c.Target.Password)
		other.Logout()
		c.Must(wasi.HandleClose, c.List(".", 0))
	})},
}

// onlyRead logs the session in to the account that may only read.
func (c *Trial) onlyRead() {
	c.T.Helper()
	c.loginAs(c.Target.Reader, c.Target.ReaderPassword, "that may only read")
}

// loginAs logs the session in to an account, and skips the check when the target has none of
// that kind. what describes the account.
func (c *Trial) loginAs(user, password, what string) {
	c.T.Helper()
	if user == "" {
		c.T.Skipf(NotChecked+"the target has no account %s", what)
	}
	if errno := c.Login(user, password); errno != wasi.OK {
		c.T.Fatalf("auth_login of %s: %v, not OK", user, errno)
	}
}
