package ftp

import "wasiftp/wasi"

// Config configures an engine. The zero value works: no limits of time or number, and
// the engine's own greeting. Times are in nanoseconds.
type Config struct {
	LoginTime     int64  // from the greeting to the login; 0 is no limit
	IdleTime      int64  // between two commands, transfers not counted; 0 is no limit
	StallTime     int64  // without a byte on the data connection; 0 is no limit
	DataTime      int64  // to set up a data connection; 0 is no limit
	FailureDelay  int64  // before the reply to the first failed login; doubled for each further one
	LoginFailures int    // failed logins after which the session ends with 421; 0 is no limit
	LineLength    int    // longest control line in bytes, its end not counted; 0 is 4096
	Greeting      string // text of the 220 reply; "" is the engine's own

	// AllowForeignData lets PORT, EPRT and LPRT name an address that is not the
	// client's own. The world may still refuse to connect there.
	AllowForeignData bool

	// ShortReads says that EventReadable follows for a control connection, as after
	// ErrAgain, when Read has given less than there was room for. Then the engine does not
	// read once more to be told ErrAgain.
	ShortReads bool

	// PassiveOnly says that the world cannot connect to clients.
	PassiveOnly bool

	// TLS says that the world can protect connections by TLS. Require says which
	// connections clients must protect.
	TLS     bool
	Require Requirement

	// Zone has the changes of the time zone of LIST, in order of time; nil is UTC.
	// Machine-readable times (MDTM, MLSD) are always UTC.
	Zone []ZoneChange

	Behaviour Behaviour
	Allow     Allow
}

// ZoneChange says that clocks are ahead of UTC by Ahead from Since on. The first one of
// a zone counts for the time before it as well.
type ZoneChange struct{ Since, Ahead int64 } // ns since 1970; ns

// Behaviour has the points in which servers differ and on which some clients depend.
type Behaviour = wasi.Behaviour

// Allow turns on commands that are off by default.
type Allow = wasi.Allow
