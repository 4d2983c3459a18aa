package wasi

import "encoding/binary"

// Config is the configuration record that the guest reads at ftp_start. Each field
// says what zero means.
//
//	0 i64 login time · 8 i64 idle time · 16 i64 stall time · 24 i64 data time · 32 i64 failure delay
//	40 u32 login failures · 44 u32 line length · 48 u32 flags · 52 u32 length of greeting, 56 of owner, 60 of group
//	64 greeting, owner, group, and the zone up to the end
type Config struct {
	LoginTime     int64  // ns to log in, from the greeting on; 0 is no limit
	IdleTime      int64  // ns between two commands; 0 is no limit
	StallTime     int64  // ns without a byte on the data connection; 0 is no limit
	DataTime      int64  // ns to set up a data connection; 0 is no limit
	FailureDelay  int64  // ns before the first failed login is answered, doubled for each further one
	LoginFailures uint32 // failed logins after which the session ends with 421; 0 is no limit
	LineLength    uint32 // longest control line in bytes, its end not counted; 0 is the engine's own choice
	ForeignData   bool   // flag 1: data connections may go to other addresses than the client's
	TLS           bool   // flag 2: TLS is offered
	TLSRequired   uint32 // flags 4 and 8, a number: 1 for the login, 2 for the control connection always, 3 for data connections too
	ShortReads    bool   // flag 32768: after net_read gave less than fits, EventReadable follows as after EAGAIN
	Greeting      string // text of the 220 reply; "" is the engine's own
	Behaviour     Behaviour
	Allow         Allow
	Zone          Zone // of the times in LIST; "" is UTC
}

// Behaviour selects between ways of FTP servers on which some clients depend.
// The zero value suits most clients.
type Behaviour struct {
	ASCIIVerbatim  bool // flag 16: under TYPE A, too, files are sent and stored as they are
	NoASCIISize    bool // flag 32: SIZE is refused under TYPE A, where it is not what RETR sends (RFC 3659 §4)
	MkdirExisting  bool // flag 64: MKD of a directory that exists is 257, not 550
	MakeParents    bool // flag 128: STOR, APPE and MKD make the directories that are missing
	EmptyNLSTFails bool // flag 256: NLST that lists nothing ends with 550, not 226
	HideDotFiles   bool // flag 512: LIST, NLST and STAT leave names out that begin with a dot, unless -a is given
	// flag 1024: REST, and RANG for RETR and STOR, are refused under TYPE A, where they do not count
	// the bytes sent (RFC 3659 §5.3)
	NoASCIIRest  bool
	NoModeZ      bool   // flag 2048: MODE Z is refused
	NoHash       bool   // flag 4096: HASH, XCRC and the like are refused
	Owner, Group string // the owner and the group of all files in LIST; "" is ftp
}

// Switch is a field of [Behaviour] or [Allow] with its name and its text in flags and help.
type Switch struct {
	Name, Text string
	On         *bool
}

// Switches are the fields of b that are flags, in the order of their bits.
func (b *Behaviour) Switches() []Switch {
	return []Switch{
		{"ascii-verbatim", "files go as they are under TYPE A too", &b.ASCIIVerbatim},
		{"no-ascii-size", "SIZE is refused under TYPE A", &b.NoASCIISize},
		{"mkdir-existing", "MKD of a folder that is there succeeds", &b.MkdirExisting},
		{"make-parents", "STOR, APPE and MKD make missing folders", &b.MakeParents},
		{"empty-nlst-fails", "NLST that lists nothing is 550, not 226", &b.EmptyNLSTFails},
		{"hide-dot-files", "listings leave dot files out unless asked by -a", &b.HideDotFiles},
		{"no-ascii-rest", "REST is refused under TYPE A, where it counts\nthe file's own bytes", &b.NoASCIIRest},
		{"no-mode-z", "MODE Z is refused, which takes up to 1 MB a transfer", &b.NoModeZ},
		{"no-hash", "HASH, XCRC and the like are refused, which read\na whole file", &b.NoHash},
	}
}

// Allow turns on verbs that are off by default.
type Allow struct {
	SiteCopy    bool // flag 1<<16: SITE CPFR, CPTO and COPY copy a file
	SiteSymlink bool // flag 1<<17: SITE SYMLINK makes a symbolic link
	SiteRmdir   bool // flag 1<<18: SITE RMDIR removes a directory with all that is in it
	Combine     bool // flag 1<<19: COMB joins files to one
	CCC         bool // flag 1<<20: CCC ends TLS on the control connection
	SSCN        bool // flag 1<<21: SSCN makes the server the TLS client on data connections
	CPSV        bool // flag 1<<22: CPSV makes it the TLS client on one data connection
}

// Switches are the fields of a, in the order of their bits.
func (a *Allow) Switches() []Switch {
	return []Switch{
		{"site-copy", "SITE CPFR, CPTO and COPY copy a file", &a.SiteCopy},
		{"site-symlink", "SITE SYMLINK makes a symbolic link", &a.SiteSymlink},
		{"site-rmdir", "SITE RMDIR removes a folder and all that is in it", &a.SiteRmdir},
		{"comb", "COMB puts files together to one", &a.Combine},
		{"ccc", "CCC ends TLS on the control connection; anybody on the\nway may add commands then", &a.CCC},
		{"sscn", "SSCN makes us the TLS client of another server (FXP),\nwhose certificate is not checked", &a.SSCN},
		{"cpsv", "CPSV does so for one transfer", &a.CPSV},
	}
}

const (
	configSize     = 64
	shiftRequired  = 2
	shiftBehaviour = 4
	shiftAllow     = 16
)

// flags are the fields that are one bit of the record's flags, by that bit.
func (c *Config) flags() map[uint32]*bool {
	flags := map[uint32]*bool{1: &c.ForeignData, 2: &c.TLS, 1 << 15: &c.ShortReads}
	for i, s := range c.Behaviour.Switches() {
		flags[1<<(shiftBehaviour+i)] = s.On
	}
	for i, s := range c.Allow.Switches() {
		flags[1<<(shiftAllow+i)] = s.On
	}
	return flags
}

// Append appends the record to b.
func (c Config) Append(b []byte) []byte {
	for _, v := range [...]int64{c.LoginTime, c.IdleTime, c.StallTime, c.DataTime, c.FailureDelay} {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	flags := c.TLSRequired & 3 << shiftRequired
	for bit, on := range c.flags() {
		if *on {
			flags |= bit
		}
	}
	owner, group := c.Behaviour.Owner, c.Behaviour.Group
	for _, v := range [...]uint32{c.LoginFailures, c.LineLength, flags, uint32(len(c.Greeting)), uint32(len(owner)),
		uint32(len(group))} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return append(append(append(append(b, c.Greeting...), owner...), group...), c.Zone...)
}

// GetConfig reads the record that fills b. ok is false when b is not exactly one record.
func GetConfig(b []byte) (c Config, ok bool) {
	if len(b) < configSize {
		return Config{}, false
	}
	rest := b[configSize:]
	for i, text := range [...]*string{&c.Greeting, &c.Behaviour.Owner, &c.Behaviour.Group} {
		n := binary.LittleEndian.Uint32(b[configSize-12+4*i:])
		if uint64(n) > uint64(len(rest)) {
			return Config{}, false
		}
		*text, rest = string(rest[:n]), rest[n:]
	}
	if len(rest)%zoneSize > 0 {
		return Config{}, false
	}
	c.Zone = Zone(rest)
	for i, p := range [...]*int64{&c.LoginTime, &c.IdleTime, &c.StallTime, &c.DataTime, &c.FailureDelay} {
		*p = int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
	c.LoginFailures = binary.LittleEndian.Uint32(b[40:])
	c.LineLength = binary.LittleEndian.Uint32(b[44:])
	flags := binary.LittleEndian.Uint32(b[48:])
	c.TLSRequired = flags >> shiftRequired & 3
	for bit, on := range c.flags() {
		*on = flags&bit != 0
	}
	return c, true
}
