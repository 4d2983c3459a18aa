//go:build wasip1

// Command wasip1 is the server as a program of plain WASI preview 1: what
// wazero's command line runs.
package main

import (
	"os"

	"wasiftp/wasi/standalone"
	"wasiftp/wasi/wasip1"
)

func main() { os.Exit(standalone.Main(wasip1.New)) }
