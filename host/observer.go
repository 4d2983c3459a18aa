package host

import (
	"net/netip"
	"time"

	"wasiftp/host/bans"
)

// Observer gets the events of the server. One goroutine calls Observe, in the order of
// events, and no session waits for it. Up to some 4,000 events wait for a slow Observe;
// further ones are dropped until it has taken those, and an event of the kind [Dropped]
// says how many.
//
// [Server.Close] and [Server.Shutdown] wait up to 10 seconds until Observe has taken all
// events, so Observe must not call them. A panic in Observe is logged, and that event is
// lost.
//
// With [Config.SyncObserver] no event is dropped, and many goroutines call Observe at a
// time.
type Observer interface {
	Observe(Event)
}

// ObserverFunc is a function as an [Observer].
type ObserverFunc func(Event)

// Observe calls f.
func (f ObserverFunc) Observe(e Event) { f(e) }

// EventKind is the kind of an [Event].
type EventKind uint8

// The kinds of events.
const (
	Connected    EventKind = 1 + iota // a session began
	Disconnected                      // a session ended; User is set if logged in; Err if its place was needed, or by Session.Close
	Refused                           // a connection got no session; Err is the limit that is reached, or what failed
	LoggedIn                          // User is the account's name
	LoginFailed                       // User is the argument of USER; Err says why
	LoggedOut                         // by REIN or another USER
	Downloaded                        // a RETR ended; Err is nil if all that it asked for was sent
	Uploaded                          // an upload was committed
	UploadFailed                      // an upload was aborted, or its Commit failed; Err says why
	Listed                            // a directory was opened for a listing
	Made                              // a directory was made
	Deleted                           // a file or a directory was removed
	Renamed                           // Path became To
	Changed                           // a time or a mode of a file was set
	Hashed                            // a file was hashed (HASH, XCRC, …); Err is nil if to the end
	Copied                            // the server copied Path to To; Err is nil if all of it
	Linked                            // the symbolic link Path to To was made
	DataRefused                       // no data connection with Data: another host's, or it, TLS or its header failed (Err)
	Forbidden                         // a hook refused Path, or Path and To, before anything was opened or changed; Err is its error
	Dropped                           // Count events were dropped here, since the Observer was too slow
	Banned                            // a network is turned away from now on, as Ban says; no event tells of its connections
	Rejected                          // a command got Reply, 4yz or 5yz but 421, and none of the events above says why
	TLSFailed                         // TLS of the control connection failed; Err says why
	Unreached                         // a passive port that was announced as Data got no connection
)

var eventNames = [...]string{
	Connected: "connected", Disconnected: "disconnected", Refused: "refused", LoggedIn: "logged in",
	LoginFailed: "login failed", LoggedOut: "logged out", Downloaded: "downloaded", Uploaded: "uploaded",
	UploadFailed: "upload failed", Listed: "listed", Made: "made", Deleted: "deleted", Renamed: "renamed",
	Changed: "changed", Hashed: "hashed", Copied: "copied", Linked: "linked", DataRefused: "data connection refused",
	Forbidden: "forbidden", Dropped: "events dropped", Banned: "banned", Rejected: "command rejected",
	TLSFailed: "TLS handshake failed", Unreached: "passive port not reached",
}

// String returns the kind in lower-case words.
func (k EventKind) String() string {
	if int(k) < len(eventNames) && eventNames[k] != "" {
		return eventNames[k]
	}
	return "unknown"
}

// Event is an event of a session. Fields that do not apply to its kind are zero. User,
// Path, Asked and To come from the client and may hold any byte but NUL: quote them in a log of
// lines.
type Event struct {
	Kind     EventKind
	Time     time.Time
	Session  uint64 // number of the session, from 1 for the life of the server; 0 for none
	Client   netip.AddrPort
	Server   netip.AddrPort // the address that the client connected to
	Host     string         // as Login.Host
	Program  string         // as Session.Program
	User     string
	Folder   string         // Account.Folder of the account that User names, if it was logged in
	Path     string         // absolute, as the account sees it
	Asked    string         // of Uploaded and Copied: the path that the client asked for, if BeforeCommit has renamed the upload
	To       string         // the new path of Renamed, the copy of Copied, the target of Linked
	Data     netip.AddrPort // the other end of the data connection, but of Unreached the address that the client was told
	Bytes    int64          // bytes that crossed the data connection, or were hashed or copied; of Disconnected: of all files
	Count    int            // number of events that were Dropped
	Duration time.Duration  // of a transfer, or of the whole session
	ASCII    bool           // the transfer converted line ends
	Deflated bool           // the data connection was compressed (MODE Z)
	Offset   int64          // of a transfer: where in the file it began, in bytes
	TLS      bool           // the data connection was under TLS; of DataRefused: its TLS failed
	Err      error          // why it failed; never contains a password
	Ban      *bans.Ban      // of Banned

	// Verb is the verb of what the host did, whatever the client called it: RETR, STOR, APPE
	// and STOU, MKD, DELE, RMD, RNTO, MFMT; "" for others. Of Rejected it is the word that the client sent, of
	// letters alone, and Argument the pathname behind it. Both are "" if several commands came
	// at a time. Argument may hold any byte, as Path does.
	Verb, Argument string

	// Reply is the code that the client was sent: of Rejected, and of Disconnected the last
	// one, 0 for none. The host has read it on its way from the engine to the client: that it
	// was sent is certain, that it is right is not.
	Reply int

	// Reason is the text behind the code of Rejected, and why the session of Disconnected
	// ended: "quit", "the client hung up", the text of 421 or that of Err. It may hold what the
	// client sent.
	Reason string

	// TLSVersion and CipherSuite are those of the control connection, as in
	// [tls.ConnectionState]; 0 in the clear.
	TLSVersion, CipherSuite uint16

	// TLSClosed reports that the client of an upload ended TLS with close_notify, so that
	// nobody can have cut off the end of the file. See [TLS.Close].
	TLSClosed bool
}

// Mode is how the bytes of a transfer crossed the data connection: "binary", "ascii", or either
// compressed: "z", "ascii-z".
func (e *Event) Mode() string {
	switch {
	case e.ASCII && e.Deflated:
		return "ascii-z"
	case e.Deflated:
		return "z"
	case e.ASCII:
		return "ascii"
	}
	return "binary"
}
