// Package kit checks a host of the engine from outside. The host runs the kit's
// module in the place of the engine. Each check is the client of a session: over the
// control connection it tells the module which imports to call, and it looks at the
// results at both ends.
//
// wasi/table.go and wasi/ABI.md state what a host must do.
package kit

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"wasiftp/wasi"
)

// Target is a host to be checked.
type Target struct {
	// Address is the address and port at which the host listens.
	Address string

	// Implicit is the address and port at which the host listens for connections
	// that begin with a TLS handshake; "" skips the checks that need it.
	Implicit string

	// Stop asks the host to end in good order; nil skips the checks that need it.
	Stop func() error

	// LastWords tells how a host that no longer listens has ended, and what it
	// printed before; nil is for a host whose end and output the kit cannot see.
	LastWords func() string

	// User and Password are those of an account with all rights in a folder of
	// its own.
	User, Password string

	// Reader and ReaderPassword are those of an account that may only read and
	// list; "" skips the checks that need one.
	Reader, ReaderPassword string

	// Admin and AdminPassword are those of an account that may list the sessions;
	// "" skips the checks that need one.
	Admin, AdminPassword string

	// Single and SinglePassword are those of an account that may have one session
	// at a time; "" skips the checks that need one.
	Single, SinglePassword string

	// Patience is how long a check waits for an answer, an event or a connection;
	// 0 is 10 seconds.
	Patience time.Duration

	// Root is the folder of User if it is on this machine, "" if it is elsewhere.
	// The checks that need links, very large files or many files make them there.
	Root string
}

// defaultPatience is long enough for a slow host on a busy machine.
const defaultPatience = 10 * time.Second

// Every reason that Skipf gets begins with one of these.
const (
	NotOffered = "not offered: " // the host need not do it, and does not
	NotChecked = "not checked: " // the target or this machine lacks what the check needs
)

// Check is one promise of the boundary, with the function that tests it.
type Check struct {
	Import  string // its name in the table; "" for the life of an instance
	Proves  string // the parts of the import's text: result, errnos and events by name, handles, pointers, waiting, rights, names
	Promise string // in words
	Run     func(*Trial)
}

// Name is the unique name of the check: its import and its promise.
func (c Check) Name() string {
	return cmp.Or(c.Import, "life") + ": " + c.Promise
}

// Checks are all checks, in the order of the table. Those of the life of an instance come
// first; those that harm the instance or end the host come last.
func Checks() []Check {
	checks := slices.Concat(lifeChecks, eventChecks, controlChecks, dataChecks, closeChecks, secureChecks, accountChecks,
		sessionChecks, fileChecks, openChecks, changeChecks, transferChecks)
	for n := range wasi.Table {
		checks = append(checks, generalChecks(n)...)
	}
	slices.SortStableFunc(checks, func(a, b Check) int { return cmp.Compare(place(a), place(b)) })
	return append(checks, lastChecks...)
}

// place is the index of the check's import in the table, -1 for the life of an instance.
func place(c Check) int {
	return slices.IndexFunc(wasi.Table[:], func(i wasi.Import) bool { return i.Name == c.Import })
}

// Optional reports whether a host need not offer import n: its text names ENOSYS.
func Optional(n int) bool { return strings.Contains(wasi.Table[n].Text, "ENOSYS") }

// Trial is one run of a check: a session, and the files that the check has made.
type Trial struct {
	*Puppet
	Target *Target
	prefix string   // of the names of its files
	named  []string // files and directories to remove at the end

	resumption *tls.Config // nil until the first handshake
}

var trials atomic.Uint64

// Against runs the check on a host. t learns the outcome.
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
	p := NewPuppet(t, c.Target.dial(t, c.Target.Address))
	p.patience = c.Target.patience()
	return p
}

func (t *Target) patience() time.Duration { return cmp.Or(t.Patience, defaultPatience) }

// dial opens a control connection.
func (t *Target) dial(of T, address string) net.Conn {
	of.Helper()
	conn, err := net.DialTimeout("tcp", address, t.patience())
	if err != nil {
		of.Fatalf("no control connection: %v", err)
	}
	of.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(t.patience()))
	return conn
}

// second is another session in the same instance. It skips the check when the host gives
// each session an instance of its own.
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

// maxInstances bounds the number of instances among which a host shares sessions out, if the
// kit is to find two sessions in one of them.
const maxInstances = 32

// watched is another session in the same instance, whose events this session gets, and whose
// bytes it can read.
func (c *Trial) watched() *Puppet {
	c.T.Helper()
	p := c.second()
	c.Answer("watch %d", p.Session)
	return p
}

// enter logs the session in to the account with all rights.
func (c *Trial) enter() {
	c.T.Helper()
	if errno := c.Login(c.Target.User, c.Target.Password); errno != wasi.OK {
		c.T.Fatalf("auth_login of %s: %v, not OK", c.Target.User, errno)
	}
}

// loggedIn is a check that begins with a login to the account with all rights.
func loggedIn(run func(*Trial)) func(*Trial) {
	return func(c *Trial) {
		c.T.Helper()
		c.enter()
		run(c)
	}
}

// onDisk is the path of a file of the account on this machine. It skips the check when the
// account's root is elsewhere; what says what the check does there.
func (c *Trial) onDisk(name, what string) string {
	c.T.Helper()
	if c.Target.Root == "" {
		c.T.Skipf(NotChecked+"the target has no root folder to %s in", what)
	}
	return filepath.Join(c.Target.Root, name)
}

// possible skips the check when this machine cannot do what the check needs.
func (c *Trial) possible(err error) {
	c.T.Helper()
	if err != nil {
		c.T.Skipf(NotChecked+"%v", err)
	}
}

// name is a file name that no other check uses. If there is a file or an empty directory of
// that name when the check ends, it is removed.
func (c *Trial) name(s string) string {
	name := c.prefix + s
	if !slices.Contains(c.named, name) {
		c.named = append(c.named, name)
	}
	return name
}

// tidy removes the files and directories that the check has made, as far as it can.
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
