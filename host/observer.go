package host

import (
	"net/netip"
	"time"
)

// Observer is told what happened, by one goroutine of the server's and in the order
// in which it happened. No session waits for it. Of events that come faster than
// Observe takes them, some 4,000 wait; then new ones are dropped, until it has taken
// those. An event of the kind [Dropped] stands where they are missing.
//
// [Server.Close] and [Server.Shutdown] return once Observe has been told of all that
// happened, or has not returned for 10 seconds, and so must not be called by it. A
// panic in Observe is logged and costs that one event.
//
// With [Config.SyncObserver] nothing is dropped, and Observe is called by many
// goroutines.
type Observer interface {
	Observe(Event)
}

// ObserverFunc is a function as an [Observer].
type ObserverFunc func(Event)

// Observe calls f.
func (f ObserverFunc) Observe(e Event) { f(e) }

// EventKind says what happened.
type EventKind uint8

// What an [Observer] is told.
const (
	Connected EventKind = 1 + iota // a session begins
	// a session is over; Duration is its whole length, User who was logged in to the end, Err says if
	// its place was needed
	Disconnected
	Refused      // a connection was refused for a limit; Err says which
	LoggedIn     // User is the account's name
	LoginFailed  // User is what the client gave; Err says why
	LoggedOut    // by REIN
	Downloaded   // a RETR ended; Err is nil when all of the file went
	Uploaded     // an upload was committed
	UploadFailed // an upload was aborted; Err says why
	Listed       // a directory was opened for listing
	Made         // a directory was made
	Deleted      // a file or a directory was removed
	Renamed      // Path became To
	Changed      // a time or a mode was set
	Hashed       // a file's bytes were hashed (HASH, XCRC, …); Err says why not
	Copied       // a file was copied on the server: Path to To; Err says why not
	Linked       // the symbolic link Path to To was made
	DataRefused  // a data connection that is not the client's was turned away; Data is its address
	Dropped      // Count events that came here were dropped: the Observer was too slow for them
)

var eventNames = [...]string{
	Connected: "connected", Disconnected: "disconnected", Refused: "refused", LoggedIn: "logged in",
	LoginFailed: "login failed", LoggedOut: "logged out", Downloaded: "downloaded", Uploaded: "uploaded",
	UploadFailed: "upload failed", Listed: "listed", Made: "made", Deleted: "deleted", Renamed: "renamed",
	Changed: "changed", Hashed: "hashed", Copied: "copied", Linked: "linked", DataRefused: "data connection refused",
	Dropped: "events dropped",
}

// String is the kind in lower-case words.
func (k EventKind) String() string {
	if int(k) < len(eventNames) && eventNames[k] != "" {
		return eventNames[k]
	}
	return "unknown"
}

// Event is something that happened in a session. Fields that do not apply are
// zero. User, Path and To hold what the client sent and may contain any byte
// but NUL: quote them wherever a line matters.
type Event struct {
	Kind     EventKind
	Time     time.Time
	Session  uint64 // counts up from 1 for the life of the server
	Client   netip.AddrPort
	Server   netip.AddrPort
	User     string
	Path     string // absolute, as the account sees it
	To       string // the new path of Renamed, the copy of Copied, the target of Linked
	Data     netip.AddrPort
	Bytes    int64 // that crossed the data connection, or were hashed or copied
	Count    int   // of the events that were Dropped
	Duration time.Duration
	ASCII    bool  // line ends were converted
	TLS      bool  // the data connection was under TLS
	Err      error // why it failed; never contains a password

	// TLSClosed says of an upload under TLS that its client has ended TLS, so
	// that nobody can have cut the end off. See [TLS.Close].
	TLSClosed bool
}
