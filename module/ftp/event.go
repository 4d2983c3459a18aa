package ftp

// EventKind says what happened.
type EventKind uint8

// What the world tells the engine.
const (
	EventOpen     EventKind = 1 + iota // a new control connection, named by Session
	EventReadable                      // Handle has bytes, its end, or (a listener) a connection
	EventWritable                      // Handle has room again, or (after Dial) is connected or failed with Err
	EventReady                         // the answer that Session waits for is there
	EventTransfer                      // the transfer of file Handle ended with Err after Bytes bytes
	EventDrain                         // Session, or for 0 every session, is to end with 421 once it is idle
	EventClock                         // the wall clock shows Time in this step
	EventHangup                        // the client of Session has hung up; what it sent before may be unread yet
	EventRights                        // the account of Session has Rights and Able from now on
)

// Event is one thing that happened. Events of a session that is gone, and of
// handles that are closed, may still arrive: the engine ignores them.
type Event struct {
	Kind    EventKind
	Session Handle // 0 for EventClock, and for an EventDrain of all
	Handle  Handle
	Err     error // nil or an [Error]
	Bytes   uint64
	Time    int64 // of EventClock, in ns since 1970
	Secure  bool  // of EventOpen: the control connection is under TLS already
	Rights  Rights
	Able    Abilities
}
