// Package doctor looks at an FTP server as a client does, and says what is wrong with it,
// what that means, and what to do.
package doctor

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Config says which server to look at, and how.
type Config struct {
	Host     string // a name or an address
	Port     string
	Implicit bool // TLS comes before the greeting (ftps)

	User string // "" is anonymous

	// Password is called once, when the server asks for the password of a User who is not
	// anonymous. nil logs nobody in but anonymous.
	Password func() (string, error)

	// Folder is where the test file is made; "" is the folder of the login.
	Folder string

	// ReadOnly makes no check that changes something on the server.
	ReadOnly bool

	// Insecure sends the password also without TLS, or to whom no certificate proves to be
	// the host. Without it only servers on this machine get it so.
	Insecure bool

	// Name is the name that the certificate must have; "" is Host.
	Name string

	// AnyName looks at the certificate, but not at its names: nobody knows by which of
	// them clients come.
	AnyName bool

	Roots *x509.CertPool // nil is the system's

	Told Told

	// Step is how long the server may take for a reply, a connection or a handshake, and a
	// third of what the content of a file may take. 0 is 10 seconds.
	Step time.Duration
}

// Told is what the configuration of the server says. The zero value is that nothing is known.
type Told struct {
	FirstPort, LastPort uint16 // that PASV and EPSV announce
	Addresses           []netip.Addr
	Writable            string // the folder of the user, if the user may write there
	Rights              string // of the user in all folders, words with commas between them; "" is not known
}

const usualStep = 10 * time.Second

// Examine looks at a server, and tells each finding as it is made. It ends early with ctx,
// but removes its test file from the server all the same. It takes at most some minutes,
// whatever the server does: a reply that does not come ends a session, and there are
// [sessions] of them.
func Examine(ctx context.Context, config Config, tell func(Finding)) {
	x := &exam{Config: config, tickets: tls.NewLRUClientSessionCache(8), features: map[string]bool{}}
	if x.Step <= 0 {
		x.Step = usualStep
	}
	if x.User == "" {
		x.User = anonymous
	}
	if x.Name == "" {
		x.Name = x.Host
	}
	x.content = make([]byte, contentSize)
	rand.Read(x.content)
	var unique [6]byte
	rand.Read(unique[:])
	x.names = "wasiftpd-doctor-" + hex.EncodeToString(unique[:])
	defer x.drop()
	Run(ctx, slices.Concat(connectChecks, loginChecks, dataChecks, fileChecks, lastChecks), x, tell)
}

const (
	anonymous   = "anonymous"
	contentSize = 256 << 10 // more than what fits into the buffers of a path that loses large packets
	sessions    = 5
)

// exam is an examination, with what the checks so far have found out.
type exam struct {
	Config
	tickets tls.ClientSessionCache
	content []byte
	names   string // begin the names of test files

	control  *control // nil while there is none
	opened   int      // control connections so far
	peer     netip.Addr
	features map[string]bool // verbs and words of FEAT, in upper case

	tls       bool // AUTH TLS works, or TLS is implicit
	brokenTLS bool // TLS was offered, and its handshake failed
	state     tls.ConnectionState
	trusted   bool // the certificate proves who the server is
	password  string
	asked     bool // Password has been called
	loggedIn  bool
	protected bool   // PROT P was accepted
	ticket    bool   // the server has given one to resume the TLS session by
	method    string // EPSV or PASV; "" while none works
	announced netip.AddrPort
	file      string // the test file's present name on the server, "" for none
	uploaded  time.Time
}

func (x *exam) address() string { return net.JoinHostPort(x.Host, x.Port) }

func (x *exam) anonymous() bool { return x.User == anonymous || x.User == "ftp" }

// dial connects to an address of the server.
func (x *exam) dial(ctx context.Context, address string) (net.Conn, error) {
	return (&net.Dialer{Timeout: x.Step}).DialContext(ctx, "tcp", address)
}

// drop ends the session, if there is one.
func (x *exam) drop() {
	if x.control != nil {
		x.control.close()
		x.control = nil
	}
}

// open connects, without TLS and without a greeting.
func (x *exam) open(ctx context.Context) error {
	x.drop()
	x.opened++
	conn, err := x.dial(ctx, x.address())
	if err != nil {
		return err
	}
	x.control = newControl(ctx, conn, x.Step)
	if at, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err == nil {
		x.peer = at.Addr().Unmap()
	}
	return nil
}

func (x *exam) tlsConfig() *tls.Config {
	// The check of the certificate verifies it, for it has more to say than yes or no.
	return &tls.Config{ServerName: x.Name, InsecureSkipVerify: true, ClientSessionCache: x.tickets, MinVersion: tls.VersionTLS12}
}

// fault is why a session could not be had again.
type fault struct {
	reply reply
	err   error
}

func (f *fault) String() string {
	if f.err != nil {
		return inWords(f.err)
	}
	return f.reply.String()
}

// ready sees to it that there is a session as far as the checks have come: under TLS if
// that worked, and logged in if that did.
func (x *exam) ready(ctx context.Context) *fault {
	if x.control != nil && x.control.ctx.Err() == nil {
		return nil
	}
	if x.opened >= sessions {
		return &fault{err: errTooMany}
	}
	if err := x.open(ctx); err != nil {
		return &fault{err: err}
	}
	f := x.resume()
	if f != nil {
		x.drop()
	}
	return f
}

// resume takes a connection that was just opened to where the session before was.
func (x *exam) resume() *fault {
	c := x.control
	if x.tls && x.Implicit {
		if _, err := c.secure(x.tlsConfig()); err != nil {
			return &fault{err: err}
		}
	}
	if r, err := c.reply(); err != nil || !r.is(2) {
		return &fault{r, err}
	}
	if x.tls && !x.Implicit {
		if r, err := c.command("AUTH TLS"); err != nil || !r.is(234) {
			return &fault{r, err}
		}
		if _, err := c.secure(x.tlsConfig()); err != nil {
			return &fault{err: err}
		}
	}
	if !x.loggedIn {
		return nil
	}
	if r, err := x.logIn(c); err != nil || !r.is(2) {
		return &fault{r, err}
	}
	commands := []string{"TYPE I"}
	if x.protected {
		commands = append(commands, "PBSZ 0", "PROT P")
	}
	if x.Folder != "" {
		commands = append(commands, "CWD "+x.Folder)
	}
	for _, line := range commands {
		if r, err := c.command(line); err != nil || !r.is(2) {
			return &fault{r, err}
		}
	}
	return nil
}

// do sends a command in a session that is ready. After an error the session is no more.
func (x *exam) do(ctx context.Context, line string) (reply, error) {
	if f := x.ready(ctx); f != nil {
		return reply{}, lostError{f}
	}
	r, err := x.control.command(line)
	if err != nil || r.code == 421 {
		x.drop()
	}
	return r, err
}

// failed is the outcome of a command or a transfer that ended with an error.
func failed(doing string, err error) []Outcome {
	if lost, ok := err.(lostError); ok {
		return One("lost", lost.Error())
	}
	kind := kindOf(err)
	switch kind {
	case "refused", "unreachable", "unknown": // only the dialling of a check tells them apart
		kind = "odd"
	case "silent":
		return One(kind, doing+": no answer in time.")
	}
	return One(kind, doing+": "+inWords(err)+".")
}

// lostError is that no session could be had to make a check in.
type lostError struct{ fault *fault }

func (e lostError) Error() string {
	if e.fault.err == errTooMany {
		return "Not tried: " + e.fault.String() + "."
	}
	return "Not tried, for there is no new session: " + e.fault.String() + "."
}

var errTooMany = errors.New("the sessions before were lost, and no further one is begun")

// has says whether FEAT has named a verb or a word.
func (x *exam) has(feature string) bool { return x.features[strings.ToUpper(feature)] }
