//go:build wasip1

// Command wasip2 is the engine with the network of WASI 0.2: what becomes a
// component, for wasmtime and jco.
package main

import (
	"os"

	"wasiftp/wasi/standalone"
	"wasiftp/wasi/wasip2"
)

// Go makes a reactor of this, which has no main: a component's command is an
// export.
func main() {}

//go:wasmexport wasi:cli/run@0.2.0#run
func run() uint32 {
	// A result that is not ok would have jco print a trace besides.
	os.Exit(standalone.Main(func(standalone.Settings) (standalone.Network, error) { return wasip2.NewNetwork(), nil }))
	return 0
}
