// Package standalone is the world of an engine that no host of ours carries: it
// runs as a program under some runtime's command line. It has the loop that
// waits and calls the engine, accounts and settings from the environment, and
// files below the directory that the runtime has opened for it. What the
// runtimes do not have in common is their TCP: a [Network] each.
package standalone

import "net/netip"

// Socket is a runtime's descriptor of a listener or a connection. Zero is one
// too.
type Socket uint32

// Network is TCP as a runtime offers it. No method but Wait blocks. Faults are
// [ftp.Error]s; what has to be waited for is [ftp.ErrAgain], and [Network.Wait]
// then tells when to ask again.
type Network interface {
	// Listen opens a listener; port 0 is any that is free. The result's address
	// has the port it got. A runtime that has only the listeners it was started
	// with finds the one for this port and turns away who waits there since
	// before; it answers [ftp.ErrUnsupported] when there is none.
	Listen(at netip.AddrPort) (Socket, netip.AddrPort, error)

	// Accept takes a connection that came to a listener. Addresses that the
	// runtime does not tell are the zero value.
	Accept(listener Socket) (conn Socket, local, peer netip.AddrPort, err error)

	// Dial begins a connection, and Connected tells how that went:
	// [ftp.ErrAgain] while nobody knows. A runtime without outgoing connections
	// answers [ftp.ErrUnsupported].
	Dial(to netip.AddrPort) (Socket, error)
	Connected(conn Socket) error

	// Read reads what has arrived; 0 without an error is the end of the stream.
	Read(conn Socket, p []byte) (int, error)

	// Write takes as much of p as there is room for.
	Write(conn Socket, p []byte) (int, error)

	// Close closes a socket. What was written still goes out, unless reset says
	// that the other end shall see a broken connection (where the runtime can).
	Close(s Socket, reset bool)

	// Wait returns once a socket of the list may be ready for what it is waited
	// for, with Ready set there, or when the timeout has passed, in ns; below 0
	// there is none. A runtime that cannot know may set Ready on any.
	Wait(list []Interest, timeout int64)
}

// Preopened is a [Network] of a runtime that can neither listen nor connect by
// itself: it has the listeners that it was started with.
type Preopened interface {
	Network

	// Control are the listeners that control connections come to.
	Control() []Socket
}

// Interest is a socket that is waited for.
type Interest struct {
	Socket   Socket
	Readable bool // it has bytes, its end, or (a listener) a connection
	Writable bool // it has room, or Connected has an answer
	Ready    bool // set by Wait
}
