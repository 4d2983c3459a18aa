package host

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"

	"wasiftp/wasi"
)

// Authenticator decides who may log in. Authenticate is called from many
// goroutines and may take its time: only the session that asks waits. The
// context ends when that session does.
//
// It returns [ErrDenied], or an error that wraps it, for wrong credentials, and
// [ErrBusy] when it cannot look at them now; any other error is logged and refuses
// the login too. An unknown user should take
// as long as a wrong password.
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

// ErrBusy is an [Authenticator]'s answer when too many want to log in at once, and
// nobody has looked at the credentials: the session ends with 421, upon which
// clients try again later. [wasiftp/host/turns] lets logins in by turns.
var ErrBusy = errors.New("too many log in at once")

// Login is what a client gave to log in.
type Login struct {
	User     string // as sent; may hold any byte but CR, LF and NUL
	Password Password
	Host     string // what the client named by HOST or, if Config.Hosts has it, in the TLS handshake; in lower case; "" for nothing
	Client   netip.AddrPort
	Server   netip.AddrPort       // the address the client connected to
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

// Reveal is the password itself.
func (p Password) Reveal() string { return string(p) }

// Account is what a login gives.
type Account struct {
	// Name is the account's, for limits and events; "" is the user name.
	Name string

	// FS is what the account sees. It must not be nil.
	FS fs.FS

	// Rights are what the account may do with FS. The server enforces them,
	// whatever FS itself allows. Zero allows nothing but to log in.
	Rights Rights

	// Charset is how the account's clients write names; "" is Config.Charset.
	Charset string

	// MaxSessions is how many sessions the account has at a time; 0 is no limit.
	MaxSessions int

	// Shared says that strangers use the account, as they do that of anonymous. What
	// is shared out by account then is by client address too.
	Shared bool

	// Close gives up what this one login holds, a folder that Authenticate has
	// opened for it, say; nil does nothing. It is called exactly once for each
	// Account that Authenticate returns without an error: after the logout, the
	// end of the session or a refusal of the login, and not before the calls of
	// FS have returned that are under way. Files and uploads that are open
	// then are still read, committed or aborted.
	Close func() error
}

// Rights are what an account may do. The server enforces them at each call.
type Rights = wasi.Rights

// The rights an account can have.
const (
	RightRead   Rights = wasi.RightRead   // download
	RightList   Rights = wasi.RightList   // list directories
	RightWrite  Rights = wasi.RightWrite  // upload; set times and modes
	RightDelete Rights = wasi.RightDelete // delete files and directories; replace a file
	RightRename Rights = wasi.RightRename // rename files and directories
	RightMkdir  Rights = wasi.RightMkdir  // make directories
	RightAdmin  Rights = wasi.RightAdmin  // see who is there and what they do (SITE WHO)

	ReadOnly  = wasi.ReadOnly
	ReadWrite = wasi.ReadWrite
	WriteOnly = wasi.WriteOnly // a drop box: what is put there can't be seen
)

// RightsHelp names the words that [ParseRights] knows.
const RightsHelp = wasi.RightsHelp

// ParseRights reads words for rights, such as ro, or list+write, with commas or plus signs
// between them.
func ParseRights(text string) (Rights, error) { return wasi.ParseRights(text) }
