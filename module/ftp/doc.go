// Package ftp is the FTP server engine: every verb, reply, path and list line
// of RFC 959 and its successors, as a state machine that does no I/O of its own.
//
// Whoever runs the engine hands [Engine.Step] the time and the events. The engine does
// all that needs no waiting, by calls on its [World], and returns. It never
// blocks, sleeps, reads a clock, starts a goroutine or names an operating
// system, so that the same source runs in a test, in a WebAssembly host or on a
// device.
package ftp
