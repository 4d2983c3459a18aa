// Package standalone makes the engine a program that runs without our host, by the command
// of a WebAssembly runtime. It has the loop that waits and calls the engine, accounts and
// settings from the environment, and files below the directory that the runtime has
// opened. TCP is different in each runtime: each has a [Network] of its own.
package standalone

import "net/netip"

// Socket is a runtime's descriptor of a listener or a connection. Zero is a valid one.
type Socket uint32

// Network is TCP as a runtime offers it. No method but Wait blocks. Errors are
// [ftp.Error]s. After [ftp.ErrAgain], [Network.Wait] tells when to call again.
type Network interface {
	// Listen opens a listener and returns its address; at port 0 it gets any free port. A
	// runtime that has only the listeners it was started with finds the one for this
	// port, and closes the connections that already wait there; if there is none it
	// returns [ftp.ErrUnsupported].
	Listen(at netip.AddrPort) (Socket, netip.AddrPort, error)

	// Accept takes a connection that came to a listener. Addresses that the
	// runtime does not tell are the zero value.
	Accept(listener Socket) (conn Socket, local, peer netip.AddrPort, err error)

	// Dial begins a connection. Connected tells its outcome, [ftp.ErrAgain] while there is
	// none. A runtime without outgoing connections returns [ftp.ErrUnsupported].
	Dial(to netip.AddrPort) (Socket, error)
	Connected(conn Socket) error

	// Read reads what has arrived; 0 without an error is the end of the stream.
	Read(conn Socket, p []byte) (int, error)

	// Write takes as much of p as there is room for.
	Write(conn Socket, p []byte) (int, error)

	// Close closes a socket. Bytes that were written are still sent. With reset the other
	// end sees a broken connection instead, if the runtime can do that.
	Close(s Socket, reset bool)

	// Wait returns once a socket of the list is ready, with Ready set there, or when the
	// timeout, in ns, has passed; below 0 there is none. A runtime that cannot know may
	// set Ready on any.
	Wait(list []Interest, timeout int64)
}

// Preopened is a [Network] that can neither listen nor connect: it only has the listeners
// that the runtime was started with.
type Preopened interface {
	Network

	// Control returns the listeners for control connections.
	Control() []Socket
}

// Interest is a socket to wait for, and for what.
type Interest struct {
	Socket   Socket
	Readable bool // it has bytes, its end, or (a listener) a connection
	Writable bool // it has room, or Connected has an answer
	Ready    bool // set by Wait
}
