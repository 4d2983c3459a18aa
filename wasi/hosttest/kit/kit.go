// Package kit checks a host of the engine from outside: the host runs the kit's
// module in the place of the engine, and each check plays both the module, which
// does what it is told over the control connection, and the client.
//
// What a host must do is in wasi/table.go and wasi/ABI.md.
package kit

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"wasiftp/wasi"
)

// Target is a host to be checked.
type Target struct {
	// Address is where it listens.
	Address string

	// Implicit is where it listens for connections that begin with a TLS
	// handshake; "" leaves out what needs that.
	Implicit string

	// Stop asks the host to end in good order; nil leaves out what needs that.
	Stop func() error

	// LastWords tells how a host that does not listen any more has ended, and what
	// it printed before; nil is for one of which the kit sees nothing.
	LastWords func() string

	// User and Password are of an account that may do all in a folder of its
	// own.
	User, Password string

	// Reader and ReaderPassword are of an account that may only read and list;
	// "" leaves out what needs one.
	Reader, ReaderPassword string

	// Admin and AdminPassword are of an account that may see who is there; ""
	// leaves out what needs one.
	Admin, AdminPassword string

	// Single and SinglePassword are of an account that may have one session at
	// a time; "" leaves out what needs one.
	Single, SinglePassword string

	// Patience is how long to wait for what must happen; 0 is 10 seconds.
	Patience time.Duration

	// Root is the folder of User's on this machine, "" when it is elsewhere:
	// only there can the kit make what leads out of it.
	Root string
}

// defaultPatience is long enough for a slow host on a busy machine.
const defaultPatience = 10 * time.Second

// Beginnings of what Skipf is told.
const (
	NotOffered = "not offered: " // by this host, which it may
	NotChecked = "not checked: " // for want of something that the target does not say
)

// Check is a promise of the boundary that can be found broken.
type Check struct {
	Import  string // of the table; "" for the life of an instance
	Proves  string // what of it, in words: result, errnos and events by name, handles, pointers, waiting, rights, names
	Promise string // in words
	Run     func(*Trial)
}

// Name is what the check is called, and unique.
func (c Check) Name() string {
	return cmp.Or(c.Import, "life") + ": " + c.Promise
}

// Checks are all there are, in the order in which someone who writes a host
// wants to see them.
func Checks() []Check {
	checks := slices.Concat(lifeChecks, eventChecks, controlChecks, dataChecks, closeChecks, secureChecks, accountChecks,
		sessionChecks,
		fileChecks, openChecks, changeChecks, transferChecks)
	for n := range wasi.Table {
		checks = append(checks, generalChecks(n)...)
	}
	slices.SortStableFunc(checks, func(a, b Check) int { return cmp.Compare(place(a), place(b)) })
	return append(checks, lastChecks...)
}

// place is where an import is in the table.
func place(c Check) int {
	return slices.IndexFunc(wasi.Table[:], func(i wasi.Import) bool { return i.Name == c.Import })
}

// Optional says whether a host need not have import n: its text tells of ENOSYS.
func Optional(n int) bool { return strings.Contains(wasi.Table[n].Text, "ENOSYS") }

// Trial is one run of a check: a session, and the files that it made.
type Trial struct {
	*Puppet
	Target *Target
	prefix string
	named  []string

	resumption *tls.Config // nil until TLS is spoken
}

var trials atomic.Uint64

// Against runs the check on a host. It ends as t does at Fatalf and Skipf.
func (c Check) Against(t T, target *Target) {
	t.Helper()
	trial := &Trial{Target: target, prefix: fmt.Sprintf("hosttest-%d-%d-", time.Now().Unix(), trials.Add(1))}
	trial.Puppet = trial.Connect(t)
	defer trial.tidy()
	c.Run(trial)
}

// Connect opens one more session.
func (c *Trial) Connect(t T) *Puppet {
	t.Helper()
	p := NewPuppet(t, c.Target.dial(t))
	p.patience = c.Target.patience()
	return p
}

func (t *Target) patience() time.Duration { return cmp.Or(t.Patience, defaultPatience) }

// dial opens a control connection.
func (t *Target) dial(of T) net.Conn {
	of.Helper()
	conn, err := net.DialTimeout("tcp", t.Address, t.patience())
	if err != nil {
		of.Fatalf("no control connection: %v", err)
	}
	of.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(t.patience()))
	return conn
}

// second is another session in the same instance. Where a host gives each
// session its own, there is none.
func (c *Trial) second() *Puppet {
	c.T.Helper()
	for range maxInstances {
		if p := c.Connect(c.T); p.Instance == c.Instance {
			return p
		}
	}
	c.T.Skipf(NotOffered + "no two sessions share an instance")
	return nil
}

// maxInstances is among how many a host may share sessions out, for the kit to
// find two in the same.
const maxInstances = 32

// enter logs the session in to the account that may do all.
func (c *Trial) enter() {
	c.T.Helper()
	if errno := c.Login(c.Target.User, c.Target.Password); errno != wasi.OK {
		c.T.Fatalf("auth_login of %s: %v, not OK", c.Target.User, errno)
	}
}

// name is a file name that nobody else has. What is there when the check ends is
// removed.
func (c *Trial) name(s string) string {
	name := c.prefix + s
	if !slices.Contains(c.named, name) {
		c.named = append(c.named, name)
	}
	return name
}

// tidy removes what the check made, as far as that can be done.
func (c *Trial) tidy() {
	if len(c.named) == 0 {
		return
	}
	t := &trial{}
	t.run(func() {
		p := c.Connect(t)
		p.Login(c.Target.User, c.Target.Password)
		for _, name := range slices.Backward(c.named) {
			if p.Named(wasi.FileRemove, name, wasi.RemoveFile) == wasi.EISDIR {
				p.Named(wasi.FileRemove, name, wasi.RemoveDir)
			}
		}
	})
}
