//go:build wasip1

// Command wasip2 is the server with the network of WASI 0.2, wasi:sockets. A
// component is made of it, for wasmtime and jco. The compiler knows preview 1 only,
// so everything else that a component imports is declared here by hand.
package main

import (
	"os"

	"wasiftp/module/standalone"
)

// Go makes a reactor of this, which has no main: a component's command is an
// export.
func main() {}

//go:wasmexport wasi:cli/run@0.2.0#run
func run() uint32 {
	// A result that is not ok would have jco print a trace besides.
	os.Exit(standalone.Main(func(standalone.Settings) (standalone.Network, error) { return newNetwork(), nil }))
	return 0
}
