package main

import (
	"crypto/sha256"
	"fmt"
	"log"
	"os"
	"strings"
)

// artefact is a WebAssembly file that make wasm builds.
type artefact struct {
	path   string // in the repository
	size   int
	digest string // SHA-256
}

// readArtefacts reads all of them.
func readArtefacts() (all []artefact) {
	for _, path := range []string{"host/wasiftp.wasm", "module/wasiftp-wasip1.wasm", "module/wasiftp-wasip2.wasm",
		"module/wasiftp-wamr.wasm"} {
		b, err := os.ReadFile("../" + path)
		if err != nil {
			log.Fatalf("%v; make wasm builds it", err)
		}
		all = append(all, artefact{path, len(b), fmt.Sprintf("%x", sha256.Sum256(b))})
	}
	return all
}

// artefactList makes artefacts.txt.
func artefactList(all []artefact) (b []byte) {
	for _, a := range all {
		b = fmt.Appendf(b, "%s %8d %s\n", a.digest, a.size, a.path)
	}
	return b
}

// artefactTable makes the table of README.md.
func artefactTable(all []artefact) string {
	var b strings.Builder
	b.WriteString("| file | bytes | SHA-256 |\n|---|---|---|\n")
	for _, a := range all {
		fmt.Fprintf(&b, "| `%s` | %d | `%s` |\n", a.path, a.size, a.digest)
	}
	return b.String()
}
