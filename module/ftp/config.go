package ftp

import "wasiftp/wasi"

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
type Behaviour = wasi.Behaviour

// Allow is what is off unless it is turned on.
type Allow = wasi.Allow
