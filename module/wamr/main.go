//go:build wasip1

// Command wamr is the server as a program for WAMR: what iwasm runs.
package main

import (
	"os"

	"wasiftp/wasi/standalone"
	"wasiftp/wasi/wamr"
)

func main() { os.Exit(standalone.Main(wamr.New)) }
