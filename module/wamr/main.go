//go:build wasip1

// Command wamr is the server as a program for WAMR, the WebAssembly runtime of small
// devices, whose command is iwasm. Its TCP has calls of its own to open, bind, listen
// and connect, and the preview's for the rest.
package main

import (
	"os"

	"wasiftp/module/standalone"
)

func main() { os.Exit(standalone.Main(connect)) }
