//go:build !wasip1

package main

import "log"

// main lets the package build here for its tests, which need no WebAssembly.
func main() { log.Fatal("this is a WebAssembly module: make wasm builds it") }
