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

	// NoModes says that the world cannot set permission bits.
	NoModes bool

	// TLS says that the world can protect connections; Require, what clients
	// must have protected.
	TLS     bool
	Require Requirement

	Behaviour Behaviour
}

// Behaviour is what servers do in different ways, and some client depends on.
// The zero value suits most.
type Behaviour struct {
	ASCIIVerbatim  bool   // files go as they are under TYPE A too
	NoASCIISize    bool   // SIZE is refused under TYPE A, where it is not what RETR sends (RFC 3659 §4)
	MkdirExisting  bool   // MKD of a directory that is there is 257, not 550
	MakeParents    bool   // STOR, APPE and MKD make the directories that are missing
	EmptyNLSTFails bool   // NLST that lists nothing ends with 550, not 226
	HideDotFiles   bool   // LIST, NLST and STAT leave names out that begin with a dot, unless asked by -a
	Owner, Group   string // whom LIST says that files belong to; "" is ftp
}
