//go:build wasip1

// Command wasip1 is the server as a program of plain WASI preview 1, which wazero's
// command line runs. TCP is there listeners that the runtime was started with, and
// what they accept: it tells no address, connects to nobody, and cannot break a
// connection off.
package main

import (
	"os"

	"wasiftp/module/standalone"
)

func main() { os.Exit(standalone.Main(connect)) }
