package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"time"
	"unicode"

	"wasiftp/host/bans"
	"wasiftp/wasi"
)

// Config is the configuration of a [Server]. [New] copies and checks it once. The zero
// value works, but lets nobody in.
type Config struct {
	// Authenticator decides who may log in; nil refuses everyone.
	Authenticator Authenticator

	// Observer gets the events; nil gets none.
	Observer Observer

	// SyncObserver calls the Observer at once, from the goroutine where the event
	// happens, so that none is dropped. The session waits until it returns, and often
	// all sessions of the instance do.
	SyncObserver bool

	// Logger gets the server's own faults: an instance that trapped, a passive port
	// that could not be opened. nil discards them. The records wait in one queue with
	// the events; a record says how many were dropped.
	Logger *slog.Logger

	// Hosts are the names that HOST accepts (RFC 7151), in any case; nil accepts all,
	// an empty slice none. The [Authenticator] chooses accounts and files by
	// Login.Host, and TLS.Config the certificate by the name in the handshake.
	Hosts []string

	// Greeting is the text of the 220 reply, one line; "" is the engine's own.
	Greeting string

	// Hooks are asked before files are opened or changed; the zero value asks nobody.
	Hooks Hooks

	Behaviour Behaviour
	Allow     Allow

	// Charset is the character set in which clients write the names of files, by its
	// IANA name, until they say OPTS UTF8 ON; "" is UTF-8, and leaves all bytes as they
	// are. ASCII must be a part of it, as of Windows-1252 or Shift_JIS.
	Charset string

	// ListZone is the time zone of LIST; nil is UTC. Times that programs read (MLSD,
	// MDTM) are always in UTC.
	ListZone *time.Location

	// FollowLinks lists a symbolic link as the file that it leads to. A link that leads
	// nowhere is still listed as a link.
	FollowLinks bool

	// Proxies are the networks of proxies that speak for clients by the PROXY protocol
	// (version 1 or 2); nil is none. A control or data connection from one of them must
	// begin with a header within 5 seconds, or it is closed. The address in the header is
	// the client's to everything: limits, the [Authenticator], events, and the check of
	// data connections. A header from anywhere else is not believed: it is an unknown
	// command. Passive data connections may come through the proxy, with a header of
	// their own, or directly from the client. Active ones go directly to the client.
	Proxies []netip.Prefix

	// ListenData opens each passive port in place of the system's network, for embedders
	// with a network of their own; nil leaves it to the system. The Addr of the listener
	// must be a *net.TCPAddr, whose port is what EPSV tells the client. The server closes
	// the listener when the data connection has come, or is no longer awaited. The context
	// ends with the wait for the port. After an error, which is logged, the client gets 425.
	//
	// Data connections are the client's if their RemoteAddr is the IP address of the
	// control connection. If the control connection has none, as on a Unix socket or a
	// net.Pipe, the listener must accept connections of that client alone. Such a session
	// has passive data connections by EPSV, and without ListenData none.
	//
	// With ListenData active data connections (PORT, EPRT) are refused, as they would
	// leave by the system's network, unless there is DialData.
	ListenData func(ctx context.Context, of DataRequest) (net.Listener, error)

	// DialData makes each active data connection (PORT, EPRT) in place of the system's
	// network; nil leaves it to the system. The server has checked to before: it is an
	// address of the client, on a port from 1024 on. A session whose control connection
	// has no IP address has no active data connections. The context ends after
	// Limits.DataTime and when the session gives the attempt up. After an error, which is
	// logged, the client gets 425.
	DialData func(ctx context.Context, of DataRequest, to netip.AddrPort) (net.Conn, error)

	Limits  Limits
	Bans    bans.Policy // who is turned away, and who waits, as logins have failed; see [Server.Bans]
	Passive Passive
	TLS     TLS

	// AllowForeignDataAddress lets a data connection come from, or go to, another
	// address than the client's (server-to-server transfers, RFC 959 §5.2). It makes
	// bounce attacks possible.
	AllowForeignDataAddress bool

	// Module is the engine; nil is the one built into this package.
	Module []byte

	// Instances is how many instances of the module share the sessions at most; 0 is one a
	// processor. Each after the first is made when the others are busy. Instances is ignored
	// when SessionsPerInstance is set.
	Instances int

	// SessionsPerInstance is how many sessions an instance serves at a time; 0 is no
	// limit. An instance ends with the last of them. Fewer isolate more and cost more
	// memory: at 1 each session has an instance to itself. The instance is made when the
	// client sends its first bytes. These must come within the shorter of
	// Limits.LoginTime and Limits.IdleTime, and the login within LoginTime from then on.
	SessionsPerInstance int

	// CacheDir is a private directory where the compiled engine is kept, so
	// that the next start is quick; "" keeps none.
	CacheDir string
}

// DataRequest describes the session that wants a data connection. See [Config.ListenData] and
// [Config.DialData].
type DataRequest struct {
	Session        uint64         // its number, as in [Event]
	User           string         // the account's name
	Client, Server netip.AddrPort // the ends of the control connection, as in [Event]; zero if they have no IP address
	Remote, Local  net.Addr       // the same, as methods of the control connection tell them
}

// Switch is a field of [Behaviour] or [Allow] as a setting that people turn on: Name and
// Text are its words for command lines and help, On points to the field. See
// [wasi.Switch].
type Switch = wasi.Switch

// Behaviour has the choices in which FTP servers differ and on which some clients depend.
// The zero value suits most clients. [wasi.Behaviour] describes the fields: the bools
// ASCIIVerbatim, NoASCIISize, MkdirExisting, MakeParents, EmptyNLSTFails, HideDotFiles,
// NoASCIIRest, NoModeZ and NoHash, and the strings Owner and Group. Its method Switches
// returns the bools as []Switch.
type Behaviour = wasi.Behaviour

// Allow has the commands that are off by default: few clients need them, and each can do
// much at once. [wasi.Allow] describes the fields, all of them bools: SiteCopy,
// SiteSymlink, SiteRmdir, Combine, CCC, SSCN and CPSV. Its method Switches returns them as
// []Switch.
type Allow = wasi.Allow

// Limits bound what clients can use. Each field says what zero means; a negative value
// is a fault.
type Limits struct {
	Sessions   int // at a time; each counts until the last of its connections is closed; 0 is no limit
	LineLength int // longest control line, in bytes; 0 is 4096

	// SessionsPerAddress bounds the sessions of one client address at a time; 0 is no
	// limit. An IPv6 /64 counts as one address, and a /48 may have four times as many.
	SessionsPerAddress int

	// Strangers bounds the sessions at a time that are not logged in; 0 is as many as
	// Sessions. When Strangers or Sessions is reached, a new connection replaces the
	// oldest stranger of the address (IPv4, or IPv6 /48) with most strangers. It is
	// refused if its own address would have as many. From StrangersStart on (0 is half
	// of Strangers, but 100 at least) the address with most strangers has connections
	// refused at random: StrangersRate percent at first (0 is 30), rising to all.
	Strangers, StrangersStart, StrangersRate int

	LoginTime time.Duration // to log in; 0 is 2 minutes
	IdleTime  time.Duration // between commands, unless data are moving; 0 is 5 minutes
	StallTime time.Duration // without a byte on the data connection; 0 is 5 minutes
	DataTime  time.Duration // to set up a data connection; 0 is 30 seconds
	StepTime  time.Duration // for one call into an instance, which then counts as hung; 0 is 5 seconds

	// Rates bound the transfers of the whole server, and RatesPerSession those of each
	// session. Account.Rates bounds those of an account. A transfer that waits for its
	// turn does not count as stalled.
	Rates, RatesPerSession Rates

	LoginFailures int           // after which a session ends with 421; 0 is 5
	FailureDelay  time.Duration // before the reply to the first failed login, doubled for each further one; 0 is 1 second

	MemoryPerInstance int64 // linear memory in bytes, at most 4 GiB; 0 is 256 MiB

	// Processors is how many work at a time on hashes, copies and compression. That
	// work is done in small pieces, and accounts take turns, or client addresses where
	// the account is shared. 0 is one less than there are, at least 1.
	Processors int

	// ProcessorsPerAccount is how many of them work for one account; 0 is all.
	ProcessorsPerAccount int

	// Threads is how many calls of authenticators and storages may be under way at a
	// time, where an open file counts as one: each keeps a thread of the process while a
	// disk hangs. Further calls wait, and further files are refused with 450. No account
	// gets more than its share. 0 is half of what the system allows at the start, at
	// most 8000; Go ends a process that has 10,000 (see [runtime/debug.SetMaxThreads]).
	Threads int
}

// Passive says where passive data connections arrive.
type Passive struct {
	// FirstPort and LastPort bound the ports; both 0 is any free port.
	FirstPort, LastPort uint16

	// PublicAddress is the IPv4 address that PASV announces behind a NAT; the zero value
	// announces the address at which the control connection arrived.
	PublicAddress netip.Addr

	// PublicAddressFor is asked for the IPv4 address that PASV announces to a client, and
	// replaces PublicAddress and LocalNetworks; nil asks nobody. The zero value, like any
	// address other than an IPv4 one, announces the address at which the control
	// connection arrived. A session uses an answer for up to a minute. Only the session
	// waits for it; after a panic it gets 425.
	PublicAddressFor func(client netip.Addr) netip.Addr

	// LocalNetworks are the networks whose clients reach the server without the NAT. To
	// them PASV announces the address of the control connection. nil is the private,
	// link-local and loopback networks.
	LocalNetworks []netip.Prefix
}

const (
	minMemory = 16 << 20 // bytes that the engine needs to start, with room for a few sessions
	maxMemory = 4 << 30
	maxLine   = 64 << 10

	fewestThreads = 4 // enough to serve everything, if slowly
	mostThreads   = 8000
)

// usualThreads is the default of Limits.Threads. It leaves as many to Go and to other
// processes.
func usualThreads() int { return min(max(threadRoom()/2, fewestThreads), mostThreads) }

// checked returns the configuration with its defaults filled in, or all its faults in one
// error.
func (c Config) checked() (Config, error) {
	var f faults
	c.checkNumbers(&f)
	c.checkTimes(&f)
	c.checkTexts(&f)
	c.checkPassive(&f)
	c.TLS.check(&f)
	if policy, err := c.Bans.Checked(); err != nil {
		f.add("Bans: %w", err)
	} else {
		c.Bans = policy
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Module == nil {
		c.Module = embedded
	}
	return c, errors.Join(f...)
}

type faults []error

func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Errorf(format, args...)) }

// setting is a number of the configuration and its default.
type setting[N int | time.Duration] struct {
	name      string
	value     *N
	byDefault N
}

// checkSettings refuses negative values, and replaces zero by the default.
func checkSettings[N int | time.Duration](f *faults, settings []setting[N]) {
	for _, s := range settings {
		if *s.value < 0 {
			f.add("%s is %v; it must not be negative", s.name, *s.value)
		}
		*s.value = cmp.Or(*s.value, s.byDefault)
	}
}

func (c *Config) checkNumbers(f *faults) {
	checkSettings(f, []setting[int]{
		{"Limits.Sessions", &c.Limits.Sessions, 0},
		{"Limits.SessionsPerAddress", &c.Limits.SessionsPerAddress, 0},
		{"Limits.Strangers", &c.Limits.Strangers, max(c.Limits.Sessions, 0)},
		{"Limits.StrangersStart", &c.Limits.StrangersStart, max(cmp.Or(c.Limits.Strangers, c.Limits.Sessions)/2, 100)},
		{"Limits.StrangersRate", &c.Limits.StrangersRate, 30},
		{"Limits.LineLength", &c.Limits.LineLength, 4096},
		{"Limits.LoginFailures", &c.Limits.LoginFailures, 5},
		{"Limits.Processors", &c.Limits.Processors, max(runtime.GOMAXPROCS(0)-1, 1)},
		{"Limits.ProcessorsPerAccount", &c.Limits.ProcessorsPerAccount, 0},
		{"Limits.Threads", &c.Limits.Threads, usualThreads()},
		{"Instances", &c.Instances, runtime.GOMAXPROCS(0)},
		{"SessionsPerInstance", &c.SessionsPerInstance, 0},
	})
	if c.Limits.StrangersRate > 100 {
		f.add("Limits.StrangersRate is %d; at most 100 percent are possible", c.Limits.StrangersRate)
	}
	if c.Limits.LineLength > maxLine {
		f.add("Limits.LineLength is %d; at most %d is possible", c.Limits.LineLength, maxLine)
	}
	if int64(c.Limits.LoginFailures) > math.MaxUint32 {
		f.add("Limits.LoginFailures is %d; at most %d is possible", c.Limits.LoginFailures, uint32(math.MaxUint32))
	}
	c.Limits.Rates.check(f, "Limits.Rates")
	c.Limits.RatesPerSession.check(f, "Limits.RatesPerSession")
	c.Limits.MemoryPerInstance = cmp.Or(c.Limits.MemoryPerInstance, 256<<20)
	if m := c.Limits.MemoryPerInstance; m < minMemory || m > maxMemory {
		f.add("Limits.MemoryPerInstance is %d; it must be between %d and %d", m, int64(minMemory), int64(maxMemory))
	}
}

func (c *Config) checkTimes(f *faults) {
	checkSettings(f, []setting[time.Duration]{
		{"Limits.LoginTime", &c.Limits.LoginTime, 2 * time.Minute},
		{"Limits.IdleTime", &c.Limits.IdleTime, 5 * time.Minute},
		{"Limits.StallTime", &c.Limits.StallTime, 5 * time.Minute},
		{"Limits.DataTime", &c.Limits.DataTime, 30 * time.Second},
		{"Limits.StepTime", &c.Limits.StepTime, 5 * time.Second},
		{"Limits.FailureDelay", &c.Limits.FailureDelay, time.Second},
	})
}

// checkWord checks a column of LIST.
func checkWord(f *faults, name, value string) {
	if strings.ContainsFunc(value, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		f.add("%s: %q is not one word, as clients need it to be", name, value)
	}
}

func (c *Config) checkTexts(f *faults) {
	for _, name := range c.Hosts {
		if !isHostName(name) {
			f.add("Hosts: %q is no name that a client could give, such as ftp.example.org", name)
		}
	}
	if strings.ContainsFunc(c.Greeting, unicode.IsControl) {
		f.add("Greeting: %q is not one line without control characters", c.Greeting)
	}
	checkWord(f, "Behaviour.Owner", c.Behaviour.Owner)
	checkWord(f, "Behaviour.Group", c.Behaviour.Group)
	if err := CheckCharset(c.Charset); err != nil {
		f.add("Charset: %w", err)
	}
}

// longestHost is the length of the longest name in the DNS.
const longestHost = 253

// isHostName reports whether HOST can have the argument name (RFC 7151 §3.1): DNS labels
// with points between, or an address, in brackets if it is IPv6. A final point is refused,
// as the one that a client sends is removed.
func isHostName(name string) bool {
	if literal, ok := strings.CutPrefix(name, "["); ok {
		addr, err := netip.ParseAddr(strings.TrimSuffix(literal, "]"))
		return err == nil && addr.Is6() && strings.HasSuffix(literal, "]")
	}
	for label := range strings.SplitSeq(name, ".") {
		strange := strings.ContainsFunc(label, func(r rune) bool {
			return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		})
		if label == "" || strange {
			return false
		}
	}
	return len(name) <= longestHost
}

func (c *Config) checkPassive(f *faults) {
	p := &c.Passive
	if (p.FirstPort == 0) != (p.LastPort == 0) || p.FirstPort > p.LastPort {
		f.add("Passive ports %d to %d (FirstPort, LastPort) are no range", p.FirstPort, p.LastPort)
	}
	if c.ListenData != nil && (p.FirstPort != 0 || p.LastPort != 0) {
		f.add("ListenData chooses the ports itself; FirstPort and LastPort of Passive must be 0")
	}
	if a := p.PublicAddress.Unmap(); a.IsValid() && (!a.Is4() || a.IsUnspecified()) {
		f.add("Passive.PublicAddress %v is no IPv4 address of a machine; PASV can announce no other (RFC 959 §4.1.2), "+
			"and EPSV announces none", a)
	}
	for i, network := range c.Proxies {
		if !network.IsValid() || network.Addr().Is4In6() {
			f.add("Proxies[%d] (%v) is no network such as 192.0.2.0/24 or 2001:db8::/32", i, network)
		}
	}
	for i, network := range p.LocalNetworks {
		if !network.IsValid() {
			f.add("Passive.LocalNetworks[%d] is no network", i)
		}
	}
}

func (t *TLS) check(f *faults) {
	if t.DataResumption > IgnoreResumption {
		f.add("TLS.DataResumption is %d, which is none of the policies", t.DataResumption)
	}
	if t.Close > RequireClose {
		f.add("TLS.Close is %d, which is none of the policies", t.Close)
	}
	if t.Require > TLSForTransfer {
		f.add("TLS.Require is %d, which is none of the requirements", t.Require)
	} else if t.Require != TLSOptional && t.Config == nil {
		f.add("TLS.Require needs TLS.Config: without a certificate nobody could log in")
	}
	if c := t.Config; c != nil && len(c.Certificates) == 0 && c.GetCertificate == nil && c.GetConfigForClient == nil {
		f.add("TLS.Config has no certificate, and neither GetCertificate nor GetConfigForClient")
	}
}
