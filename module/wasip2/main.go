//go:build wasip1

// Command wasip2 is the server with the network of WASI 0.2, wasi:sockets. component.js
// makes a component of it, for wasmtime and jco. Go's compiler knows preview 1 only, so the
// imports of WASI 0.2 are declared here by hand.
package main

import (
	"os"

	"wasiftp/module/standalone"
)

// Go builds a reactor, whose main never runs: a component's command is an export.
func main() {}

//go:wasmexport wasi:cli/run@0.2.0#run
func run() uint32 {
	// If run returned an error instead, jco would print a stack trace.
	os.Exit(standalone.Main(func(standalone.Settings) (standalone.Network, error) { return newNetwork(), nil }))
	return 0
}
