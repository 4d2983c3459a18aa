// Package module lists what the engine is built to.
package module

//go:generate go run ./gen

import _ "embed"

// Artefacts has a line for each WebAssembly file that follows from the sources:
// its SHA-256, its size in bytes and its path in the repository.
//
//go:embed artefacts.txt
var Artefacts string
