package host

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"runtime"
	"strings"
	"time"
	"unicode"

	"wasiftp/wasi"
)

// Config is how a [Server] behaves. It is copied and checked once, by [New].
// The zero value works, but lets nobody in.
type Config struct {
	// Authenticator decides who may log in; nil refuses everyone.
	Authenticator Authenticator

	// Observer is told what happened; nil tells nobody.
	Observer Observer

	// SyncObserver has the Observer miss nothing: it is told at once, on whatever
	// goroutine something happens. The session waits until it returns, and often all
	// sessions of the instance with it.
	SyncObserver bool

	// Logger gets the server's own troubles: a trapped instance, a port that
	// cannot be had. nil discards them. Its records wait for its handler together
	// with the events for the Observer; how many were dropped, it is told.
	Logger *slog.Logger

	// Hosts are the names that clients may give by HOST (RFC 7151), whatever
	// their case; nil accepts any, and an empty slice none. Accounts and files
	// of each are the [Authenticator]'s choice, by Login.Host; its certificate
	// is that of TLS.Config, by the name in the handshake.
	Hosts []string

	// Greeting is the text of the 220 reply, one line; "" is the engine's own.
	Greeting string

	Behaviour Behaviour

	// Allow turns on what is off by default.
	Allow Allow

	// Charset is the character set in which clients that don't say OPTS UTF8 ON
	// write the names of files, by its IANA name; "" is UTF-8, and leaves all
	// bytes as they are. It must have ASCII as it is (Windows-1252, Shift_JIS, …).
	Charset string

	// ListZone is the time zone of LIST; nil is UTC. What machines read (MLSD,
	// MDTM) is UTC always.
	ListZone *time.Location

	// FollowLinks lists a symbolic link as what it leads to; one that leads
	// nowhere is still listed as a link.
	FollowLinks bool

	Limits  Limits
	Passive Passive
	TLS     TLS

	// AllowForeignDataAddress lets a data connection come from, or go to,
	// another address than the control connection's (server-to-server
	// transfers, RFC 959 §5.2). It also opens the door to bounce attacks.
	AllowForeignDataAddress bool

	// Module is the engine; nil is the one built into this package.
	Module []byte

	// Instances is how many module instances share the sessions; 0 is one a
	// processor. It does not matter when SessionsPerInstance is set.
	Instances int

	// SessionsPerInstance is how many sessions an instance serves in its
	// life at the same time or, at 1, at all; 0 is no limit. Fewer isolate more and cost
	// more memory: 1 gives each session a machine of its own. It is made when
	// the client says its first words, for which it has the shorter of
	// Limits.LoginTime and Limits.IdleTime; to log in it has LoginTime from then on.
	SessionsPerInstance int

	// CacheDir is a private directory where the compiled engine is kept, so
	// that the next start is quick; "" keeps none.
	CacheDir string
}

// Switch is one of [Behaviour] or [Allow], with the words by which people know it.
type Switch = wasi.Switch

// Behaviour is what servers do in different ways, and some client depends on.
type Behaviour = wasi.Behaviour

// Allow is what is off unless it is turned on: few clients need it, and it can
// do much in one command.
type Allow = wasi.Allow

// Limits bound what clients can take. Zero values mean what each field says; a
// negative value is a fault.
type Limits struct {
	Sessions   int // at a time, in all, until the last of their connections is closed; 0 is no limit
	LineLength int // longest control line, in bytes; 0 is 4096

	// SessionsPerAddress are those at a time of one client address; 0 is no
	// limit. All of an IPv6 /64 counts as one address, and a /48 may have four
	// times as many.
	SessionsPerAddress int

	// Strangers are the sessions at a time that are not logged in; 0 is as many
	// as Sessions. Beyond that, and where Sessions has no more room, a new
	// connection takes the place of a stranger whose address (IPv4, or IPv6
	// /48) has more strangers, or is refused. Already from StrangersStart on
	// (0 is half of Strangers, but 100 at least) addresses that none has more
	// strangers than are refused some connections: StrangersRate percent (0 is
	// 30), rising to all.
	Strangers, StrangersStart, StrangersRate int

	LoginTime time.Duration // to log in; 0 is 2 minutes
	IdleTime  time.Duration // between commands, data counting as life; 0 is 5 minutes
	StallTime time.Duration // without a byte on the data connection; 0 is 5 minutes
	DataTime  time.Duration // to set up a data connection; 0 is 30 seconds
	StepTime  time.Duration // for one call into an instance, which then counts as hung; 0 is 5 seconds

	LoginFailures int           // after which a session ends with 421; 0 is 5
	FailureDelay  time.Duration // before the first failed login is answered, doubled for each further one; 0 is 1 second

	MemoryPerInstance int64 // linear memory in bytes, at most 4 GiB; 0 is 256 MiB

	// Processors is how many are kept busy at a time by work that needs one all
	// the while: hashes, copies and compression. It is done in small pieces,
	// and who wants it takes turns by account, or by client address where the
	// account is shared. 0 is one less than there are, at least 1.
	Processors int

	// ProcessorsPerAccount is how many of them work for one account; 0 is all.
	ProcessorsPerAccount int

	// Threads is how many calls of authenticators, and of file systems and
	// their files, may be under way at a time, open files counting as one: each
	// keeps a thread of the process while a disk hangs. What is too much waits, or
	// is refused until later. No account has more than its share. 0 is half of
	// what the system allows at the start, at most 8000; Go ends a process that
	// has 10,000 (see [runtime/debug.SetMaxThreads]).
	Threads int
}

// Passive says where passive data connections arrive.
type Passive struct {
	// FirstPort and LastPort bound the ports; both 0 is any free port.
	FirstPort, LastPort uint16

	// PublicAddress is the IPv4 address that PASV announces behind a NAT; the
	// zero value announces the control connection's own.
	PublicAddress netip.Addr

	// LocalNetworks are those whose clients reach the server without the NAT
	// and so are told the control connection's own address; nil is the
	// private and the loopback networks.
	LocalNetworks []netip.Prefix
}

const (
	minMemory = 16 << 20 // what the engine needs to start, with room for a few sessions
	maxMemory = 4 << 30
	maxLine   = 64 << 10

	fewestThreads = 4 // with which all is served, if slowly
	mostThreads   = 8000
)

// usualThreads leaves as many as it takes: to Go, and to other processes.
func usualThreads() int { return min(max(threadRoom()/2, fewestThreads), mostThreads) }

// checked returns the configuration with its defaults filled in, or all its
// faults in one error.
func (c Config) checked() (Config, error) {
	var f faults
	c.checkNumbers(&f)
	c.checkTimes(&f)
	c.checkTexts(&f)
	c.checkPassive(&f)
	c.TLS.check(&f)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Module == nil {
		c.Module = Module()
	}
	return c, errors.Join(f...)
}

// faults are those of a configuration.
type faults []error

func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Errorf(format, args...)) }

func (c *Config) checkNumbers(f *faults) {
	for _, n := range []struct {
		name  string
		value *int
		zero  int
	}{
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
	} {
		if *n.value < 0 {
			f.add("%s is %d; it must not be negative", n.name, *n.value)
		}
		if *n.value == 0 {
			*n.value = n.zero
		}
	}
	if c.Limits.StrangersRate > 100 {
		f.add("Limits.StrangersRate is %d; at most 100 percent are possible", c.Limits.StrangersRate)
	}
	if c.Limits.LineLength > maxLine {
		f.add("Limits.LineLength is %d; at most %d is possible", c.Limits.LineLength, maxLine)
	}
	if int64(c.Limits.LoginFailures) > math.MaxUint32 {
		f.add("Limits.LoginFailures is %d; at most %d is possible", c.Limits.LoginFailures, uint32(math.MaxUint32))
	}
	if c.Limits.MemoryPerInstance == 0 {
		c.Limits.MemoryPerInstance = 256 << 20
	}
	if m := c.Limits.MemoryPerInstance; m < minMemory || m > maxMemory {
		f.add("Limits.MemoryPerInstance is %d; it must be between %d and %d", m, int64(minMemory), int64(maxMemory))
	}
}

func (c *Config) checkTimes(f *faults) {
	for _, d := range []struct {
		name  string
		value *time.Duration
		zero  time.Duration
	}{
		{"Limits.LoginTime", &c.Limits.LoginTime, 2 * time.Minute},
		{"Limits.IdleTime", &c.Limits.IdleTime, 5 * time.Minute},
		{"Limits.StallTime", &c.Limits.StallTime, 5 * time.Minute},
		{"Limits.DataTime", &c.Limits.DataTime, 30 * time.Second},
		{"Limits.StepTime", &c.Limits.StepTime, 5 * time.Second},
		{"Limits.FailureDelay", &c.Limits.FailureDelay, time.Second},
	} {
		if *d.value < 0 {
			f.add("%s is %v; it must not be negative", d.name, *d.value)
		}
		if *d.value == 0 {
			*d.value = d.zero
		}
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
	for _, t := range []struct{ name, value string }{{"Owner", c.Behaviour.Owner}, {"Group", c.Behaviour.Group}} {
		if strings.ContainsFunc(t.value, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
			f.add("Behaviour.%s: %q is not one word, as clients need it to be", t.name, t.value)
		}
	}
	if err := CheckCharset(c.Charset); err != nil {
		f.add("Charset: %w", err)
	}
}

// longestHost is that of a name in the DNS.
const longestHost = 253

// isHostName says whether HOST could bring a name (RFC 7151 §3.1): labels of the
// DNS with points between, or an address, in brackets if it has colons. None ends
// with a point: the client's is taken off.
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
	if a := p.PublicAddress.Unmap(); a.IsValid() && (!a.Is4() || a.IsUnspecified()) {
		f.add("Passive.PublicAddress %v is no IPv4 address of a machine; PASV can announce no other (RFC 959 §4.1.2), "+
			"and EPSV announces none", a)
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
