package host

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"time"

	"wasiftp/fsbridge"
	"wasiftp/wasi"
)

// Authenticator decides who may log in. Authenticate is called from many goroutines at a
// time. It may block: only the session that logs in waits. ctx ends when that session
// ends.
//
// It returns [ErrDenied], or an error that wraps it, for wrong credentials, and [ErrBusy]
// when it cannot check them now. The error of [Refuse] refuses with 421, a code 4yz or 530,
// and its text. Any other error is logged, and refuses the login too. An
// unknown user should take as long as a wrong password.
type Authenticator interface {
	Authenticate(ctx context.Context, login Login) (*Account, error)
}

// AuthenticatorFunc is a function as an [Authenticator].
type AuthenticatorFunc func(ctx context.Context, login Login) (*Account, error)

// Authenticate calls f.
func (f AuthenticatorFunc) Authenticate(ctx context.Context, login Login) (*Account, error) {
	return f(ctx, login)
}

// ErrDenied is an [Authenticator]'s answer to wrong credentials.
var ErrDenied = errors.New("wrong user name or password")

// ErrBusy is an [Authenticator]'s answer when too many clients log in at once, and it has
// not checked the credentials. The session ends with 421, which makes clients try again
// later. [wasiftp/host/turns] can share out the checks.
var ErrBusy = errors.New("too many log in at once")

// Login is one attempt to log in.
type Login struct {
	Session  uint64 // its number, as in Event.Session
	User     string // as sent; may hold any byte but CR, LF and NUL
	Password Password
	Host     string // the argument of HOST or, if Config.Hosts has it, the name in the TLS handshake; lower case; "" for none
	Program  string // as Session.Program
	Client   netip.AddrPort
	Server   netip.AddrPort       // the address that the client connected to
	TLS      *tls.ConnectionState // of the control connection, nil in the clear
}

// Password is a secret that does not print itself.
type Password string

// String prints stars.
func (Password) String() string { return "*****" }

// Format prints stars, whatever the verb.
func (p Password) Format(f fmt.State, _ rune) { io.WriteString(f, p.String()) }

// MarshalText writes stars, for loggers and encoders.
func (Password) MarshalText() ([]byte, error) { return []byte("*****"), nil }

// Reveal returns the password itself.
func (p Password) Reveal() string { return string(p) }

// Account is what a session gets by its login. The server copies it when Authenticate
// returns.
type Account struct {
	// Name is the account's name in limits, events and Revoke; "" is Login.User.
	Name string

	// FS is the storage, whose root the account sees as "/". It must not be nil.
	FS fs.FS

	// Folder is where the root of FS is on this machine, an absolute path. It is for events and
	// hooks, which may tell programs of it; "" says that it is no folder, or nobody's business.
	Folder string

	// Rights say what the account may do with FS. The server enforces them, whatever FS
	// itself allows. Zero allows nothing but to log in, and what Rules allow.
	Rights Rights

	// Rules are rights to single folders and files, and limits of uploads there; nil for
	// none. Where none of them holds, Rights do. [fsbridge.CompileRules] makes them once for
	// all logins, and reports a fault in a pattern then.
	//
	// An account with rules goes through no symbolic link of FS. Open a folder with
	// [fsbridge.DirOptions].NoLinks for it.
	Rules *fsbridge.Rules

	// Charset is the character set of the account's clients, like Config.Charset, which
	// "" stands for.
	Charset string

	// ListZone is the time zone of LIST, and ListOwner and ListGroup are the owner and the
	// group of all files there, each one word. nil and "" stand for Config.ListZone and for
	// Owner and Group of Config.Behaviour.
	ListZone             *time.Location
	ListOwner, ListGroup string

	// MaxSessions bounds the sessions of the account at a time; 0 is no limit.
	MaxSessions int

	// Quota bounds what the account stores; nil bounds nothing. Each login of an account
	// must give the same one. wasiftp/host/quota has one that keeps its counts in a
	// folder.
	Quota Quota

	// Rates bound the transfers of all sessions of the account together, and
	// RatesPerSession those of each; the zero value is no limit. The latest login says
	// what the rates of an account are. Limits.Rates and Limits.RatesPerSession hold as
	// well. A negative rate refuses the login.
	Rates, RatesPerSession Rates

	// Shared says that strangers use the account, like that of anonymous. Processors are
	// then shared out by account and client address, not by account alone.
	Shared bool

	// Close releases what this login alone holds, such as a folder that Authenticate
	// opened for it; nil does nothing. It is called exactly once for each Account that
	// Authenticate returns without an error: after the logout, the end of the session or
	// the refusal of the login, when no call of a method of FS is under way. Files and
	// uploads that are open then are still read, committed or aborted. Its error is
	// logged.
	Close func() error
}

// Quota counts what an account stores, and bounds it. See [fsbridge.Quota].
type Quota = fsbridge.Quota

// Rights is a set of the rights below. See [wasi.Rights].
type Rights = wasi.Rights

// The rights an account can have.
const (
	RightRead   Rights = wasi.RightRead   // download
	RightList   Rights = wasi.RightList   // list directories
	RightWrite  Rights = wasi.RightWrite  // upload; set times and modes
	RightDelete Rights = wasi.RightDelete // delete files and directories; replace a file
	RightRename Rights = wasi.RightRename // rename files and directories
	RightMkdir  Rights = wasi.RightMkdir  // make directories
	RightAdmin  Rights = wasi.RightAdmin  // see who is there and what they do (SITE WHO), and end sessions (SITE KICK)

	ReadOnly  = wasi.ReadOnly  // RightRead and RightList
	ReadWrite = wasi.ReadWrite // all but RightAdmin
	WriteOnly = wasi.WriteOnly // RightWrite and RightMkdir: a drop box, whose files can't be seen
)

// RightsHelp names the words that [ParseRights] knows.
const RightsHelp = wasi.RightsHelp

// ParseRights reads rights from words with commas or plus signs between them, such as ro or
// list+write. An unknown word is an error.
func ParseRights(text string) (Rights, error) { return wasi.ParseRights(text) }
