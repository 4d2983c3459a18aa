//go:build wasip1

// Command wasip1 is the server as a program for plain WASI preview 1, which wazero's
// command line runs. Its TCP consists of the listeners that the runtime was started with,
// and the connections that they accept. It tells no addresses, and can neither connect nor
// reset a connection.
package main

import (
	"os"

	"wasiftp/module/standalone"
)

func main() { os.Exit(standalone.Main(connect)) }
