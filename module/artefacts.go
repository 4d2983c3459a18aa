// Package module lists the WebAssembly files that are built of the engine.
package module

//go:generate go run ./gen

import _ "embed"

// Artefacts has a line for each of them: its SHA-256, its size in bytes and its path in the
// repository.
//
//go:embed artefacts.txt
var Artefacts string
