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

	// TLS says that the world can protect connections; Require, what clients
	// must have protected.
	TLS     bool
	Require Requirement
}
