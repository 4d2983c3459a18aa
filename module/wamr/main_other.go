//go:build !wasip1

package main

import "log"

// Elsewhere only the tests run, of all that needs no runtime.
func main() { log.Fatal("this is a WebAssembly module: make wasm builds it") }
