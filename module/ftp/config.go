package ftp

// Config is how the engine behaves. The zero value works: no limits of time or
// number, and the engine's own greeting. Times are in nanoseconds.
type Config struct {
	LoginTime     int64  // to log in, from the greeting on; 0 is no limit
	IdleTime      int64  // between two commands; a running transfer counts as life; 0 is no limit
	StallTime     int64  // without a byte on the data connection; 0 is no limit
	DataTime      int64  // to set up a data connection; 0 is no limit
	FailureDelay  int64  // before the first failed login is answered, doubled for each further one
	LoginFailures int    // failed logins after which the session ends with 421; 0 is no limit
	LineLength    int    // longest control line in bytes, its end not counted; 0 is 4096
	Greeting      string // text of the 220 reply; "" is the engine's own

	// AllowForeignData lets PORT and EPRT name an address that is not the
	// client's own. The world decides for itself as well.
	AllowForeignData bool

	// PassiveOnly says that the world cannot connect to clients.
	PassiveOnly bool

	// TLS says that the world can protect connections; Require, what clients
	// must have protected.
	TLS     bool
	Require Requirement

	// Zone is how far the clocks of LIST are ahead of UTC, in the order of time;
	// nil is never. Machine-readable times are UTC always.
	Zone []ZoneChange

	Behaviour Behaviour
	Allow     Allow
}

// ZoneChange is a moment from which on clocks are ahead of UTC by Ahead.
type ZoneChange struct{ Since, Ahead int64 } // ns since 1970; ns

// Behaviour is what servers do in different ways, and some client depends on.
// The zero value suits most.
type Behaviour struct {
	ASCIIVerbatim  bool   // files go as they are under TYPE A too
	NoASCIISize    bool   // SIZE is refused under TYPE A, where it is not what RETR sends (RFC 3659 §4)
	MkdirExisting  bool   // MKD of a directory that is there is 257, not 550
	MakeParents    bool   // STOR, APPE and MKD make the directories that are missing
	EmptyNLSTFails bool   // NLST that lists nothing ends with 550, not 226
	HideDotFiles   bool   // LIST, NLST and STAT leave names out that begin with a dot, unless asked by -a
	NoASCIIRest    bool   // REST, and RANG for RETR and STOR, are refused under TYPE A, where they do not count what is sent (RFC 3659 §5.3)
	NoModeZ        bool   // MODE Z is refused
	NoHash         bool   // HASH, XCRC and the like are refused
	Owner, Group   string // whom LIST says that files belong to; "" is ftp
}

// Allow is what is off unless it is turned on.
type Allow struct {
	SiteCopy    bool // SITE CPFR, CPTO and COPY copy a file
	SiteSymlink bool // SITE SYMLINK makes a symbolic link
	SiteRmdir   bool // SITE RMDIR removes a directory with all that is in it
	Combine     bool // COMB puts files together to one
	CCC         bool // CCC ends TLS on the control connection
	SSCN        bool // SSCN makes us the TLS client on data connections
	CPSV        bool // CPSV does so for one of them
}
