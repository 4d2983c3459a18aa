//go:build wasip1

// Command wamr is the server as a program for iwasm, the command of WAMR, a WebAssembly
// runtime for small devices. WAMR has functions of its own to open, bind, listen and
// connect, and those of WASI preview 1 for the rest of TCP.
package main

import (
	"os"

	"wasiftp/module/standalone"
)

func main() { os.Exit(standalone.Main(connect)) }
